/**
 * Makes the names of a sandbox, directory by directory, each through the descriptor of its parent. No path is
 * resolved, no existing file is opened or replaced, and no link is followed.
 *
 * An inode gets owner, ACL, mode, attributes, times, in this order. chown clears set-id bits and capabilities, an ACL
 * sets mode bits, and writing clears capabilities, so each comes after whatever would undo it. A directory gets its
 * metadata when everything in it exists, because its default ACL would be inherited, and every new name sets its
 * time.
 */
import { closeSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import {
  chmodAt,
  chownAt,
  constants,
  type FileStatus,
  fstatAt,
  linkAt,
  mkdirAt,
  mknodAt,
  openBeneath,
  setXattr,
  symlinkAt,
  utimensAt
} from '../../native/index.ts'
import { ACCESS_ATTRIBUTE, DEFAULT_ATTRIBUTE } from '../../store/acl/index.ts'
import { ContentReader, type DataSource, Kind } from '../../store/object/index.ts'
import { directoryEntries, type MergedTree } from '../merge/index.ts'
import { decodeAttributeSet } from './attribute-set.ts'
import { ContentPool } from './content-pool.ts'
import { writeContent } from './content-writer.ts'
import { deviceMajor, deviceMinor } from './device-numbers.ts'
import { FragmentLanes } from './fragment-lanes.ts'
import type { ContentJob } from './job-ring.ts'
import { type Applied, FLAG_NOT_WRITTEN } from './sandbox-record.ts'
import { isOnDisk, modeOnDisk, TOP_MODE_ON_DISK } from './seen-metadata.ts'
import type { StoredTruth } from './stored-truth.ts'
import { explainFailure, NotKept, pathOfInode } from './write-failure.ts'

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_RDONLY, O_WRONLY } = constants

const TYPE: Record<number, number> = {
  [Kind.block]: constants.S_IFBLK,
  [Kind.character]: constants.S_IFCHR,
  [Kind.fifo]: constants.S_IFIFO,
  [Kind.socket]: constants.S_IFSOCK
}

const SET_IDS = 0o6000

/**
 * Bytes that the main thread writes before the first thread starts, unless the caller wants another number. Starting one
 * takes as long as writing several MiB: `compose build --sandbox` of ten files takes 250 instead of 360 ms without, of 1,000
 * files of 10 kB 520 instead of 440 ms (medians of 5 in turns, 2 cores, Node 20.20).
 */
const BYTES_WITHOUT_THREAD = 8 << 20
/** What a file counts at least: its name takes time as well. */
const FILE_BYTES = 4096

/** Time that the main thread works before timers, signals and messages of the threads get their turn. */
const TURN_MILLISECONDS = 20

export interface Writing {
  tree: MergedTree
  truth: StoredTruth
  sources: DataSource[]
  applied: Applied
  /** True if the top keeps its present owner, whatever owner is stored. */
  keepsTopOwner: boolean
  /** Called with the number of file bytes that were written. */
  onBytes: (bytes: number) => void
  /** Bytes that are written before a thread starts. */
  bytesWithoutThread?: number
}

/** A directory that is being filled. */
interface Level {
  inode: number
  fd: number
  next: number
}

/** Place of the first name of an inode with several names. */
interface FirstName {
  directory: number
  entry: number
}

export class TreeWriter {
  readonly #writing: Writing
  readonly #top: number
  readonly #target: string
  readonly #isRoot: boolean
  readonly #isForCapture: boolean
  readonly #readers: ContentReader[]
  readonly #pool: ContentPool
  readonly #fragmentLanes: FragmentLanes
  readonly #firstNames = new Map<number, FirstName>()
  readonly #levels: Level[] = []
  /** Bytes that may still be written without a thread. */
  #bytesHere: number
  /** The inode that is being written, for messages. */
  #inode = 0

