/** Turns paths taken from the host into members of a tar. Files are read while the tar is written. */
import { createHash, type Hash } from 'node:crypto'
import { closeSync } from 'node:fs'
import { constants, type FileStatus, fstatAt } from '../../../native/index.ts'
import type { Attributes, AttributeTally } from '../../../store/acl/index.ts'
import {
  entryOfStatus,
  FirstPaths,
  fileMember,
  KIND_OF_TYPE,
  readAttributes
} from '../../../store/directory/index.ts'
import type { SkippedPath } from '../../../store/import/index.ts'
import type { EntryKind, ReadAt, TarEntry, TarMember } from '../../../store/tar/index.ts'
import type { PathBytes } from '../../../store/values/index.ts'
import type { HostEntry, HostTree } from './host-tree.ts'

const { S_IFMT } = constants
const ZEROS = Buffer.alloc(1 << 16)

/** Hash of a file's bytes, as the package manager recorded it. */
export interface NotedDigest {
  algorithm: string
  hex: string
}

export interface HostMembersOptions {
  /** The expected hash of a file. */
  digestOf: (path: PathBytes) => NotedDigest | undefined
  onModified: (path: PathBytes) => void
  onSkip: (skipped: SkippedPath) => void
  /** Receives the attributes and ACLs of each inode, under its first path. */
  attributes: Map<PathBytes, Attributes>
  /** Receives attributes of the file system itself. */
  leftOut: AttributeTally
}

/** @throws StrataError IO, SOURCE_CHANGED, ATTRIBUTE_INVALID */
export function* hostMembers(tree: HostTree, options: HostMembersOptions): Generator<TarMember> {
  const firstPaths = new FirstPaths()
  for (const [path, entry] of tree.taken()) {
    const kind = KIND_OF_TYPE.get(entry.status.mode & S_IFMT)
    if (kind === undefined) {
      options.onSkip({ path, reason: 'a socket exists only while its program runs' })
      continue
    }
    const { status } = entry
    const link = firstPaths.linkToKnown(path, kind, status)
    if (link !== undefined) {
      yield { entry: link }
      continue
    }
    noteAttributes(tree, path, status.mode, options)
    if (kind === 'file') yield* fileOf(tree, path, entry, options)
    else yield { entry: entryOf(path, kind, entry) }
  }
}

function noteAttributes(
  tree: HostTree,
  path: PathBytes,
  mode: number,
  { attributes, leftOut }: HostMembersOptions
): void {
  const fd = tree.openInode(path)
  try {
    const found = readAttributes({ fd, path, mode }, tree.source, (name, { what }) =>
      leftOut.add(name, what, path)
    )
    if (found.size > 0) attributes.set(path, found)
  } finally {
    closeSync(fd)
  }
}

function* fileOf(
  tree: HostTree,
  path: PathBytes,
  host: HostEntry,
  { digestOf, onModified }: HostMembersOptions
): Generator<TarMember> {
  const { status } = host
  const fd = openUnchanged(tree, path, status)
  try {
    const member = fileMember(tree.source, { path, fd, status }, entryOf(path, 'file', host))
    const wanted = digestOf(path)
    const hashed = wanted && hashing(member.readAt!, createHash(wanted.algorithm))
    yield hashed === undefined ? member : { ...member, readAt: hashed.readAt }
    tree.source.checkUnchanged(path, status, fstatAt(fd))
    if (hashed !== undefined && hashed.digest(status.size) !== wanted!.hex) onModified(path)
  } finally {
    closeSync(fd)
  }
}

/** Wraps a reader and hashes all bytes that are read; holes count as zeros. */
function hashing(readAt: ReadAt, hash: Hash): { readAt: ReadAt; digest(sizeBytes: number): string } {
  let hashedTo = 0
  const zerosTo = (position: number) => {
    for (; hashedTo < position; hashedTo += ZEROS.length) hash.update(ZEROS.subarray(0, position - hashedTo))
    hashedTo = position
  }
  return {
    readAt: (into, at, length, position) => {
      readAt(into, at, length, position)
      zerosTo(position)
      hash.update(into.subarray(at, at + length))
      hashedTo = position + length
    },
    digest: sizeBytes => {
      zerosTo(sizeBytes)
      return hash.digest('hex')
    }
  }
}

function openUnchanged(tree: HostTree, path: PathBytes, before: FileStatus): number {
  const fd = tree.openForReading(path)
  const now = fstatAt(fd)
  if (now.ino === before.ino && now.dev === before.dev) return fd
  closeSync(fd)
  throw tree.source.changed(path, 'another file took its name')
}

const entryOf = (path: PathBytes, kind: EntryKind, { status, target = '' }: HostEntry): TarEntry => ({
  ...entryOfStatus(path, kind, status),
  linkTarget: kind === 'symlink' ? target : ''
})
