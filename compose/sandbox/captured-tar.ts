/** Edits as a layer: a canonical tar (spec/canonical-tar.md) with explicit whiteouts, and its attributes beside it. */
import { closeSync, readSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { constants, fstatAt, openBeneath } from '../../native/index.ts'
import type { Attributes } from '../../store/attribute.ts'
import { Chunks } from '../../store/directory/chunks.ts'
import { dataRuns, type ReadAt } from '../../store/directory/data-runs.ts'
import type { DirectorySource } from '../../store/directory/source.ts'
import { ENTRY_KIND } from '../../store/object/entry-kind.ts'
import { Kind } from '../../store/object/layer-index.ts'
import type { PathBytes } from '../../store/path-bytes.ts'
import { encodeEnd, encodeHeader, paddingBytes } from '../../store/tar/encode.ts'
import { entryWith, type TarEntry } from '../../store/tar/entry.ts'
import type { Candidate } from './find-edits.ts'

export interface CapturedLayer {
  /** Read it once, while the sandbox is as it was. Throws SOURCE_CHANGED where it is not, IO. */
  tar: AsyncIterable<Uint8Array>
  /** By path, ACLs among them; of several hard links the first. What `importLayer` takes. */
  attributes: Map<PathBytes, Attributes>
}

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants

/**
 * @param openTop opens the sandbox; the descriptor is closed when the tar has ended
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
  return { tar: inTurns(new MemberWriter(source).tar(openTop, members)), attributes }
}

/** The calls below are synchronous; between chunks others get their turn. */
async function* inTurns(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) {
    yield chunk
    await setImmediate()
  }
}

interface Member {
  entry: TarEntry
  /** Undefined for a whiteout. */
  candidate?: Candidate
}

/** In byte order of paths, so that every directory stands before what is in it. */
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

class MemberWriter {
  readonly #source: DirectorySource
  readonly #chunks = new Chunks()

  constructor(source: DirectorySource) {
    this.#source = source
  }

  *tar(openTop: () => number, members: Member[]): Generator<Uint8Array> {
    const top = openTop()
    try {
      for (const { entry, candidate } of members) {
        if (entry.kind === 'file' && candidate !== undefined) yield* this.#file(top, entry, candidate)
        else yield* this.#chunks.append(encodeHeader(entry))
      }
      yield* this.#chunks.append(encodeEnd())
      yield this.#chunks.rest()
    } finally {
      closeSync(top)
    }
  }

  *#file(top: number, entry: TarEntry, { path, status }: Candidate): Generator<Uint8Array> {
    const fd = this.#source.attempt(path, () => openBeneath(top, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK))
    try {
      this.#source.checkUnchanged(path, status, fstatAt(fd))
      const readAt: ReadAt = (into, at, length, position) =>
        this.#readWhole(path, fd, into, at, length, position)
      const runs = this.#source.attempt(path, () => dataRuns(fd, status.size, readAt))
      yield* this.#chunks.append(encodeHeader({ ...entry, runs }))
      let storedBytes = 0
      for (const { offset, lengthBytes } of runs ?? [{ offset: 0, lengthBytes: status.size }]) {
        yield* this.#chunks.put(lengthBytes, (into, at, length, done) =>
          readAt(into, at, length, offset + done)
        )
        storedBytes += lengthBytes
      }
      yield* this.#chunks.zeros(paddingBytes(storedBytes))
      this.#source.checkUnchanged(path, status, fstatAt(fd))
    } finally {
      closeSync(fd)
    }
  }

  #readWhole(path: PathBytes, fd: number, into: Buffer, at: number, length: number, position: number): void {
    for (let done = 0; done < length; ) {
      const got = this.#source.attempt(path, () =>
        readSync(fd, into, at + done, length - done, position + done)
      )
      if (got === 0)
        throw this.#source.changed(path, `it ended at byte ${position + done}, where more was expected`)
      done += got
    }
  }
}
