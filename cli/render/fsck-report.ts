import type { Finding, FsckReport } from '../../store/fsck/index.ts'
import { count } from '../../store/values/index.ts'
import { formatBytes, formatFields } from './format-values.ts'

export function renderFsck({
  store,
  modules,
  blobs,
  objects,
  bytesRead,
  leftovers,
  unreferenced,
  unread,
  compiled,
  indexRebuilt,
  findings
}: FsckReport): string {
  const read = `${count(modules, 'module')}, ${count(blobs, 'blob')}, ${count(objects, 'object')}, ${formatBytes(bytesRead)} read`
  const open = findings.filter(({ repaired }) => !repaired).length
  const repaired = findings.length - open
  return [
    ...findings.map(renderFinding),
    `${store}: ${read}`,
    ...(leftovers > 0 ? [`${count(leftovers, 'file')} of interrupted commands in tmp/`] : []),
    ...(unreferenced !== undefined && unreferenced.files > 0
      ? [
          `${count(unreferenced.files, 'file')} that nothing needs, ${formatBytes(unreferenced.bytes)}: compose gc`
        ]
      : []),
    ...(unread > 0
      ? [`${count(unread, 'file')} not read, because they belong to groups that you are not in`]
      : []),
    ...(compiled > 0 ? [`${count(compiled, 'missing object')} compiled`] : []),
    ...(repaired > 0 ? [`${count(repaired, 'fault')} repaired`] : []),
    ...(indexRebuilt === true ? [] : [INDEX_NOTE[`${indexRebuilt}`]]),
    open === 0 ? 'no faults' : `${count(open, 'fault')} found`
  ].join('\n')
}

/** Not a fault: without an index, commands work but are slower. */
const INDEX_NOTE = {
  'read-only': 'index left as it is: no permission to write to the store',
  false: 'index not rebuilt: it could not be written'
}

function renderFinding({ code, message, file, modules, repaired, from, left }: Finding): string {
  const fields: [string, string | undefined][] = [
    ['file', file],
    ['hurts', modules.join('\n')],
    ['from', from],
    ['left', left],
    ['code', code]
  ]
  return `${repaired ? 'repaired' : 'fault'}: ${message}\n${formatFields(fields, '  ')}`
}
