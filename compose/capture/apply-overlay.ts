/**
 * Makes in a sandbox the changes that a run with `--overlay` has kept (spec/capture.md#overlays). The upper folder of an
 * overlay holds whole copies, also of files that were only touched, so each is compared with the image that lay below: what
 * is the same there stays as the sandbox has it, with its stored owner, mode and ACL. Other users may write to folders of it,
 * so each path is looked up from a descriptor of its top, and through no link.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  type Stats,
  symlinkSync,
  unlinkSync
} from 'node:fs'
import {
  constants,
  type FileStatus,
  fstatAt,
  getXattr,
  listXattr,
  mknodAt,
  readlinkAt,
  removeXattr,
  setXattr,
  utimensAt
} from '../../native/index.ts'
import { Kind } from '../../store/object/index.ts'
import {
  type PathBytes,
  pathFromBuffer,
  pathToBuffer,
  StrataError,
  showPath
} from '../../store/values/index.ts'
import type { OpenImage } from '../inspect/index.ts'
import { COMPOSE_FOLDER } from '../sandbox/index.ts'
import { placesIn } from './overlay-folder.ts'
import { placeOf, ReadableUpper } from './readable-upper.ts'

type Lower = ReturnType<OpenImage['reader']['find']>

const { O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDONLY, S_IFIFO } = constants

type Mtime = Pick<FileStatus, 'mtimeSeconds' | 'mtimeNanoseconds'>

/** Marks of overlayfs: of ordinary users, and of root. */
const MARKS = ['user.overlay.', 'trusted.overlay.']
/** An image keeps ACLs in these; the sandbox has the ACLs themselves. */
const OF_IMAGE = 'user.strata.'

export interface OverlayRequest {
  /** A path of the very folder (overlay-folder.ts). */
  folder: string
  /** The image that the program ran in. */
  image: OpenImage
  /** A sandbox of what the image was made of, without edits. */
  tree: string
  note(text: string): void
}

/** Modes of paths of the tree that their user could not read with them, and so have others there. */
export type OverlayModes = ReadonlyMap<PathBytes, number>

/** @throws StrataError USAGE for a folder that is no overlay of this user, IO */
export function applyOverlay(request: OverlayRequest): OverlayModes {
  const upper = new ReadableUpper(request.folder)
  try {
    return new Applier(request, upper).run()
  } finally {
    upper.end()
  }
}

const lowerOf = ({ image }: OverlayRequest, path: PathBytes): Lower => image.reader.find(path)

const isWhiteout = (status: Stats): boolean => status.isCharacterDevice() && status.rdev === 0

class Applier {
  readonly #request: OverlayRequest
  readonly #places: Set<PathBytes>
  /** First path of each file of the upper folder with several names. */
  readonly #firstNames = new Map<number, PathBytes>()
  readonly #readable: ReadableUpper
  readonly #modes = new Map<PathBytes, number>()

  constructor(request: OverlayRequest, readable: ReadableUpper) {
    this.#request = request
    this.#readable = readable
    this.#places = placesIn(request.folder)
  }

  run(): OverlayModes {
    this.#folder('', this.#status(''), lowerOf(this.#request, ''))
    return this.#modes
  }

