/** A directory as a layer source: a canonical tar of it, its attributes beside it (spec/canonical-tar.md). */
import { closeSync, openSync, readSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { constants, type FileStatus, fstatAt, readlinkAt } from '../../native/index.ts'
import { StrataError } from '../errors.ts'
import type { PathBytes } from '../path-bytes.ts'
import { encodeEnd, encodeHeader, paddingBytes } from '../tar/encode.ts'
import { type EntryKind, entryWith, type TarEntry } from '../tar/entry.ts'
import { Chunks } from './chunks.ts'
import { dataRuns, type ReadAt } from './data-runs.ts'
import { KIND_OF_TYPE } from './kind-of-type.ts'
import { type Attributes, type OnSkip, readAttributes } from './read-attributes.ts'
import { DirectorySource } from './source.ts'
import { type Found, walk } from './walk.ts'

export interface DirectoryTar {
  /** Chunks of 512 KiB, the last one shorter; memory does not grow with the files' contents. Read it once. */
  tar: AsyncIterable<Uint8Array>
  /**
   * Attributes by path, ACLs among them as `system.posix_acl_*`, complete when `tar` has ended. Only paths
   * that have some; of several hard links the first.
   */
  attributes: Map<PathBytes, Attributes>
}

/**
 * The same tree gives the same bytes, whatever the order of its directories on disk, the umask, the locale,
 * or the user (as far as the user may read it; without CAP_SYS_ADMIN the kernel hides `trusted.` attributes).
 * Sockets are left out and reported, mounts inside are entered, no link is followed but `directory` itself.
 *
 * While `tar` is read it throws StrataError: IO (missing, no directory, unreadable), SOURCE_CHANGED (written
 * to meanwhile), ATTRIBUTE_INVALID (an ACL that is not POSIX).
 */
export function readDirectoryAsTar(directory: string, { onSkip }: { onSkip: OnSkip }): DirectoryTar {
  const attributes: DirectoryTar['attributes'] = new Map()
  const chunks = new DirectoryReader(directory, attributes, onSkip).tar()
  return { tar: inTurns(chunks), attributes }
}

/** The calls below are synchronous; between chunks others get their turn: progress bars, signals. */
async function* inTurns(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) {
    yield chunk
    await setImmediate()
  }
}

const { O_DIRECTORY, O_RDONLY, S_IFMT } = constants

class DirectoryReader {
  readonly #source: DirectorySource
  readonly #attributes: DirectoryTar['attributes']
  readonly #onSkip: OnSkip
  readonly #chunks = new Chunks()
  /** First path of each inode with several, by device and inode number. */
  readonly #firstPaths = new Map<string, PathBytes>()

  constructor(directory: string, attributes: DirectoryTar['attributes'], onSkip: OnSkip) {
    this.#source = new DirectorySource(directory)
    this.#attributes = attributes
    this.#onSkip = onSkip
  }

  *tar(): Generator<Uint8Array> {
    const top = openTop(this.#source.directory)
    try {
      for (const found of walk(top, this.#source)) yield* this.#entry(found)
      yield* this.#chunks.append(encodeEnd())
      yield this.#chunks.rest()
    } finally {
      closeSync(top)
    }
  }

  *#entry(found: Found): Generator<Uint8Array> {
    const { path, fd, status } = found
    const kind = KIND_OF_TYPE.get(status.mode & S_IFMT)
    if (kind === undefined) {
      this.#onSkip(path, 'a socket is there only while its program listens')
      return
    }
    const first = this.#firstPathOf(found, kind)
    if (first !== undefined) {
      yield* this.#chunks.append(encodeHeader({ ...entryOf(found, 'hardlink'), linkTarget: first }))
      return
    }
    const attributes = readAttributes(fd, path, this.#source, this.#onSkip)
    if (attributes.size > 0) this.#attributes.set(path, attributes)
    const entry = entryOf(found, kind)
    if (kind === 'file') yield* this.#file(found, entry)
    else if (kind === 'symlink')
      yield* this.#chunks.append(encodeHeader({ ...entry, linkTarget: this.#linkTarget(found) }))
    else yield* this.#chunks.append(encodeHeader(entry))
    this.#source.checkUnchanged(
      path,
      status,
      this.#source.attempt(path, () => fstatAt(fd))
    )
  }

  /** Undefined for an inode that has one name, or that is met for the first time. */
  #firstPathOf({ path, status }: Found, kind: EntryKind): PathBytes | undefined {
    if (kind === 'directory' || status.nlink < 2) return undefined
    const key = `${status.dev}:${status.ino}`
    const first = this.#firstPaths.get(key)
    if (first === undefined) this.#firstPaths.set(key, path)
    return first
  }

  #linkTarget({ path, fd }: Found): PathBytes {
    return this.#source.attempt(path, () => readlinkAt(fd, ''))
  }

  *#file({ path, fd, status }: Found, entry: TarEntry): Generator<Uint8Array> {
    const readAt: ReadAt = (into, at, length, position) =>
      this.#readWhole(path, fd, into, at, length, position)
    const runs = this.#source.attempt(path, () => dataRuns(fd, status.size, readAt))
    yield* this.#chunks.append(encodeHeader({ ...entry, sizeBytes: status.size, runs }))
    let storedBytes = 0
    for (const { offset, lengthBytes } of runs ?? [{ offset: 0, lengthBytes: status.size }]) {
      yield* this.#chunks.put(lengthBytes, (into, at, length, done) =>
        readAt(into, at, length, offset + done)
      )
      storedBytes += lengthBytes
    }
    yield* this.#chunks.zeros(paddingBytes(storedBytes))
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

function openTop(directory: string): number {
  try {
    return openSync(directory, O_RDONLY | O_DIRECTORY)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const found =
      code === 'ENOENT' ? 'does not exist' : code === 'ENOTDIR' ? 'is not a directory' : 'cannot be opened'
    throw new StrataError('IO', {
      message: `${directory} ${found}; a directory that can be read was expected`,
      facts: { directory, error: (cause as Error).message },
      cause
    })
  }
}

function entryOf({ path, status }: Found, kind: EntryKind): TarEntry {
  const isDevice = kind === 'block' || kind === 'character'
  return entryWith({
    path,
    kind,
    mode: status.mode & 0o7777,
    uid: status.uid,
    gid: status.gid,
    mtime: mtimeOf(status),
    deviceMajor: isDevice ? status.rdevMajor : 0,
    deviceMinor: isDevice ? status.rdevMinor : 0
  })
}

const mtimeOf = (status: FileStatus) => ({
  seconds: status.mtimeSeconds,
  nanoseconds: status.mtimeNanoseconds
})
