/** What was taken from the host as members of a tar; files are read as the tar is written. */
import { createHash } from 'node:crypto'
import { closeSync, readSync } from 'node:fs'
import { constants, type FileStatus, fstatAt } from '../../../native/index.ts'
import type { Attributes } from '../../../store/attribute.ts'
import { dataRuns, type ReadAt } from '../../../store/directory/data-runs.ts'
import { KIND_OF_TYPE } from '../../../store/directory/kind-of-type.ts'
import { readAttributes } from '../../../store/directory/read-attributes.ts'
import type { SkippedPath } from '../../../store/import/module-source.ts'
import type { PathBytes } from '../../../store/path-bytes.ts'
import { type EntryKind, entryWith, type TarEntry } from '../../../store/tar/entry.ts'
import type { TarMember } from '../../../store/tar/write-members.ts'
import type { HostEntry, HostTree } from './host-tree.ts'

const { S_IFMT } = constants
const PIECE_BYTES = 1 << 20

/** Hash of a file's bytes, as the package manager noted it. */
export interface NotedDigest {
  algorithm: string
  hex: string
}

export interface HostMembersOptions {
  /** What the bytes of a file should hash to. */
  digestOf: (path: PathBytes) => NotedDigest | undefined
  onModified: (path: PathBytes) => void
  onSkip: (skipped: SkippedPath) => void
  /** Filled by the first path of each inode that has some, ACLs among them. */
  attributes: Map<PathBytes, Attributes>
}

/** @throws StrataError IO for what cannot be read, SOURCE_CHANGED, ATTRIBUTE_INVALID */
export function* hostMembers(tree: HostTree, options: HostMembersOptions): Generator<TarMember> {
  const firstPaths = new Map<string, PathBytes>()
  for (const [path, entry] of tree.taken()) {
    const kind = KIND_OF_TYPE.get(entry.status.mode & S_IFMT)
    if (kind === undefined) {
      options.onSkip({ path, reason: 'a socket is there only while its program listens' })
      continue
    }
    const { status } = entry
    const key = `${status.dev}:${status.ino}`
    const first = kind === 'directory' || status.nlink < 2 ? undefined : firstPaths.get(key)
    if (first !== undefined) {
      yield { entry: { ...entryOf(path, 'hardlink', entry), linkTarget: first } }
      continue
    }
    firstPaths.set(key, path)
    noteAttributes(tree, path, options)
    if (kind === 'file') yield fileMember(tree, path, entry, options)
    else yield { entry: entryOf(path, kind, entry) }
  }
}

function noteAttributes(tree: HostTree, path: PathBytes, { onSkip, attributes }: HostMembersOptions): void {
  const fd = tree.openInode(path)
  try {
    const found = readAttributes(fd, path, tree.source, (skipped, reason) =>
      onSkip({ path: skipped, reason })
    )
    if (found.size > 0) attributes.set(path, found)
  } finally {
    closeSync(fd)
  }
}

function fileMember(
  tree: HostTree,
  path: PathBytes,
  host: HostEntry,
  options: HostMembersOptions
): TarMember {
  const { size } = host.status
  const entry = entryOf(path, 'file', host)
  const runs = withFile(tree, path, host.status, fd =>
    tree.source.attempt(path, () => dataRuns(fd, size, reader(tree, path, fd)))
  )
  return {
    entry: { ...entry, sizeBytes: size, runs },
    content: content(tree, path, host.status, runs, options)
  }
}

function* content(
  tree: HostTree,
  path: PathBytes,
  status: FileStatus,
  runs: TarEntry['runs'],
  { digestOf, onModified }: HostMembersOptions
): Generator<Uint8Array> {
  const wanted = digestOf(path)
  const hash = wanted && createHash(wanted.algorithm)
  const fd = openUnchanged(tree, path, status)
  try {
    const readAt = reader(tree, path, fd)
    let hashedTo = 0
    for (const { offset, lengthBytes } of runs ?? [{ offset: 0, lengthBytes: status.size }]) {
      hash?.update(Buffer.alloc(offset - hashedTo))
      for (let done = 0; done < lengthBytes; done += PIECE_BYTES) {
        const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, lengthBytes - done))
        readAt(piece, 0, piece.length, offset + done)
        hash?.update(piece)
        yield piece
      }
      hashedTo = offset + lengthBytes
    }
    hash?.update(Buffer.alloc(status.size - hashedTo))
    tree.source.checkUnchanged(path, status, fstatAt(fd))
  } finally {
    closeSync(fd)
  }
  if (hash !== undefined && hash.digest('hex') !== wanted!.hex) onModified(path)
}

function withFile<T>(tree: HostTree, path: PathBytes, status: FileStatus, use: (fd: number) => T): T {
  const fd = openUnchanged(tree, path, status)
  try {
    return use(fd)
  } finally {
    closeSync(fd)
  }
}

function openUnchanged(tree: HostTree, path: PathBytes, before: FileStatus): number {
  const fd = tree.openForReading(path)
  const now = fstatAt(fd)
  if (now.ino === before.ino && now.dev === before.dev) return fd
  closeSync(fd)
  throw tree.source.changed(path, 'another file took its name')
}

const reader =
  (tree: HostTree, path: PathBytes, fd: number): ReadAt =>
  (into, at, length, position) => {
    for (let done = 0; done < length; ) {
      const got = tree.source.attempt(path, () =>
        readSync(fd, into, at + done, length - done, position + done)
      )
      if (got === 0) throw tree.source.changed(path, `it ended at byte ${position + done}`)
      done += got
    }
  }

function entryOf(path: PathBytes, kind: EntryKind, { status, target = '' }: HostEntry): TarEntry {
  const isDevice = kind === 'block' || kind === 'character'
  return entryWith({
    path,
    kind,
    mode: status.mode & 0o7777,
    uid: status.uid,
    gid: status.gid,
    mtime: { seconds: status.mtimeSeconds, nanoseconds: status.mtimeNanoseconds },
    linkTarget: kind === 'symlink' ? target : '',
    deviceMajor: isDevice ? status.rdevMajor : 0,
    deviceMinor: isDevice ? status.rdevMinor : 0
  })
}
