/**
 * The tree of one layer, built in memory from archive entries in their order, as an extractor would build it on
 * disk, but with nothing ever resolved outside it (spec/tar.md#tree).
 *
 * Rows are columns, not objects: a million entries take some hundred megabytes, most of it names.
 */
import { StrataError } from '../errors.ts'
import { type PathBytes, showPath } from '../path-bytes.ts'
import type { EntryKind, TarEntry } from '../tar/entry.ts'
import { f64Column, u8Column, u16Column, u32Column } from './growing-column.ts'
import { FLAG_IMPLICIT, FLAG_OPAQUE, Kind, WHITEOUT } from './layer-index.ts'

/** Row of an inode in the columns of a LayerTree. The root is row 0. */
export type Inode = number

export type Names = Map<PathBytes, Inode>

/** What Linux follows before it says ELOOP. */
const MAX_LINKS = 40
const WHITEOUT_PREFIX = '.wh.'
const OPAQUE_MARKER = '.wh..wh..opq'
const HOLDS_WHITEOUT = /(?:^|\/)\.wh\./

const KIND_NUMBER: Record<Exclude<EntryKind, 'hardlink'>, number> = Kind

/** Links followed so far, over all detours of one look-up. */
interface Walk {
  hops: number
}

interface PendingLink {
  directory: Names
  name: PathBytes
  target: PathBytes
  entry: TarEntry
}

export class LayerTree {
  readonly #archive: string
  readonly kind = u8Column()
  readonly flags = u8Column()
  readonly mode = u16Column()
  readonly uid = u32Column()
  readonly gid = u32Column()
  readonly mtimeSeconds = f64Column()
  readonly mtimeNanoseconds = u32Column()
  /** Content of a file, device number of a device, link number of a symbolic link. */
  readonly payload = u32Column()
  readonly linkTargets: PathBytes[] = []
  /** Names in each directory; whiteouts are names of the inode WHITEOUT. */
  readonly listings = new Map<Inode, Names>()
  readonly #pendingLinks: PendingLink[] = []

  /** @param archive its name for messages */
  constructor(archive: string) {
    this.#archive = archive
    this.#addImplicitDirectory()
  }

  /**
   * Put an entry into the tree at `path`, over what stood there.
   * @param content number of the file's bytes; NONE for all but files
   * @throws StrataError TAR_INVALID
   */
  add(entry: TarEntry, path: PathBytes, content: number): void {
    if (path === '') {
      this.#addRoot(entry)
      return
    }
    const cut = path.lastIndexOf('/')
    const name = path.slice(cut + 1)
    const directory = this.#openDirectory(cut < 0 ? '' : path.slice(0, cut), entry)
    if (name.startsWith(WHITEOUT_PREFIX)) this.#addWhiteout(directory, name, entry)
    else if (entry.kind === 'hardlink') this.#addLink(directory, name, entry)
    else if (entry.kind === 'directory') this.#addDirectory(directory, name, entry)
    else this.#place(directory, name, this.#newInode(entry, content), entry)
  }

  /** Resolve hard links to entries that came later. @throws StrataError TAR_INVALID */
  finish(): void {
    let pending = this.#pendingLinks.splice(0)
    while (pending.length > 0) {
      const unresolved = pending.filter(link => !this.#resolveLink(link))
      if (unresolved.length === pending.length) {
        const { entry, target } = unresolved[0]
        throw this.#refuse(entry, `is a hard link to ${showPath(target)}, which the archive does not hold`)
      }
      pending = unresolved
    }
  }

  /** The inode at a path, links followed in its parents but not in its last name. */
  find(path: PathBytes): Inode | undefined {
    const cut = path.lastIndexOf('/')
    if (path === '') return 0
    const trail = this.#follow([0], cut < 0 ? '' : path.slice(0, cut), { hops: 0 }, false)
    const inode = trail && this.listings.get(trail[trail.length - 1])!.get(path.slice(cut + 1))
    return inode === WHITEOUT ? undefined : inode
  }

  #addRoot(entry: TarEntry): void {
    if (entry.kind !== 'directory')
      throw this.#refuse(entry, `is the root, but a ${entry.kind} and not a directory`)
    this.#setAttributes(0, entry)
  }