  /** Of a path of the upper folder. */
  #status(path: PathBytes): Stats {
    return this.#readable.statusOf(
      path,
      this.#upper(path, fd => fstatSync(fd))
    )
  }

  /** What an open folder of the upper says of one of the tree, which is there. */
  #folder(path: PathBytes, status: Stats, lower: Lower): void {
    const before = mtimeOf(this.#tree(path))
    const attributes = this.#attributes(path)
    const hasLost = attributes.get('opaque')?.toString() === 'y'
    if (hasLost)
      for (const name of readdirSync(this.#tree(path), { encoding: 'buffer' })) this.#forget(path, name)
    for (const name of this.#names(path)) {
      const inside = path === '' ? pathFromBuffer(name) : `${path}/${pathFromBuffer(name)}`
      if (inside !== COMPOSE_FOLDER) this.#entry(inside)
      else
        this.#request.note(
          `changes below /${COMPOSE_FOLDER} are left out: it says what the image was made of`
        )
    }
    this.#settle(path, status, lower?.directory === undefined ? undefined : lower, before)
  }

  /** The folder is an entirely new one, so what the upper does not have is gone. */
  #forget(path: PathBytes, name: Buffer): void {
    const inside = path === '' ? pathFromBuffer(name) : `${path}/${pathFromBuffer(name)}`
    if (inside === COMPOSE_FOLDER) return
    if (!this.#upperHas(inside)) this.#remove(inside)
  }

  #entry(path: PathBytes): void {
    const status = this.#status(path)
    const lower = lowerOf(this.#request, path)
    if (isWhiteout(status)) this.#remove(path)
    else if (status.isDirectory()) this.#directory(path, status, lower)
    else if (status.isFile()) this.#file(path, status, lower)
    else if (status.isSymbolicLink()) this.#link(path, lower)
    else if (status.isFIFO()) this.#pipe(path, status, lower)
    else if (!status.isSocket())
      this.#request.note(`/${showPath(path)} is a device, which is left out (compose capture can make one)`)
  }

  #directory(path: PathBytes, status: Stats, lower: Lower): void {
    const isThere = lstatSync(this.#tree(path), { throwIfNoEntry: false })?.isDirectory() === true
    if (lower === undefined && this.#isPlace(path)) return
    if (!isThere) {
      this.#remove(path)
      mkdirSync(this.#tree(path), 0o700)
    }
    this.#folder(path, status, isThere ? lower : undefined)
    if (!isThere) this.#time(path)
  }

  /** A place of a bind that is still empty says nothing; places within it may be in it. */
  #isPlace(path: PathBytes): boolean {
    if (!this.#places.has(path)) return false
    const status = this.#status(path)
    if (status.isFile()) return status.size === 0
    return this.#names(path).every(name => this.#isPlace(`${path}/${pathFromBuffer(name)}`))
  }

  #file(path: PathBytes, status: Stats, lower: Lower): void {
    if (status.size === 0 && this.#attributes(path).has('whiteout')) {
      this.#remove(path)
      return
    }
    if (lower === undefined && this.#isPlace(path)) return
    const first = status.nlink > 1 ? this.#firstNames.get(status.ino) : undefined
    if (first !== undefined) {
      this.#remove(path)
      linkSync(this.#tree(first), this.#tree(path))
      this.#keepMode(path, this.#modes.get(first))
      return
    }
    if (status.nlink > 1) this.#firstNames.set(status.ino, path)
    if (this.#attributes(path).has('metacopy') || this.#attributes(path).has('redirect')) this.#refuse(path)
    const before = lstatSync(this.#tree(path), { throwIfNoEntry: false })
    const isKept = before?.isFile() === true && before.nlink === 1 && lower?.file !== undefined
    const time = isKept ? mtimeOf(this.#tree(path)) : undefined
    if (!isKept) {
      this.#remove(path)
      this.#copy(path)
    } else if (!this.#hasBytesOf(path, status, lower)) {
      chmodSync(this.#tree(path), (before.mode & 0o7777) | 0o600)
      this.#copy(path) // into the file that is there: its ACL stays
      chmodSync(this.#tree(path), before.mode & 0o7777)
      this.#settle(path, status, lower, undefined)
      return
    }
    this.#settle(path, status, isKept ? lower : undefined, time)
  }

  #hasBytesOf(path: PathBytes, { size }: Stats, lower: NonNullable<Lower>): boolean {
    if (lower.file?.sizeBytes !== size) return false
    const fd = this.#upper(path, fd => openSync(placeOf(fd), O_RDONLY | O_NONBLOCK))
    try {
      for (const piece of this.#request.image.reader.content(lower)) {
        const ours = Buffer.alloc(piece.length)
        if (readSync(fd, ours) !== piece.length || ours.compare(piece) !== 0) return false
      }
      return true
    } finally {
      closeSync(fd)
    }
  }

  #link(path: PathBytes, lower: Lower): void {
    const target = Buffer.from(
      this.#upper(path, fd => readlinkAt(fd, '')),
      'latin1'
    )
    if (lower?.kind === Kind.symlink && lower.target?.equals(target)) return
    this.#remove(path)
    symlinkSync(target, this.#tree(path))
    this.#time(path)
  }

  #pipe(path: PathBytes, status: Stats, lower: Lower): void {
    if (lower?.kind === Kind.fifo) {
      this.#settle(path, status, lower, undefined)
      return
    }
    this.#remove(path)
    const slash = path.lastIndexOf('/')
    const fd = openSync(this.#tree(path.slice(0, Math.max(slash, 0))), O_RDONLY)
    try {
      mknodAt(fd, pathToBuffer(path.slice(slash + 1)), S_IFIFO | 0o600)
    } finally {
      closeSync(fd)
    }
    this.#settle(path, status, undefined, undefined)
  }

  /** Gives a path of the tree what the upper has changed of owner, mode, attributes and time. @param before its time is kept */
  #settle(path: PathBytes, status: Stats, lower: Lower, before: Mtime | undefined): void {
    const tree = this.#tree(path)
    const { reader } = this.#request.image
    const isOwner =
      lower !== undefined && reader.uid(lower) === status.uid && reader.gid(lower) === status.gid
    const was = lstatSync(tree).mode & 0o7777
    const mode = lower?.mode === (status.mode & 0o7777) ? was : status.mode & 0o7777
    if (process.geteuid?.() === 0 && !isOwner) chownSync(tree, status.uid, status.gid)
    chmodSync(tree, was | 0o400)
    if (!status.isFIFO()) this.#settleAttributes(path, lower)
    const isReadable = process.geteuid?.() === 0 || (mode & readingOf(status)) === readingOf(status)
    this.#keepMode(path, isReadable ? undefined : mode)
    chmodSync(tree, isReadable ? mode : mode | readingOf(status)) // last, since a change of owner takes set-id bits
    const time = this.#upper(path, fd => fstatAt(fd))
    const isTouched = lower?.mtimeSeconds !== time.mtimeSeconds || time.mtimeNanoseconds !== 0
    setMtime(tree, isTouched || before === undefined ? time : before)
  }

  #keepMode(path: PathBytes, mode: number | undefined): void {
    if (mode !== undefined) this.#modes.set(path, mode)
  }

  #settleAttributes(path: PathBytes, lower: Lower): void {
    const wanted = new Map([...this.#attributes(path)].filter(([name]) => name.includes('.')))
    const known = lower === undefined ? new Map() : this.#request.image.reader.attributes(lower)
    const fd = openSync(this.#tree(path), O_RDONLY | O_NONBLOCK | O_NOFOLLOW)
    try {
      for (const [name, value] of wanted)
        if (known.get(name) === undefined || value.compare(known.get(name)) !== 0)
          setXattr(fd, '', name, value)
      for (const name of known.keys())
        if (name.startsWith('user.') && !name.startsWith(OF_IMAGE) && !wanted.has(name) && has(fd, name))
          removeXattr(fd, '', name)
    } finally {
      closeSync(fd)
    }
  }

  /** Marks of the overlay by the rest of their names, without a point; others whole. */
  #attributes(path: PathBytes): Map<string, Buffer> {
    return this.#upper(path, fd => {
      const found = listXattr(fd, '').flatMap((name): [string, Buffer][] => {
        const mark = MARKS.find(start => name.startsWith(start))
        const rest = mark === undefined ? undefined : name.slice(mark.length)
        const value = () => getXattr(fd, '', name)
        if (mark === undefined) return isTaken(name) ? [[name, value()]] : []
        // An overlay within the overlay has escaped its own marks.
        if (rest!.startsWith('overlay.')) return [[mark + rest!.slice('overlay.'.length), value()]]
        return rest!.includes('.') ? [] : [[rest!, value()]]
      })
      return new Map(found)
    })
  }

  #time(path: PathBytes): void {
    setMtime(
      this.#tree(path),
      this.#upper(path, fd => fstatAt(fd))
    )
  }

  /** Into a new file of the tree, or into the one that is there. */
  #copy(path: PathBytes): void {
    this.#upper(path, fd => {
      if (!fstatSync(fd).isFile())
        throw new StrataError('SOURCE_CHANGED', {
          message: `/${showPath(path)} of the overlay changed while it was read`,
          facts: { path: showPath(path) },
          hint: 'compose capture again when nobody writes to it'
        })
      copyFileSync(placeOf(fd), this.#tree(path))
    })
  }

  #names = (path: PathBytes): Buffer[] =>
    this.#upper(path, fd => readdirSync(placeOf(fd), { encoding: 'buffer' }))

  #upperHas(path: PathBytes): boolean {
    try {
      return this.#upper(path, () => true)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
      throw error
    }
  }

  #remove(path: PathBytes): void {
    const tree = this.#tree(path)
    const status = lstatSync(tree, { throwIfNoEntry: false })
    if (status?.isDirectory()) rmSync(tree, { recursive: true, force: true })
    else if (status !== undefined) unlinkSync(tree)
  }

  #refuse(path: PathBytes): never {
    throw new StrataError('SANDBOX_INVALID', {
      message: `/${showPath(path)} of the overlay names a file elsewhere, as an overlay that compose run did not mount does`,
      facts: { path: showPath(path) },
      hint: 'compose run --overlay with an empty folder'
    })
  }

  #upper = <T>(path: PathBytes, use: (fd: number) => T): T => this.#readable.at(path, use)
  #tree = (path: PathBytes): Buffer => inside(this.#request.tree, path)
}

