import { EVERYONE, type FileAccess, showAccess } from '../../store/files/index.ts'
import type { DescribedLayer, DescribedModule } from '../../store/lookup/index.ts'
import { formatModuleName, formatOperation, formatRequirement } from '../../store/module/index.ts'
import { count, formatCid, showPath } from '../../store/values/index.ts'
import { formatBytes, formatFields } from './format-values.ts'
import { pathJson } from './json-values.ts'
import { originLines } from './origin.ts'

export const describedJson = ({ id, record, layers }: DescribedModule, store: string): object => ({
  module: formatModuleName(record),
  record: formatCid(id),
  store,
  ...record,
  requires: record.requires.map(formatRequirement),
  conflicts: record.conflicts.map(formatRequirement),
  replaces: record.replaces.map(pathJson),
  layers: layers.map(({ id: layer, manifest, ...rest }) => ({
    id: formatCid(layer),
    tar: formatCid(manifest.tar),
    ...(manifest.sidecar && { sidecar: formatCid(manifest.sidecar) }),
    entries: manifest.entries,
    bytes: manifest.bytes,
    ...(manifest.prefix && { prefix: showPath(manifest.prefix) }),
    ...(manifest.strip && { strip: manifest.strip }),
    ...(manifest.owner && { owner: manifest.owner }),
    ...rest
  }))
})

export function renderDescribed({ id, record, layers }: DescribedModule, store: string): string {
  const lines = (texts: string[]) => texts.join('\n')
  return lines([
    formatModuleName(record),
    formatFields(
      [
        ['summary', record.summary],
        ['kind', record.kind],
        ['license', record.license],
        ['family', record.family],
        ['requires', lines(record.requires.map(formatRequirement))],
        ['conflicts', lines(record.conflicts.map(formatRequirement))],
        ['environment', lines(record.environment.map(formatOperation))],
        ['access', record.accessGroups.map(({ name, gid }) => name ?? String(gid)).join(', ')],
        ['redistributable', record.redistributable ? '' : 'no: the module must not leave the site'],
        ['privileged', record.allowPrivileged ? 'may hold set-id files, devices, capabilities' : ''],
        ['deprecated', record.deprecated && `${record.deprecated.date}: ${record.deprecated.text}`],
        ['labels', lines(Object.entries(record.labels).map(([key, value]) => `${key}=${value}`))],
        ['replaces', lines(record.replaces.map(path => showPath(path)))],
        ['made from', lines(record.origin.flatMap(originLines))],
        ['help', record.help],
        ['record', formatCid(id)],
        ['store', store]
      ],
      '  '
    ),
    ...layers.map(renderLayer)
  ])
}

const unknownTarball = (readableBy: FileAccess): string =>
  readableBy === EVERYONE ? 'tarball missing' : `readable by ${showAccess(readableBy)} alone`

function renderLayer({
  id,
  manifest,
  tarBytes,
  dataBytes,
  aclPaths,
  attributePaths,
  readableBy
}: DescribedLayer): string {
  const { prefix, strip, owner } = manifest
  const sizes = [
    `${formatBytes(manifest.bytes)} in files`,
    tarBytes === undefined ? unknownTarball(readableBy) : `tarball ${formatBytes(tarBytes)}`,
    dataBytes === undefined ? '' : `stored in ${formatBytes(dataBytes)}`
  ]
  return [
    `  layer ${formatCid(id)}`,
    formatFields(
      [
        [
          'holds',
          [
            count(manifest.entries, 'entry', 'entries'),
            aclPaths !== undefined && `${count(aclPaths, 'path')} with ACLs`,
            attributePaths !== undefined && `${count(attributePaths, 'path')} with attributes`
          ]
            .filter(Boolean)
            .join(', ')
        ],
        ['size', sizes.filter(text => text !== '').join(', ')],
        [
          'placed',
          [
            strip && `strip ${strip}`,
            prefix && `below /${showPath(prefix)}`,
            owner && `owner ${owner.uid}:${owner.gid}`
          ]
            .filter(Boolean)
            .join(', ')
        ]
      ],
      '    '
    )
  ].join('\n')
}
