/** The member of a tar for a file of the host, by its status. */
import type { FileStatus } from '../../native/index.ts'
import { type EntryKind, entryWith, type TarEntry } from '../tar/index.ts'
import type { PathBytes } from '../values/index.ts'

/** Size, runs and link target are left to the caller, who reads them. */
export function entryOfStatus(path: PathBytes, kind: EntryKind, status: FileStatus): TarEntry {
  const isDevice = kind === 'block' || kind === 'character'
  return entryWith({
    path,
    kind,
    mode: status.mode & 0o7777,
    uid: status.uid,
    gid: status.gid,
    mtime: { seconds: status.mtimeSeconds, nanoseconds: status.mtimeNanoseconds },
    deviceMajor: isDevice ? status.rdevMajor : 0,
    deviceMinor: isDevice ? status.rdevMinor : 0
  })
}

/** Finds hard links: remembers the first path of each inode that has several. */
export class FirstPaths {
  readonly #paths = new Map<string, PathBytes>()

  /** @returns a hard link to the path under which the inode was met before; undefined for its first path */
  linkToKnown(path: PathBytes, kind: EntryKind, status: FileStatus): TarEntry | undefined {
    if (kind === 'directory' || status.nlink < 2) return undefined
    const key = `${status.dev}:${status.ino}`
    const linkTarget = this.#paths.get(key)
    if (linkTarget !== undefined) return { ...entryOfStatus(path, 'hardlink', status), linkTarget }
    this.#paths.set(key, path)
    return undefined
  }
}