  /**
   * @param top descriptor of the empty directory
   * @param target its name, for messages
   */
  constructor(writing: Writing, top: number, target: string) {
    this.#writing = writing
    this.#top = top
    this.#target = target
    this.#isRoot = writing.applied === 'root'
    this.#isForCapture = writing.applied === 'capture'
    const layers = writing.tree.layers.map(({ index }, i) => ({ ...index, source: writing.sources[i] }))
    this.#readers = layers.map(layer => new ContentReader(layer.source, layer, layer.profile))
    const { appliedMtimeSeconds: seconds, appliedMtimeNanoseconds: nanoseconds } = writing.truth.tables
    this.#pool = new ContentPool(layers, { seconds, nanoseconds })
    this.#fragmentLanes = new FragmentLanes(layers)
    this.#bytesHere = writing.bytesWithoutThread ?? BYTES_WITHOUT_THREAD
  }

  /**
   * Writes everything below the top; `settleTop` sets the top's own metadata.
   * @throws StrataError SANDBOX_FILESYSTEM, OBJECT_CORRUPT, IO
   */
  async write(): Promise<void> {
    try {
      this.#enter(0, this.#top)
      let turnEnds = performance.now() + TURN_MILLISECONDS
      while (this.#levels.length > 0) {
        this.#step()
        if (performance.now() < turnEnds) continue
        this.#pool.wake()
        await setImmediate()
        this.#refuseFailure()
        this.#reportBytes()
        turnEnds = performance.now() + TURN_MILLISECONDS
      }
      await this.#pool.finish()
      this.#refuseFailure()
      this.#reportBytes()
    } catch (cause) {
      throw this.#explain(cause)
    } finally {
      await this.#pool.finish()
      for (const { fd } of this.#levels.splice(0)) if (fd !== this.#top) closeSync(fd)
    }
  }

  settleTop(): void {
    this.#inode = 0
    try {
      this.#settle(this.#top, '', 0)
    } catch (cause) {
      throw this.#explain(cause)
    }
  }

  #explain(cause: unknown): unknown {
    const { tree } = this.#writing
    const layer = tree.layers[tree.inodeLayer[this.#inode]].name
    return explainFailure(cause, { target: this.#target, path: pathOfInode(tree, this.#inode), layer })
  }

  #refuseFailure(): void {
    const { failure } = this.#pool
    if (failure === undefined) return
    this.#inode = failure.inode
    throw failure.failure
  }

  #enter(inode: number, fd: number): void {
    this.#levels.push({ inode, fd, next: this.#writing.tree.directoryFirst[inode] })
  }

  /** Handles the next name of the current directory, or its end. */
  #step(): void {
    const { tree } = this.#writing
    const level = this.#levels[this.#levels.length - 1]
    if (level.next === tree.directoryFirst[level.inode] + tree.directoryCount[level.inode]) {
      this.#inode = level.inode
      if (level.fd !== this.#top) this.#settle(level.fd, '', level.inode)
      this.#levels.pop()
      if (level.fd !== this.#top) closeSync(level.fd)
      return
    }
    this.#makeEntry(level, level.next++)
  }

  #makeEntry(level: Level, entry: number): void {
    const { tree, truth } = this.#writing
    const inode = tree.entryInode[entry]
    const kind = tree.inodeKind[inode]
    this.#inode = inode
    if (truth.tables.flags[inode] & FLAG_NOT_WRITTEN) return
    const name = this.#name(entry)
    if (kind === Kind.directory) {
      mkdirAt(level.fd, name, 0o700)
      this.#enter(inode, openBeneath(level.fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
      return
    }
    if (tree.inodeLinks[inode] > 1) {
      const first = this.#firstNames.get(inode)
      if (first !== undefined) {
        this.#link(first, level, name)
        return
      }
      this.#firstNames.set(inode, { directory: level.inode, entry })
    }
    if (kind === Kind.file) this.#makeFile(level.fd, name, inode)
    else if (this.#isForCapture && (kind === Kind.block || kind === Kind.character)) {
      closeSync(openBeneath(level.fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600))
      this.#settle(level.fd, name, inode)
    } else if (kind === Kind.symlink) {
      symlinkAt(truth.strings.at(truth.tables.payload[inode])!, level.fd, name)
      this.#settle(level.fd, name, inode)
    } else {
      const device = truth.tables.payload[inode]
      const mode = TYPE[kind] | (this.#mode(inode) & 0o777)
      mknodAt(level.fd, name, mode, deviceMajor(device), deviceMinor(device))
      this.#settle(level.fd, name, inode)
    }
  }

  #makeFile(directory: number, name: Uint8Array, inode: number): void {
    const { tree, truth } = this.#writing
    const { tables } = truth
    const fd = openBeneath(
      directory,
      name,
      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
      this.#mode(inode) & 0o777
    )
    const layer = tree.inodeLayer[inode]
    const { index } = tree.layers[layer]
    const content = index.payload[tree.inodeSource[inode]]
    try {
      if (this.#isForThread(inode) && this.#submit({ inode, fd, layer, content })) return
    } catch (error) {
      closeSync(fd)
      throw error
    }
    try {
      if (tables.size[inode] > 0)
        writeContent(fd, this.#readers[layer], index, content, index.profile.blockSize)
      this.#settle(fd, '', inode)
      this.#writing.onBytes(tables.size[inode])
    } finally {
      closeSync(fd)
    }
  }

  /** True for a file with content, and without metadata that writing would clear, when enough was written here. */
  #isForThread(inode: number): boolean {
    const { size, appliedAttributes, appliedMode } = this.#writing.truth.tables
    if (size[inode] === 0 || appliedAttributes[inode] !== 0 || (appliedMode[inode] & SET_IDS) !== 0)
      return false
    this.#bytesHere -= Math.max(size[inode], FILE_BYTES)
    return this.#bytesHere < 0
  }

  #submit(job: ContentJob): boolean {
    const { inode, fd, layer, content } = job
    const lane = this.#fragmentLanes.of(layer, content)
    if (lane === 'here') return false
    const { tables } = this.#writing.truth
    const status = fstatAt(fd)
    if (!this.#isAsPlanned(inode, status)) {
      this.#apply(fd, '', inode, status)
      this.#checkApplied(inode, fstatAt(fd))
    }
    tables.appliedMtimeSeconds[inode] = tables.mtimeSeconds[inode]
    tables.appliedMtimeNanoseconds[inode] = tables.mtimeNanoseconds[inode]
    const taken = this.#pool.submit(job, lane)
    this.#fragmentLanes.note(layer, content, taken ?? 'here')
    return taken !== undefined
  }

  #reported = 0

  #reportBytes(): void {
    const { bytes } = this.#pool
    this.#writing.onBytes(bytes - this.#reported)
    this.#reported = bytes
  }

  /** Makes another name. The directory of the first name is opened again from the top, through no link. */
  #link({ directory, entry }: FirstName, { inode, fd }: Level, name: Uint8Array): void {
    if (directory === inode) {
      linkAt(fd, this.#name(entry), fd, name)
      return
    }
    const other = this.#openDirectory(directory)
    try {
      linkAt(other, this.#name(entry), fd, name)
    } finally {
      closeSync(other)
    }
  }

  #openDirectory(inode: number): number {
    const { directoryParent } = this.#writing.tree
    const above: number[] = []
    for (let at = inode; at !== 0; at = directoryParent[at]) above.push(at)
    let fd = openBeneath(this.#top, '.', O_PATH | O_DIRECTORY)
    for (const directory of above.reverse()) {
      const parent = fd
      try {
        fd = openBeneath(
          parent,
          this.#name(this.#entryOfDirectory(directory)),
          O_PATH | O_DIRECTORY | O_NOFOLLOW
        )
      } finally {
        closeSync(parent)
      }
    }
    return fd
  }

  #directoryEntries: Uint32Array | undefined

  /** The entry of a directory; it has only one. */
  #entryOfDirectory(inode: number): number {
    this.#directoryEntries ??= directoryEntries(this.#writing.tree)
    return this.#directoryEntries[inode]
  }

  #name(entry: number): Uint8Array {
    const { entryNameLength } = this.#writing.tree
    const { names, entryNameStart } = this.#writing.truth.tables
    return names.subarray(entryNameStart[entry], entryNameStart[entry] + entryNameLength[entry])
  }

