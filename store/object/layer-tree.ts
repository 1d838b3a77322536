/**
 * The tree of one layer, built in memory from archive entries in their order. It is built as an extractor would build
 * it on disk, except that no path ever leads outside of it (spec/tar.md#tree).
 *
 * Rows are columns and not objects: a million entries take some hundred megabytes, most of it names.
 */

import type { EntryKind, TarEntry } from '../tar/index.ts'
import { count, type PathBytes, StrataError, showPath, WorkLimit } from '../values/index.ts'
import { f64Column, u8Column, u16Column, u32Column } from './growing-column.ts'
import { FLAG_ANEW, FLAG_HOLLOW, FLAG_IMPLICIT, FLAG_OPAQUE, Kind, WHITEOUT } from './layer-index.ts'

/** Row of an inode in the columns of a LayerTree. The root is row 0. */
export type Inode = number

export type Names = Map<PathBytes, Inode>

/** Number of links that Linux follows before it fails with ELOOP. */
const MAX_LINKS = 40
const WHITEOUT_PREFIX = '.wh.'
const OPAQUE_MARKER = '.wh..wh..opq'
const HOLDS_WHITEOUT = /(?:^|\/)\.wh\./

const KIND_NUMBER: Record<EntryKind, number> = Kind

/** Linux cannot follow longer targets (PATH_MAX, with the NUL at the end). */
const LONGEST_TARGET_BYTES = 4095
/** Limit on names looked up in link targets: a fixed number for any archive, and more for each member. */
const LINK_STEPS = 1_000_000
const LINK_STEPS_PER_MEMBER = 256

/** State of one look-up. */
interface Walk {
  /** Links followed so far, detours included. */
  hops: number
  /** The missing name at which the look-up ended. */
  missing?: Missing
}

/** A directory, and the directories through which it was reached. */
interface Trail {
  inode: Inode
  above?: Trail
  depth: number
}

const ROOT: Trail = { inode: 0, depth: 0 }

interface Spot {
  names: Names
  name: PathBytes
}

interface Missing extends Spot {
  /** True if lower layers' entries of that name are hidden as well. */
  isHidden: boolean
}

interface PendingLink extends Spot {
  entry: TarEntry
}

export interface LayerTreeOptions {
  /** Limit for nested directories, counting those reached through links. */
  mostDepth?: number
  /** True if the module has layers below this one, to whose files hard links may lead. */
  hasLower?: boolean
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
  /** Content of a file, device number of a device, link number of a symbolic link, and of a hard link to a lower layer. */
  readonly payload = u32Column()
  readonly linkTargets: PathBytes[] = []
  /** Names in each directory; a whiteout is a name with the inode WHITEOUT. */
  readonly listings = new Map<Inode, Names>()
  readonly #pendingLinks: PendingLink[] = []
  /** Directories that no entry has named so far, each before those in it, and their places. */
  readonly #unnamed = new Map<Inode, Spot>()
  readonly #mostDepth: number
  readonly #hasLower: boolean
  readonly #linkSteps: WorkLimit