  #addDirectory(directory: Inode, name: PathBytes, entry: TarEntry): void {
    const names = this.listings.get(directory)!
    const known = names.get(name)
    if (known !== undefined && known !== WHITEOUT && this.kind.get(known) === Kind.directory) {
      this.#setAttributes(known, entry)
      return
    }
    const inode = this.#newInode(entry, 0)
    this.listings.set(inode, new Map())
    // A whiteout and a directory of one name: the directory stays, what lower layers had in it does not.
    if (known === WHITEOUT) this.flags.set(inode, FLAG_OPAQUE)
    names.set(name, inode)
  }

  #addWhiteout(directory: Inode, name: PathBytes, entry: TarEntry): void {
    const hidden = name.slice(WHITEOUT_PREFIX.length)
    if (name === OPAQUE_MARKER) {
      this.flags.set(directory, this.flags.get(directory) | FLAG_OPAQUE)
      return
    }
    if (hidden === '' || hidden === '.' || hidden === '..' || hidden.startsWith(WHITEOUT_PREFIX))
      throw this.#refuse(entry, 'is no whiteout that OCI knows')
    const names = this.listings.get(directory)!
    const known = names.get(hidden)
    if (known === undefined) names.set(hidden, WHITEOUT)
    else if (known !== WHITEOUT && this.kind.get(known) === Kind.directory)
      this.flags.set(known, this.flags.get(known) | FLAG_OPAQUE)
  }

  #addLink(directory: Inode, name: PathBytes, entry: TarEntry): void {
    const target = this.find(entry.linkTarget)
    if (target !== undefined) this.#place(directory, name, this.#checkLinked(target, entry), entry)
    else {
      const names = this.listings.get(directory)!
      this.#makeRoom(names, name, entry)
      this.#pendingLinks.push({ directory: names, name, target: entry.linkTarget, entry })
    }
  }

  #resolveLink({ directory, name, target, entry }: PendingLink): boolean {
    const inode = this.find(target)
    if (inode === undefined) return false
    // An entry of this name that came later than the link has taken its place.
    if (!directory.has(name)) directory.set(name, this.#checkLinked(inode, entry))
    return true
  }

  #checkLinked(target: Inode, entry: TarEntry): Inode {
    if (this.kind.get(target) === Kind.directory)
      throw this.#refuse(entry, `is a hard link to ${showPath(entry.linkTarget)}, which is a directory`)
    return target
  }

  #place(directory: Inode, name: PathBytes, inode: Inode, entry: TarEntry): void {
    const names = this.listings.get(directory)!
    this.#makeRoom(names, name, entry)
    names.set(name, inode)
  }

  /** The last of several entries of one name wins; but a directory's content is not thrown away for a file. */
  #makeRoom(names: Names, name: PathBytes, entry: TarEntry): void {
    const known = names.get(name)
    if (known === undefined || known === WHITEOUT) return
    const listing = this.listings.get(known)
    if (listing !== undefined && listing.size > 0)
      throw this.#refuse(entry, `replaces a directory in which the archive put ${listing.size} entries`)
    names.delete(name)
  }

  #newInode(entry: TarEntry, payload: number): Inode {
    const inode = this.kind.push(KIND_NUMBER[entry.kind as keyof typeof KIND_NUMBER])
    this.flags.push(0)
    this.mode.push(0)
    this.uid.push(0)
    this.gid.push(0)
    this.mtimeSeconds.push(0)
    this.mtimeNanoseconds.push(0)
    this.payload.push(this.#payloadOf(entry, payload))
    this.#setAttributes(inode, entry)
    return inode
  }

  #payloadOf(entry: TarEntry, content: number): number {
    if (entry.kind === 'symlink') return this.linkTargets.push(entry.linkTarget) - 1
    if (entry.kind === 'block' || entry.kind === 'character')
      return deviceNumber(entry.deviceMajor, entry.deviceMinor)
    return entry.kind === 'file' ? content : 0
  }

  #setAttributes(inode: Inode, entry: TarEntry): void {
    this.flags.set(inode, this.flags.get(inode) & ~FLAG_IMPLICIT)
    this.mode.set(inode, entry.mode)
    this.uid.set(inode, entry.uid)
    this.gid.set(inode, entry.gid)
    this.mtimeSeconds.set(inode, entry.mtime.seconds)
    this.mtimeNanoseconds.set(inode, entry.mtime.nanoseconds)
  }

  /** A parent that no entry names. */
  #addImplicitDirectory(): Inode {
    const inode = this.kind.push(Kind.directory)
    this.flags.push(FLAG_IMPLICIT)
    this.mode.push(0o755)
    this.uid.push(0)
    this.gid.push(0)
    this.mtimeSeconds.push(0)
    this.mtimeNanoseconds.push(0)
    this.payload.push(0)
    this.listings.set(inode, new Map())
    return inode
  }

  // Archives list a directory's entries together, so the last one is kept. It cannot go stale: a directory that
  // holds something is never replaced, and one reached through links is not kept.
  #lastPath: PathBytes | undefined
  #lastDirectory: Inode = 0

  /** The directory at `path`, made where it is missing. */
  #openDirectory(path: PathBytes, entry: TarEntry): Inode {
    if (path === this.#lastPath) return this.#lastDirectory
    if (HOLDS_WHITEOUT.test(path))
      throw this.#refuse(entry, 'lies in a folder named as a whiteout, which no layer of OCI can hold')
    const walk: Walk = { hops: 0 }
    const trail = this.#follow([0], path, walk, true)
    if (trail === undefined)
      throw this.#refuse(entry, `lies below ${showPath(path)}, which is not a directory of this archive`)
    this.#lastPath = walk.hops === 0 ? path : undefined
    this.#lastDirectory = trail[trail.length - 1]
    return this.#lastDirectory
  }

  /** From the directory at the end of `trail` along `path`: the trail to there, or undefined. */
  #follow(trail: Inode[], path: PathBytes, walk: Walk, create: boolean): Inode[] | undefined {
    let reached = trail
    for (const name of path.split('/')) {
      if (name === '' || name === '.') continue
      const next: Inode[] | undefined =
        name === '..'
          ? reached.length > 1
            ? reached.slice(0, -1)
            : reached
          : this.#enter(reached, name, walk, create)
      if (next === undefined) return undefined
      reached = next
    }
    return reached
  }

  #enter(trail: Inode[], name: PathBytes, walk: Walk, create: boolean): Inode[] | undefined {
    const names = this.listings.get(trail[trail.length - 1])!
    const inode = names.get(name)
    if (inode === undefined || inode === WHITEOUT)
      return create ? [...trail, this.#fill(names, name)] : undefined
    const kind = this.kind.get(inode)
    if (kind === Kind.directory) return [...trail, inode]
    if (kind !== Kind.symlink || ++walk.hops > MAX_LINKS) return undefined
    const target = this.linkTargets[this.payload.get(inode)]
    // Nothing is made below a link: what it leads to is there already, or the entry is refused.
    return this.#follow(target.startsWith('/') ? [0] : trail, target, walk, false)
  }

  #fill(names: Names, name: PathBytes): Inode {
    const directory = this.#addImplicitDirectory()
    if (names.get(name) === WHITEOUT) this.flags.set(directory, FLAG_IMPLICIT | FLAG_OPAQUE)
    names.set(name, directory)
    return directory
  }

  #refuse(entry: TarEntry, what: string): StrataError {
    return new StrataError('TAR_INVALID', {
      message: `${this.#archive}: member ${showPath(entry.path) || '.'} ${what}`,
      facts: { archive: this.#archive, member: showPath(entry.path), byte: entry.headerOffset }
    })
  }
}

/** Linux's device number as SquashFS stores it: `new_encode_dev` in include/linux/kdev_t.h. */
export const deviceNumber = (major: number, minor: number): number =>
  ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0