  /**
   * Gives an inode its metadata, and notes the time that the file system kept.
   * @param name of the entry in the directory `fd`; empty for the inode of `fd` itself
   */
  #settle(fd: number, name: Uint8Array | '', inode: number): void {
    const { tables } = this.#writing.truth
    const setTime = () => utimensAt(fd, name, tables.mtimeSeconds[inode], tables.mtimeNanoseconds[inode])
    setTime()
    let status = fstatAt(fd, name)
    if (!this.#isAsPlanned(inode, status)) {
      this.#apply(fd, name, inode, status)
      setTime()
      status = fstatAt(fd, name)
      this.#checkApplied(inode, status)
    }
    tables.appliedMtimeSeconds[inode] = status.mtimeSeconds
    tables.appliedMtimeNanoseconds[inode] = status.mtimeNanoseconds
  }

  /** True for most inodes: they belong to the user, have the usual mode, and need nothing else. */
  #isAsPlanned(inode: number, status: FileStatus): boolean {
    const { appliedAttributes, appliedAccess, appliedDefault } = this.#writing.truth.tables
    const isPlain =
      appliedAttributes[inode] === 0 && appliedAccess[inode] === 0 && appliedDefault[inode] === 0
    return isPlain && this.#isOwnerRight(inode, status) && this.#isModeRight(inode, status)
  }

  #isOwnerRight(inode: number, { uid, gid }: FileStatus): boolean {
    const {
      truth: { tables },
      keepsTopOwner
    } = this.#writing
    if (!this.#isRoot || (inode === 0 && keepsTopOwner)) return true
    return uid === tables.uid[inode] && gid === tables.gid[inode]
  }

  #isModeRight(inode: number, { mode }: FileStatus): boolean {
    const { kind } = this.#writing.truth.tables
    return kind[inode] === Kind.symlink || (mode & 0o7777) === this.#mode(inode)
  }

  /** The mode that the file system gets. */
  #mode(inode: number): number {
    const { kind, appliedMode } = this.#writing.truth.tables
    if (!this.#isForCapture) return appliedMode[inode]
    return inode === 0 ? TOP_MODE_ON_DISK : modeOnDisk(kind[inode], appliedMode[inode])
  }

  #apply(fd: number, name: Uint8Array | '', inode: number, status: FileStatus): void {
    const { tables, strings } = this.#writing.truth
    if (!this.#isOwnerRight(inode, status)) chownAt(fd, name, tables.uid[inode], tables.gid[inode])
    const access = this.#isForCapture ? undefined : strings.at(tables.appliedAccess[inode])
    if (access !== undefined) setXattr(fd, name, ACCESS_ATTRIBUTE, access)
    const defaults = this.#isForCapture ? undefined : strings.at(tables.appliedDefault[inode])
    if (defaults !== undefined) setXattr(fd, name, DEFAULT_ATTRIBUTE, defaults)
    if (tables.kind[inode] !== Kind.symlink) chmodAt(fd, name, this.#mode(inode))
    for (const [attribute, value] of decodeAttributeSet(strings.at(tables.appliedAttributes[inode])))
      if (!this.#isForCapture || isOnDisk(attribute, tables.kind[inode])) setXattr(fd, name, attribute, value)
  }

  /** Some file systems accept values that they do not keep. */
  #checkApplied(inode: number, status: FileStatus): void {
    const { tables } = this.#writing.truth
    if (this.#isOwnerRight(inode, status) && this.#isModeRight(inode, status)) return
    if (this.#writing.applied === 'record-only') {
      tables.appliedMode[inode] = status.mode & 0o7777
      return
    }
    const found = `${status.uid}:${status.gid} with mode ${(status.mode & 0o7777).toString(8)}`
    throw new NotKept(`it has ${found}, although other values were set`)
  }
}
