/**
 * Writes edits as a layer: a canonical tar (spec/canonical-tar.md) with explicit whiteouts, and its attributes beside
 * it.
 */
import { closeSync } from 'node:fs'
import { constants, fstatAt, openBeneath } from '../../native/index.ts'
import type { Attributes } from '../../store/acl/index.ts'
import { type DirectorySource, fileMember } from '../../store/directory/index.ts'
import { ENTRY_KIND, Kind } from '../../store/object/index.ts'
import { entryWith, type TarEntry, type TarMember, writeMembers } from '../../store/tar/index.ts'
import type { PathBytes } from '../../store/values/index.ts'
import type { Candidate } from './find-edits.ts'

export interface CapturedLayer {
  /** To be read once, while the sandbox is unchanged. Throws SOURCE_CHANGED if it changed, IO. */
  tar: AsyncIterable<Uint8Array>
  /** Attributes by path, with ACLs; for hard links by the first name. In the form for `importLayer`. */
  attributes: Map<PathBytes, Attributes>
}

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants

/**
 * @param openTop opens the sandbox; the descriptor is closed at the end of the tar
 * @param edited in any order
 */
export function capturedLayer(
  openTop: () => number,
  source: DirectorySource,
  edited: Candidate[],
  deleted: PathBytes[]
): CapturedLayer {
  const members = membersOf(edited, deleted)
  const attributes = new Map(
    members.flatMap(({ entry, candidate }): [PathBytes, Attributes][] => {
      const own = candidate?.metadata.attributes
      return own === undefined || own.size === 0 || entry.kind === 'hardlink' ? [] : [[entry.path, own]]
    })
  )
  return { tar: writeMembers(tarMembers(source, openTop, members)), attributes }
}

interface Member {
  entry: TarEntry
  /** Undefined for a whiteout. */
  candidate?: Candidate
}

/** Members in byte order of their paths, so that every directory comes before its content. */
function membersOf(edited: Candidate[], deleted: PathBytes[]): Member[] {
  const firstPaths = new Map<bigint, PathBytes>()
  const members = [...edited].sort(byPath).map((candidate): Member => {
    const first = candidate.kind === Kind.directory ? undefined : firstPaths.get(candidate.status.ino)
    firstPaths.set(candidate.status.ino, first ?? candidate.path)
    const entry = entryOf(candidate)
    return {
      candidate,
      entry: first === undefined ? entry : { ...entry, kind: 'hardlink', linkTarget: first, sizeBytes: 0 }
    }
  })
  const whiteouts = deleted.map(
    (path): Member => ({ entry: entryWith({ kind: 'file', path: whiteoutOf(path) }) })
  )
  return [...members, ...whiteouts].sort((a, b) => byPath(a.entry, b.entry))
}

const byPath = (a: { path: PathBytes }, b: { path: PathBytes }) =>
  a.path < b.path ? -1 : a.path > b.path ? 1 : 0

function whiteoutOf(path: PathBytes): PathBytes {
  const cut = path.lastIndexOf('/') + 1
  return `${path.slice(0, cut)}.wh.${path.slice(cut)}`
}

function entryOf({ path, kind, metadata, status, target }: Candidate): TarEntry {
  const isDevice = kind === Kind.block || kind === Kind.character
  return entryWith({
    path,
    kind: ENTRY_KIND[kind],
    mode: metadata.mode,
    uid: metadata.uid,
    gid: metadata.gid,
    mtime: metadata.mtime,
    sizeBytes: kind === Kind.file ? status.size : 0,
    linkTarget: target,
    deviceMajor: isDevice ? status.rdevMajor : 0,
    deviceMinor: isDevice ? status.rdevMinor : 0
  })
}

function* tarMembers(
  source: DirectorySource,
  openTop: () => number,
  members: Member[]
): Generator<TarMember> {
  const top = openTop()
  try {
    for (const { entry, candidate } of members)
      if (entry.kind === 'file' && candidate !== undefined) yield* fileOf(source, top, entry, candidate)
      else yield { entry }
  } finally {
    closeSync(top)
  }
}

function* fileOf(
  source: DirectorySource,
  top: number,
  entry: TarEntry,
  { path, status }: Candidate
): Generator<TarMember> {
  const fd = source.attempt(path, () => openBeneath(top, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK))
  try {
    source.checkUnchanged(path, status, fstatAt(fd))
    yield fileMember(source, { path, fd, status }, entry)
    source.checkUnchanged(path, status, fstatAt(fd))
  } finally {
    closeSync(fd)
  }
}