/** node:fs has them as fractions, in which nanoseconds are lost. */
const mtimeOf = (path: Buffer): Mtime => withInode(path, fd => fstatAt(fd))
const setMtime = (path: Buffer, { mtimeSeconds, mtimeNanoseconds }: Mtime): void =>
  withInode(path, fd => utimensAt(fd, '', mtimeSeconds, mtimeNanoseconds))

function withInode<T>(path: Buffer, work: (fd: number) => T): T {
  const fd = openSync(path, O_PATH | O_NOFOLLOW)
  try {
    return work(fd)
  } finally {
    closeSync(fd)
  }
}

const inside = (folder: string, path: PathBytes): Buffer =>
  path === '' ? Buffer.from(folder) : Buffer.concat([Buffer.from(`${folder}/`), pathToBuffer(path)])

/** What its user needs to read a file or folder of the tree. */
const readingOf = (status: Stats): number => (status.isDirectory() ? 0o700 : 0o400)

/** Those of root describe the upper folder; ACLs are those that somebody set in the run. */
const isTaken = (name: string): boolean =>
  (name.startsWith('user.') && !name.startsWith(OF_IMAGE)) || name.startsWith('system.posix_acl_')

const has = (fd: number, name: string): boolean => listXattr(fd, '').includes(name)
