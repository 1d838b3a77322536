/**
 * Compares a sandbox with its record. Both are in byte order within a directory, so one walk over the sandbox meets
 * every name of either. Paths that are as they were applied are skipped; the rest are edits.
 */
import { createHash } from 'node:crypto'
import { readSync } from 'node:fs'
import { constants, type FileStatus, readlinkAt } from '../../native/index.ts'
import {
  ACCESS_ATTRIBUTE,
  type Attributes,
  aclOf,
  CAPABILITY_ATTRIBUTE,
  decodeAcl,
  encodeAcl
} from '../../store/acl/index.ts'
import {
  type DirectorySource,
  type Found as FoundEntry,
  type OnLeftOut,
  type OnSkip,
  readAttributes,
  walk
} from '../../store/directory/index.ts'
import { deviceNumber, Kind, NONE } from '../../store/object/index.ts'
import { type PathBytes, pathFromBuffer, StrataError, showPath } from '../../store/values/index.ts'
import {
  type EditedMetadata,
  editedMetadata,
  isAsApplied,
  isAsStored,
  isTimeAsApplied,
  newMetadata
} from './edited-metadata.ts'
import { COMPOSE_FOLDER } from './sandbox-files.ts'
import {
  FLAG_GENERATED,
  FLAG_NOT_WRITTEN,
  isExact,
  recordName,
  recordString,
  type SandboxRecord
} from './sandbox-record.ts'
import { type SeenMetadata, seenAttributes, seenStatus } from './seen-metadata.ts'

/** A path that may belong into the captured layer. */
export interface Candidate {
  path: PathBytes
  kind: number
  status: FileStatus
  metadata: EditedMetadata
  /** Target of a symbolic link. */
  target: PathBytes
  /** Inode of the record; NONE for a path that the tree did not have. */
  inode: number
  isEdited: boolean
  /** Its bytes, its link target or its device number are not the stored ones. */
  hasNewContent: boolean
}

export interface Edits {
  /** Candidates by path. Unedited ones are only those that `spreadEdits` needs. */
  candidates: Candidate[]
  /** Deleted paths of the tree, without those below another one. */
  deleted: PathBytes[]
  /** Deleted paths that every build makes again. */
  regenerated: PathBytes[]
  /** Files that lost stored set-id bits or capabilities because their content changed. */
  unprivileged: PathBytes[]
}

export interface FindOptions {
  /** What commands see of paths, in a sandbox in which they are captured. */
  seen?: ReadonlyMap<PathBytes, SeenMetadata>
  /** Modes of paths that have others on disk. */
  modes?: ReadonlyMap<PathBytes, number>
  /** Hash every file, even if its size and time are unchanged. */
  checkContents: boolean
  /** Make every path a candidate, also unedited ones. */
  whole?: boolean
  onSkip: OnSkip
  onLeftOut: OnLeftOut
  /** Called for each compared path. */
  onPath: () => void
}

/** @throws StrataError SOURCE_CHANGED, IO, SANDBOX_INVALID for a mount, or a name that layers cannot hold */
export function findEdits(
  top: number,
  source: DirectorySource,
  record: SandboxRecord,
  options: FindOptions
): Edits {
  const finder = new EditFinder(source, record, options)
  for (const entry of walk(top, source)) finder.visit(entry)
  return finder.finish()
}

const KIND_OF_TYPE = new Map<number, number>([
  [constants.S_IFREG, Kind.file],
  [constants.S_IFDIR, Kind.directory],
  [constants.S_IFLNK, Kind.symlink],
  [constants.S_IFBLK, Kind.block],
  [constants.S_IFCHR, Kind.character],
  [constants.S_IFIFO, Kind.fifo],
  [constants.S_IFSOCK, Kind.socket]
])

/** An open directory, and the next of its recorded entries. */
interface Level {
  /** Path with a `/` at its end; '' for the top. */
  prefix: PathBytes
  next: number
  end: number
}

const WHITEOUT_PREFIX = '.wh.'
/** The name of a whiteout must not be too long either. */
const LONGEST_DELETED = 255 - WHITEOUT_PREFIX.length
const READ_BYTES = 1 << 20

