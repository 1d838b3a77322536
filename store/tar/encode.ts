/**
 * Canonical tar (spec/canonical-tar.md): a ustar header if everything fits, else a PAX header before it. The same
 * entries give the same bytes.
 *
 * The package tar-stream (below tar-fs) is not used. It encodes and decodes PAX records as UTF-8, so names that are not
 * UTF-8 and binary attributes would change, and it keeps neither nanoseconds nor sparse files.
 */
import type { PathBytes } from '../values/index.ts'
import { encodePaxRecords, paxRecordsOf } from './encode-pax.ts'
import { encodeSparseMap } from './encode-sparse.ts'
import type { EntryKind, TarEntry } from './tar-entry.ts'
import {
  archivePath,
  BLOCK_BYTES,
  NAME_BYTES,
  splitName,
  USTAR_LARGEST,
  type UstarFields,
  writeUstar
} from './ustar.ts'

const TYPE_FLAG: Record<EntryKind, string> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6'
}

/** Number of zeros after a content of this length. */
export const paddingBytes = (contentBytes: number): number =>
  (BLOCK_BYTES - (contentBytes % BLOCK_BYTES)) % BLOCK_BYTES

/** Two zero blocks. They are not padded to a whole record, which is for tapes and would only add bytes to hash. */
export const encodeEnd = (): Buffer => Buffer.alloc(2 * BLOCK_BYTES)

/**
 * Everything that precedes a member's content: PAX header if one is needed, ustar header, sparse map. The caller writes
 * the content next (of a sparse file its runs, one after another), then `paddingBytes` of zeros. The map is a multiple
 * of 512 bytes, so it does not count.
 * @throws RangeError for an entry that no archive can hold: ids, times or sizes out of range, a NUL in a name
 */
export function encodeHeader(entry: TarEntry): Buffer {
  checkEntry(entry)
  const map = entry.runs === undefined ? undefined : encodeSparseMap(entry.runs, entry.sizeBytes)
  const runBytes = entry.runs?.reduce((sum, run) => sum + run.lengthBytes, 0)
  const storedBytes = (map?.length ?? 0) + (runBytes ?? entry.sizeBytes)
  const records = paxRecordsOf(entry, storedBytes)
  const body = records.size > 0 ? encodePaxRecords(records) : undefined
  const paxBytes = body === undefined ? 0 : BLOCK_BYTES + body.length + paddingBytes(body.length)
  const header = Buffer.allocUnsafe(paxBytes + BLOCK_BYTES + (map?.length ?? 0)).fill(0)
  if (body !== undefined) writePax(header, entry.path, body)
  writeUstar(header, paxBytes, memberFields(entry, storedBytes))
  if (map !== undefined) header.set(map, paxBytes + BLOCK_BYTES)
  return header
}

function writePax(into: Buffer, path: PathBytes, body: Buffer): void {
  const name = `PaxHeaders/${baseName(path)}`.slice(0, NAME_BYTES)
  writeUstar(into, 0, { name, typeFlag: 'x', mode: 0o644, sizeBytes: body.length })
  into.set(body, BLOCK_BYTES)
}

function memberFields(entry: TarEntry, storedBytes: number): UstarFields {
  const path = entry.runs === undefined ? archivePath(entry) : sparsePlaceholder(entry.path)
  const split = splitName(path) ?? { prefix: '', name: path.slice(0, NAME_BYTES) }
  return {
    prefix: split.prefix,
    name: split.name,
    linkName: entry.linkTarget.slice(0, NAME_BYTES),
    typeFlag: TYPE_FLAG[entry.kind],
    mode: entry.mode,
    uid: Math.min(entry.uid, USTAR_LARGEST.id),
    gid: Math.min(entry.gid, USTAR_LARGEST.id),
    sizeBytes: Math.min(storedBytes, USTAR_LARGEST.size),
    mtimeSeconds: Math.min(Math.max(entry.mtime.seconds, 0), USTAR_LARGEST.mtime),
    deviceMajor: entry.deviceMajor,
    deviceMinor: entry.deviceMinor
  }
}

// Named as by GNU tar (with 0 for its process id), so that a reader without sparse support does not put the map and the
// runs in the place of the file.
const sparsePlaceholder = (path: PathBytes): PathBytes =>
  `GNUSparseFile.0/${baseName(path)}`.slice(0, NAME_BYTES)

const baseName = (path: PathBytes): PathBytes => path.slice(path.lastIndexOf('/') + 1)

/** 2^32 - 1 means "no id" to the kernel. */
const LARGEST_ID = 2 ** 32 - 2

function checkEntry(entry: TarEntry): void {
  const inRange = (what: string, value: number, lowest: number, highest: number) => {
    if (Number.isInteger(value) && value >= lowest && value <= highest) return
    const where = JSON.stringify(entry.path)
    throw new RangeError(`${where}: ${what} ${value} is not an integer from ${lowest} to ${highest}`)
  }
  inRange('mode', entry.mode, 0, 0o7777)
  inRange('uid', entry.uid, 0, LARGEST_ID)
  inRange('gid', entry.gid, 0, LARGEST_ID)
  inRange('size', entry.sizeBytes, 0, entry.kind === 'file' ? Number.MAX_SAFE_INTEGER : 0)
  inRange('mtime', entry.mtime.seconds, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
  inRange('nanoseconds of mtime', entry.mtime.nanoseconds, 0, 999_999_999)
  inRange('device major', entry.deviceMajor, 0, USTAR_LARGEST.id)
  inRange('device minor', entry.deviceMinor, 0, USTAR_LARGEST.id)
  for (const name of [entry.path, entry.linkTarget, ...entry.attributes.keys()]) {
    if (/[^\x01-\xff]/.test(name)) throw new RangeError(`${JSON.stringify(name)} holds a NUL or no byte`)
  }
}