  /** @param archive its name, for messages */
  constructor(archive: string, { mostDepth = Infinity, hasLower = false }: LayerTreeOptions = {}) {
    this.#archive = archive
    this.#mostDepth = mostDepth
    this.#hasLower = hasLower
    this.#linkSteps = new WorkLimit(
      LINK_STEPS,
      () =>
        new StrataError('LIMIT_EXCEEDED', {
          message:
            `${archive}: its symbolic links lead through each other, over more than ${LINK_STEPS} names ` +
            `and ${LINK_STEPS_PER_MEMBER} more a member`,
          facts: { archive }
        })
    )
    this.#addImplicitDirectory()
  }

  /**
   * Puts an entry into the tree at `path`, replacing the one that was there.
   * @param content number of the file's bytes; NONE for all but files
   * @throws StrataError TAR_INVALID, LIMIT_EXCEEDED
   */
  add(entry: TarEntry, path: PathBytes, content: number): void {
    this.#linkSteps.grant(LINK_STEPS_PER_MEMBER)
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

  /** Resolves hard links to later entries, and marks directories that only hide paths. @throws StrataError TAR_INVALID */
  finish(): void {
    this.#resolveLinks()
    this.#markHollow()
  }

  /** Each link is tried again only when the name that it missed has appeared. */
  #resolveLinks(): void {
    const waiting = new Map<Names, Map<PathBytes, PendingLink[]>>()
    const ready = this.#pendingLinks.splice(0).reverse()
    let waitingCount = 0
    for (let link = ready.pop(); link !== undefined; link = ready.pop()) {
      const walk: Walk = { hops: 0 }
      const inode = this.#lookUp(link.entry.linkTarget, walk)
      if (inode !== undefined) {
        this.#checkLinked(inode, link.entry)
        // A later entry of this name has replaced the link.
        const taken = link.names.get(link.name)
        if (taken !== undefined && taken !== WHITEOUT) continue
        link.names.set(link.name, inode)
        const met = waiting.get(link.names)?.get(link.name) ?? []
        waiting.get(link.names)?.delete(link.name)
        waitingCount -= met.length
        for (let i = met.length - 1; i >= 0; i--) ready.push(met[i])
        continue
      }
      if (walk.missing === undefined) throw this.#refuseLink(link)
      waitingCount++
      const { names, name } = walk.missing
      const inDirectory = waiting.get(names) ?? new Map<PathBytes, PendingLink[]>()
      waiting.set(names, inDirectory)
      const atName = inDirectory.get(name)
      if (atName === undefined) inDirectory.set(name, [link])
      else atName.push(link)
    }
    if (waitingCount === 0) return
    const [first] = [...waiting.values()]
      .flatMap(inDirectory => [...inDirectory.values()])
      .map(([link]) => link)
      .sort((a, b) => a.entry.headerOffset - b.entry.headerOffset)
    throw this.#refuseLink(first)
  }

  #refuseLink({ entry }: PendingLink): StrataError {
    return this.#refuse(
      entry,
      `is a hard link to ${showPath(entry.linkTarget)}, which the archive does not hold`,
      'if a lower layer holds it: compose import MODULE LOWER.tar UPPER.tar; an image: without --base'
    )
  }

  /**
   * A whiteout only hides: if the lower layers have no such directory, it must not create one. So a directory that
   * exists only to hold whiteouts is marked hollow. If such a directory is also marked anew, it becomes a whiteout
   * itself.
   */
  #markHollow(): void {
    for (const [directory, { names, name }] of [...this.#unnamed].reverse()) {
      if (names.get(name) !== directory) continue
      const flags = this.flags.get(directory)
      const isHollow = (inode: Inode) => inode === WHITEOUT || (this.flags.get(inode) & FLAG_HOLLOW) !== 0
      if (![...this.listings.get(directory)!.values()].every(isHollow)) continue
      if ((flags & FLAG_ANEW) === 0) this.flags.set(directory, flags | FLAG_HOLLOW)
      else names.set(name, WHITEOUT)
    }
  }

  /**
   * The inode at a path. Links are followed in its parents but not in its last name. @throws StrataError LIMIT_EXCEEDED
   */
  find(path: PathBytes): Inode | undefined {
    this.#linkSteps.grant(LINK_STEPS_PER_MEMBER)
    return this.#lookUp(path, { hops: 0 })
  }

  #lookUp(path: PathBytes, walk: Walk): Inode | undefined {
    if (path === '') return 0
    const cut = path.lastIndexOf('/')
    const trail = this.#follow(ROOT, cut < 0 ? '' : path.slice(0, cut), walk, false)
    if (trail === undefined) return undefined
    const name = path.slice(cut + 1)
    const inode = this.listings.get(trail.inode)!.get(name)
    if (inode !== undefined && inode !== WHITEOUT) return inode
    walk.missing = this.#missing(trail, name)
    return undefined
  }

  #missing(trail: Trail, name: PathBytes): Missing {
    const names = this.listings.get(trail.inode)!
    let isHidden = names.has(name)
    for (let at: Trail | undefined = trail; at !== undefined && !isHidden; at = at.above)
      isHidden = (this.flags.get(at.inode) & FLAG_OPAQUE) !== 0
    return { names, name, isHidden }
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
    if (known === WHITEOUT) this.#makeAnew(inode)
    names.set(name, inode)
  }

  #addWhiteout(directory: Inode, name: PathBytes, entry: TarEntry): void {
    const hidden = name.slice(WHITEOUT_PREFIX.length)
    if (name === OPAQUE_MARKER) {
      this.flags.set(directory, this.flags.get(directory) | FLAG_OPAQUE)
      return
    }
    if (hidden === '' || hidden === '.' || hidden === '..' || hidden.startsWith(WHITEOUT_PREFIX))
      throw this.#refuse(entry, 'is not a whiteout that OCI defines')
    const names = this.listings.get(directory)!
    const known = names.get(hidden)
    if (known === undefined) names.set(hidden, WHITEOUT)
    else if (known !== WHITEOUT && this.kind.get(known) === Kind.directory) this.#makeAnew(known)
  }

  /**
   * Called if the archive has a whiteout and a directory of one name: the content of lower layers is removed first. So
   * a directory that no entry named inherits nothing either, and gets the mode and owner that an extractor gives: 0755,
   * root.
   */
  #makeAnew(directory: Inode): void {
    this.flags.set(directory, (this.flags.get(directory) | FLAG_OPAQUE | FLAG_ANEW) & ~FLAG_IMPLICIT)
  }

  #addLink(directory: Inode, name: PathBytes, entry: TarEntry): void {
    this.#linkSteps.grant(LINK_STEPS_PER_MEMBER)
    const walk: Walk = { hops: 0 }
    const target = this.#lookUp(entry.linkTarget, walk)
    if (target !== undefined) this.#place(directory, name, this.#checkLinked(target, entry), entry)
    else if (this.#hasLower) this.#place(directory, name, this.#linkToLower(entry, walk), entry)
    else {
      const names = this.listings.get(directory)!
      this.#makeRoom(names, name, entry)
      this.#pendingLinks.push({ names, name, entry })
    }
  }

  /**
   * A hard link whose target is not in this archive, but in a lower layer: merging checks that the target exists there
   * (spec/merge.md#lower).
   */
  #linkToLower(entry: TarEntry, { hops, missing }: Walk): Inode {
    const { path, linkTarget } = entry
    const link = `is a hard link to ${showPath(linkTarget)}`
    if (`${linkTarget}/`.startsWith(`${path}/`)) throw this.#refuse(entry, `${link}, which it replaces`)
    if (missing === undefined)
      throw this.#refuse(entry, `${link}, which does not lie in a directory of this archive`)
    if (missing.isHidden) throw this.#refuse(entry, `${link}, which a whiteout of the same archive removes`)
    if (hops > 0)
      throw this.#refuse(entry, `${link}, which leads through a symbolic link of the same archive`)
    return this.#newRow(Kind.hardlink, this.linkTargets.push(linkTarget) - 1)
  }

  /** True if a link leads to a lower layer, even if the link was replaced since. */
  get hasLowerLinks(): boolean {
    return this.kind.view().includes(Kind.hardlink)
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

  /** Of several entries of one name, the last wins. But a directory with content is not replaced by a file. */
  #makeRoom(names: Names, name: PathBytes, entry: TarEntry): void {
    const known = names.get(name)
    if (known === undefined || known === WHITEOUT) return
    const listing = this.listings.get(known)
    if (listing !== undefined && listing.size > 0)
      throw this.#refuse(
        entry,
        `replaces a directory in which the archive put ${count(listing.size, 'entry', 'entries')}`
      )
    if (listing !== undefined) this.#lastPath = undefined
    names.delete(name)
  }

  #newInode(entry: TarEntry, payload: number): Inode {
    const inode = this.#newRow(KIND_NUMBER[entry.kind], this.#payloadOf(entry, payload))
    this.#setAttributes(inode, entry)
    return inode
  }

  #newRow(kind: number, payload: number): Inode {
    const inode = this.kind.push(kind)
    this.flags.push(0)
    this.mode.push(0)
    this.uid.push(0)
    this.gid.push(0)
    this.mtimeSeconds.push(0)
    this.mtimeNanoseconds.push(0)
    this.payload.push(payload)
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
    this.#unnamed.delete(inode)
    this.mode.set(inode, entry.mode)
    this.uid.set(inode, entry.uid)
    this.gid.set(inode, entry.gid)
    this.mtimeSeconds.set(inode, entry.mtime.seconds)
    this.mtimeNanoseconds.set(inode, entry.mtime.nanoseconds)
  }

  /** A parent directory that no entry names. */
  #addImplicitDirectory(): Inode {
    const inode = this.#newRow(Kind.directory, 0)
    this.flags.set(inode, FLAG_IMPLICIT)
    this.mode.set(inode, 0o755)
    this.listings.set(inode, new Map())
    return inode
  }

  // Archives list a directory's entries together, so the last directory is remembered. It is forgotten when it is
  // replaced, and not remembered when it was reached through links, which may be replaced.
  #lastPath: PathBytes | undefined
  #lastDirectory: Inode = 0

  /** The directory at `path`, which is made if it is missing. */
  #openDirectory(path: PathBytes, entry: TarEntry): Inode {
    if (path === this.#lastPath) return this.#lastDirectory
    if (HOLDS_WHITEOUT.test(path))
      throw this.#refuse(entry, 'lies in a folder with the name of a whiteout, which OCI layers cannot hold')
    const walk: Walk = { hops: 0 }
    const trail = this.#follow(ROOT, path, walk, true)
    if (trail === undefined)
      throw this.#refuse(entry, `lies below ${showPath(path)}, which is not a directory of this archive`)
    if (trail.depth > this.#mostDepth)
      throw new StrataError('LIMIT_EXCEEDED', {
        message: `${this.#archive}: member ${showPath(entry.path)} comes to lie ${trail.depth} directories deep, more than ${this.#mostDepth}`,
        facts: { archive: this.#archive, member: showPath(entry.path) }
      })
    this.#lastPath = walk.hops === 0 ? path : undefined
    this.#lastDirectory = trail.inode
    return this.#lastDirectory
  }

  /** Follows `path` from the directory at the end of `trail`. @returns the new trail; undefined if a name is missing */
  #follow(trail: Trail, path: PathBytes, walk: Walk, create: boolean): Trail | undefined {
    let reached = trail
    for (const name of path.split('/')) {
      if (name === '' || name === '.') continue
      const next: Trail | undefined =
        name === '..' ? (reached.above ?? reached) : this.#enter(reached, name, walk, create)
      if (next === undefined) return undefined
      reached = next
    }
    return reached
  }

  #enter(trail: Trail, name: PathBytes, walk: Walk, create: boolean): Trail | undefined {
    const names = this.listings.get(trail.inode)!
    const inode = names.get(name)
    if (inode === undefined || inode === WHITEOUT) {
      if (create) return below(trail, this.#fill(names, name))
      walk.missing = this.#missing(trail, name)
      return undefined
    }
    const kind = this.kind.get(inode)
    if (kind === Kind.directory) return below(trail, inode)
    if (kind !== Kind.symlink || ++walk.hops > MAX_LINKS) return undefined
    const target = this.linkTargets[this.payload.get(inode)]
    if (target.length > LONGEST_TARGET_BYTES) return undefined
    this.#linkSteps.spend(1 + target.length / 2)
    // Nothing is made below a link: its target must exist already, or the entry is refused.
    return this.#follow(target.startsWith('/') ? ROOT : trail, target, walk, false)
  }

  #fill(names: Names, name: PathBytes): Inode {
    const directory = this.#addImplicitDirectory()
    this.#unnamed.set(directory, { names, name })
    if (names.get(name) === WHITEOUT) this.#makeAnew(directory)
    names.set(name, directory)
    return directory
  }

  #refuse(entry: TarEntry, what: string, hint?: string): StrataError {
    return new StrataError('TAR_INVALID', {
      message: `${this.#archive}: member ${showPath(entry.path) || '.'} ${what}`,
      facts: { archive: this.#archive, member: showPath(entry.path), byte: entry.headerOffset },
      hint
    })
  }
}

const below = (above: Trail, inode: Inode): Trail => ({ inode, above, depth: above.depth + 1 })

/** Linux's device number as SquashFS stores it: `new_encode_dev` in include/linux/kdev_t.h. */
export const deviceNumber = (major: number, minor: number): number =>
  ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0