class EditFinder {
  readonly #source: DirectorySource
  readonly #record: SandboxRecord
  readonly #options: FindOptions
  readonly #links: Uint32Array
  readonly #levels: Level[] = []
  readonly #edits: Edits = { candidates: [], deleted: [], regenerated: [], unprivileged: [] }
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES)
  #device: bigint | undefined

  constructor(source: DirectorySource, record: SandboxRecord, options: FindOptions) {
    this.#source = source
    this.#record = record
    this.#options = options
    this.#links = new Uint32Array(record.kind.length)
    for (const inode of record.entryInode) this.#links[inode]++
  }

  visit(found: FoundEntry): void {
    const { path } = found
    const { seen, modes } = this.#options
    const shown = withMode(found.status, modes?.get(path))
    const status = seen === undefined ? shown : seenStatus(shown, seen.get(path))
    const entry = { ...found, status }
    if (path === COMPOSE_FOLDER || path.startsWith(`${COMPOSE_FOLDER}/`)) return
    this.#device ??= status.dev
    if (status.dev !== this.#device)
      throw this.#refuse(path, 'is a mount of another file system', 'unmount it first: umount')
    this.#options.onPath()
    const recorded = path === '' ? 0 : this.#recordedInode(path)
    const kind = KIND_OF_TYPE.get(status.mode & constants.S_IFMT) ?? Kind.socket
    const isKept = recorded !== NONE && this.#record.kind[recorded] === kind && !this.#isNotWritten(recorded)
    const inode = isKept ? recorded : NONE
    if (kind === Kind.directory) this.#enter(path, inode)
    if (kind === Kind.socket) {
      if (inode === NONE) this.#options.onSkip(path, 'a socket exists only while its program runs')
      return
    }
    this.#compare(entry, kind, inode)
  }

  finish(): Edits {
    while (this.#levels.length > 0) this.#leave()
    return this.#edits
  }

  #enter(path: PathBytes, inode: number): void {
    const { directoryFirst, directoryCount } = this.#record
    const next = inode === NONE ? 0 : directoryFirst[inode]
    const end = inode === NONE ? 0 : next + directoryCount[inode]
    this.#levels.push({ prefix: path === '' ? '' : `${path}/`, next, end })
  }

  /** The record's inode of a path. Recorded names before it were deleted. */
  #recordedInode(path: PathBytes): number {
    while (!path.startsWith(this.#levels[this.#levels.length - 1].prefix)) this.#leave()
    const level = this.#levels[this.#levels.length - 1]
    const name = path.slice(level.prefix.length)
    if (name.startsWith(WHITEOUT_PREFIX))
      throw this.#refuse(path, 'has a name that means a deletion in a layer', 'rename it')
    for (; level.next < level.end; level.next++) {
      const recorded = pathFromBuffer(recordName(this.#record, level.next))
      if (recorded === name) return this.#record.entryInode[level.next++]
      if (recorded > name) break
      this.#delete(level, recorded)
    }
    return NONE
  }

  #leave(): void {
    const level = this.#levels.pop()!
    for (; level.next < level.end; level.next++)
      this.#delete(level, pathFromBuffer(recordName(this.#record, level.next)))
  }

  #delete(level: Level, name: PathBytes): void {
    const inode = this.#record.entryInode[level.next]
    const path = `${level.prefix}${name}`
    if (path === COMPOSE_FOLDER || this.#isNotWritten(inode)) return
    if (this.#record.flags[inode] & FLAG_GENERATED) {
      this.#edits.regenerated.push(path)
      return
    }
    if (name.length > LONGEST_DELETED)
      throw this.#refuse(
        path,
        `was deleted, but its name of ${name.length} bytes is too long for the name of a whiteout`,
        'restore the file'
      )
    this.#edits.deleted.push(path)
  }

  #isNotWritten(inode: number): boolean {
    return (this.#record.flags[inode] & FLAG_NOT_WRITTEN) !== 0
  }

  #compare(entry: FoundEntry, kind: number, inode: number): void {
    const { path, fd, status } = entry
    const found = { status, attributes: this.#attributesOf(entry) }
    const target = kind === Kind.symlink ? this.#source.attempt(path, () => readlinkAt(fd, '')) : ''
    const add = (metadata: EditedMetadata, isEdited: boolean, hasNewContent: boolean) =>
      this.#edits.candidates.push({ path, kind, status, metadata, target, inode, isEdited, hasNewContent })
    if (inode === NONE) {
      add(newMetadata(this.#record, found), true, true)
      return
    }
    const hasNewContent = this.#hasNewContent(entry, kind, inode, target)
    const isUntouched = !hasNewContent && isAsApplied(this.#record, inode, found)
    if (isUntouched && !this.#options.whole && !this.#mustBeKnown(kind, inode, status)) return
    const metadata = editedMetadata(this.#record, inode, found, hasNewContent && kind === Kind.file)
    const isEdited = hasNewContent || !(isUntouched || isAsStored(this.#record, inode, metadata))
    add(metadata, isEdited, hasNewContent)
    if (hasNewContent && this.#losesPrivileges(inode, metadata)) this.#edits.unprivileged.push(path)
  }

  /** The attributes that an import of the directory would take. */
  #attributesOf({ path, fd, status: { mode } }: FoundEntry): Attributes {
    const { seen } = this.#options
    const read = readAttributes({ fd, path, mode }, this.#source, this.#options.onLeftOut)
    const onDisk = this.#options.modes?.has(path) ? withOwnerOf(mode, read) : read
    return seen === undefined ? onDisk : seenAttributes(onDisk, seen.get(path))
  }

  /**
   * True for an unedited path that edits of others may affect: names of one inode, and directories of generated
   * layers.
   */
  #mustBeKnown(kind: number, inode: number, status: FileStatus): boolean {
    if (kind === Kind.directory) return (this.#record.flags[inode] & FLAG_GENERATED) !== 0
    return status.nlink > 1 || this.#links[inode] > 1
  }

  #hasNewContent({ path, fd, status }: FoundEntry, kind: number, inode: number, target: PathBytes): boolean {
    const record = this.#record
    if (kind === Kind.symlink) return target !== pathFromBuffer(recordString(record, record.payload[inode])!)
    if (kind === Kind.block || kind === Kind.character)
      return deviceNumber(status.rdevMajor, status.rdevMinor) !== record.payload[inode]
    if (kind !== Kind.file) return false
    if (status.size !== record.size[inode]) return true
    const looksUnchanged = isTimeAsApplied(record, inode, status)
    if (looksUnchanged && !this.#options.checkContents) return false
    const row = record.payload[inode]
    const stored = record.contentHash.subarray(32 * row, 32 * row + 32)
    return this.#source.attempt(path, () => this.#hash(fd)).compare(stored) !== 0
  }

  #hash(fd: number): Buffer {
    const hash = createHash('sha256')
    for (let position = 0; ; ) {
      const count = readSync(fd, this.#buffer, 0, READ_BYTES, position)
      if (count === 0) return hash.digest()
      hash.update(this.#buffer.subarray(0, count))
      position += count
    }
  }

  #losesPrivileges(inode: number, { mode }: EditedMetadata): boolean {
    if (isExact(this.#record)) return false
    const stored = pathFromBuffer(
      recordString(this.#record, this.#record.attributes[inode]) ?? new Uint8Array()
    )
    return (this.#record.mode[inode] & ~mode & 0o6000) !== 0 || stored.includes(CAPABILITY_ATTRIBUTE)
  }

  #refuse(path: PathBytes, what: string, hint: string): StrataError {
    return new StrataError('SANDBOX_INVALID', {
      message: `/${showPath(path)} in ${this.#source.directory} ${what}`,
      facts: { sandbox: this.#source.directory, path: showPath(path) },
      hint
    })
  }
}

const withMode = (status: FileStatus, mode: number | undefined): FileStatus =>
  mode === undefined ? status : { ...status, mode: (status.mode & constants.S_IFMT) | mode }

/** An ACL has the rights of the owner, too. */
function withOwnerOf(mode: number, attributes: Attributes): Attributes {
  const access = attributes.get(ACCESS_ATTRIBUTE)
  if (access === undefined) return attributes
  const entries = decodeAcl(access).entries.map(entry =>
    entry.tag === 'user_obj' ? { ...entry, perm: (mode >> 6) & 7 } : entry
  )
  return new Map(attributes).set(ACCESS_ATTRIBUTE, encodeAcl(aclOf(entries)))
}
