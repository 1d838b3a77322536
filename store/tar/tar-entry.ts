import type { PathBytes } from '../values/index.ts'

export type EntryKind = 'file' | 'directory' | 'symlink' | 'hardlink' | 'block' | 'character' | 'fifo'

export interface Timestamp {
  /** Whole seconds, floored, may be negative. */
  seconds: number
  /** 0..999,999,999, always counted forwards from `seconds`. */
  nanoseconds: number
}

/** A run of bytes that a sparse member stores; what lies between runs is zero. */
export interface DataRun {
  offset: number
  lengthBytes: number
}

/** One member of an archive, its metadata decoded and its path made canonical. */
export interface TarEntry {
  /** Relative to the root, no leading `/` or `./`, no trailing `/`, no empty, `.` or `..` components; '' is the root. */
  path: PathBytes
  kind: EntryKind
  /** Permission, set-id and sticky bits, 0..0o7777. */
  mode: number
  uid: number
  gid: number
  uname: PathBytes
  gname: PathBytes
  mtime: Timestamp
  /** Logical size of a file (of a sparse file: with its holes); 0 for other kinds. */
  sizeBytes: number
  /** Symbolic link: the target, byte for byte. Hard link: canonical path of the member it links to. Else ''. */
  linkTarget: PathBytes
  /** Device numbers, 0 unless kind is block or character. */
  deviceMajor: number
  deviceMinor: number
  /** Extended attributes from PAX records, by full name (`user.x`, `system.posix_acl_access`), exact bytes. */
  attributes: Map<string, Uint8Array>
  /** Text of `SCHILY.acl.access` and `SCHILY.acl.default`, undecoded. */
  aclText: { access?: string; default?: string }
  /** Sparse files only: where the stored bytes belong, ascending, not overlapping. */
  runs?: DataRun[]
  /** Byte offset of the member's first header block (extended headers included) in the decoded archive. */
  headerOffset: number
}

/**
 * Receives the archive from the parser, in archive order. Every byte arrives exactly once, as `literal` (headers,
 * padding, sparse maps, the end marker and the bytes after it) or as `data`, so the archive can be put together again.
 * The slices are valid only during the call.
 */
export interface TarSink {
  literal(bytes: Uint8Array): void
  entry(entry: TarEntry): void
  /** Content of the entry last announced; for a sparse file its runs, one after another. */
  data(bytes: Uint8Array): void
  endEntry(): void
}

const NOTHING: Omit<TarEntry, 'path' | 'kind'> = {
  mode: 0,
  uid: 0,
  gid: 0,
  uname: '',
  gname: '',
  mtime: { seconds: 0, nanoseconds: 0 },
  sizeBytes: 0,
  linkTarget: '',
  deviceMajor: 0,
  deviceMinor: 0,
  attributes: new Map(),
  aclText: {},
  headerOffset: 0
}

/** An entry with these fields. The others are those of a file of root, with mode 0, of the year 1970. */
export const entryWith = (fields: Pick<TarEntry, 'path' | 'kind'> & Partial<TarEntry>): TarEntry => ({
  ...NOTHING,
  ...fields
})
