/** The PAX records that an entry needs, and their bytes (spec/canonical-tar.md#records). */
import { type PathBytes, pathToText } from '../values/index.ts'
import type { TarEntry, Timestamp } from './tar-entry.ts'
import { archivePath, NAME_BYTES, splitName, USTAR_LARGEST } from './ustar.ts'

/** Keyword to value, both as latin1 strings of bytes. */
export type PaxRecords = Map<string, string>

/** @param storedBytes the member's size in the archive, sparse map included */
export function paxRecordsOf(entry: TarEntry, storedBytes: number): PaxRecords {
  const records: PaxRecords = new Map()
  const path = archivePath(entry)
  if (entry.runs !== undefined) addSparse(records, entry, path)
  else if (splitName(path) === undefined) records.set('path', path)
  if (entry.linkTarget.length > NAME_BYTES) records.set('linkpath', entry.linkTarget)
  // Up to here all values are names, which PAX takes for UTF-8 unless a record says otherwise.
  const isText = [...records.values()].every(name => pathToText(name) !== undefined)
  if (!isText) records.set('hdrcharset', 'BINARY')
  if (entry.uid > USTAR_LARGEST.id) records.set('uid', `${entry.uid}`)
  if (entry.gid > USTAR_LARGEST.id) records.set('gid', `${entry.gid}`)
  if (storedBytes > USTAR_LARGEST.size) records.set('size', `${storedBytes}`)
  const { seconds, nanoseconds } = entry.mtime
  if (nanoseconds !== 0 || seconds < 0 || seconds > USTAR_LARGEST.mtime)
    records.set('mtime', decimal(entry.mtime))
  addAttributes(records, entry)
  return records
}

function addSparse(records: PaxRecords, entry: TarEntry, path: PathBytes): void {
  records.set('GNU.sparse.major', '1')
  records.set('GNU.sparse.minor', '0')
  records.set('GNU.sparse.name', path)
  records.set('GNU.sparse.realsize', `${entry.sizeBytes}`)
}

function addAttributes(records: PaxRecords, { attributes, aclText }: TarEntry): void {
  for (const [name, value] of attributes) {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    records.set(`SCHILY.xattr.${keywordOf(name)}`, bytes.toString('latin1'))
  }
  if (aclText.access !== undefined) records.set('SCHILY.acl.access', aclText.access)
  if (aclText.default !== undefined) records.set('SCHILY.acl.default', aclText.default)
}

// A keyword ends at its first `=`. GNU tar (xheader.c, xattr_encode_keyword) escapes `=` and `%` this way.
const keywordOf = (name: string): string => name.replace(/%/g, '%25').replace(/=/g, '%3D')

/** Seconds with as many digits as needed: (-2, 500000000) is -1.5. */
function decimal({ seconds, nanoseconds }: Timestamp): string {
  if (nanoseconds === 0) return `${seconds}`
  const negative = seconds < 0
  const whole = negative ? -seconds - 1 : seconds
  const fraction = negative ? 1_000_000_000 - nanoseconds : nanoseconds
  return `${negative ? '-' : ''}${whole}.${`${fraction}`.padStart(9, '0').replace(/0{1,8}$/, '')}`
}

/** Records `LENGTH KEYWORD=VALUE\n` in byte order of their keywords; LENGTH counts its own digits. */
export function encodePaxRecords(records: PaxRecords): Buffer {
  const sorted = [...records].sort(([a], [b]) => (a < b ? -1 : 1))
  return Buffer.from(sorted.map(([keyword, value]) => encodeRecord(keyword, value)).join(''), 'latin1')
}

function encodeRecord(keyword: string, value: string): string {
  const rest = ` ${keyword}=${value}\n`
  let length = rest.length + 1
  while (rest.length + `${length}`.length > length) length = rest.length + `${length}`.length
  return `${length}${rest}`
}
