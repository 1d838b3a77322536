/** Generated paths of a sandbox that are as they were written: every build makes them again, so no copy takes them along. */
import { closeSync, lstatSync, openSync, readlinkSync } from 'node:fs'
import { constants } from '../../native/index.ts'
import { type PathBytes, pathFromBuffer, pathToBuffer } from '../../store/values/index.ts'
import { readSandboxFiles } from './sandbox-files.ts'
import { FLAG_GENERATED, recordName, recordString, type SandboxRecord } from './sandbox-record.ts'
import type { SeenMetadata } from './seen-metadata.ts'

/** A folder counts whatever was made in it. @throws StrataError SANDBOX_INVALID */
export function generatedIn(directory: string): Set<PathBytes> {
  const top = openSync(directory, constants.O_PATH | constants.O_DIRECTORY)
  try {
    const { record, seen } = readSandboxFiles(top, directory)
    const found = new Set<PathBytes>()
    const open: { path: PathBytes; inode: number }[] = [{ path: '', inode: 0 }]
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      const first = record.directoryFirst[at.inode]
      for (let entry = first; entry < first + record.directoryCount[at.inode]; entry++) {
        const name = pathFromBuffer(recordName(record, entry))
        const inner = { path: at.path === '' ? name : `${at.path}/${name}`, inode: record.entryInode[entry] }
        if (record.directoryCount[inner.inode] > 0) open.push(inner)
        if (isAsWritten(directory, record, inner, seen?.get(inner.path))) found.add(inner.path)
      }
    }
    return found
  } finally {
    closeSync(top)
  }
}

function isAsWritten(
  directory: string,
  record: SandboxRecord,
  { path, inode }: { path: PathBytes; inode: number },
  seen: SeenMetadata | undefined
): boolean {
  if (!(record.flags[inode] & FLAG_GENERATED)) return false
  const place = Buffer.concat([Buffer.from(`${directory}/`), pathToBuffer(path)])
  const status = lstatSync(place, { bigint: true, throwIfNoEntry: false })
  if (status === undefined) return false
  if (status.isSymbolicLink()) {
    const target = recordString(record, record.payload[inode])
    return target !== undefined && readlinkSync(place, { encoding: 'buffer' }).equals(target)
  }
  const mode = seen?.mode ?? Number(status.mode)
  if ((mode & 0o7777) !== record.appliedMode[inode]) return false
  if ((seen?.uid ?? 0) !== record.uid[inode] || (seen?.gid ?? 0) !== record.gid[inode]) return false
  const time =
    BigInt(record.appliedMtimeSeconds[inode]) * 1_000_000_000n + BigInt(record.appliedMtimeNanoseconds[inode])
  return status.isDirectory() || (Number(status.size) === record.size[inode] && status.mtimeNs === time)
}
