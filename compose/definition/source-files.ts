/**
 * Reads files of a context or a tree by descriptors. Other users may own folders of a context and exchange what is in
 * them at any moment, so no link is followed below its root, and a digest is of the bytes that were copied.
 */
import { createHash } from 'node:crypto'
import {
  closeSync,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmSync,
  type Stats,
  writeFileSync,
  writeSync
} from 'node:fs'
import { basename, dirname, relative } from 'node:path'
import { constants, openBeneath, readlinkAt, seekHole } from '../../native/index.ts'
import { StrataError } from '../../store/values/index.ts'

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDONLY, O_WRONLY } = constants
const PIECE_BYTES = 1 << 20

/**
 * @param place a path below `root`, without links
 * @throws Error ELOOP for a link that came into the place
 */
function withFileBelow<T>(root: string, place: string, flags: number, use: (fd: number) => T): T {
  const top = openSync(root, O_PATH | O_DIRECTORY)
  try {
    return withOpen(openBeneath(top, Buffer.from(relative(root, place) || '.'), flags), use)
  } finally {
    closeSync(top)
  }
}

function withOpen<T>(fd: number, use: (fd: number) => T): T {
  try {
    return use(fd)
  } finally {
    closeSync(fd)
  }
}

/** Names in a folder below `root`, in byte order. */
export const namesBelow = (root: string, place: string): string[] =>
  withFileBelow(root, place, O_PATH | O_DIRECTORY | O_NOFOLLOW, fd =>
    readdirSync(`/proc/self/fd/${fd}`).sort()
  )

export const linkBelow = (root: string, place: string): string =>
  withFileBelow(root, place, O_PATH | O_NOFOLLOW, fd => Buffer.from(readlinkAt(fd, ''), 'latin1').toString())

/** @throws Error for what is not a regular file any more */
export const withRegularBelow = <T>(root: string, place: string, use: (fd: number) => T): T =>
  withFileBelow(root, place, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, fd => {
    if (!fstatSync(fd).isFile()) throw new Error(`${relative(root, place)} changed while it was read`)
    return use(fd)
  })

/** The SHA-256 of an open file. */
export function hashOfOpen(fd: number): string {
  const hash = createHash('sha256')
  eachPiece(fd, piece => hash.update(piece))
  return hash.digest('hex')
}

/** The SHA-256 of a file of the host, to which links may lead. */
export const hashOfFile = (path: string): string =>
  withOpen(openSync(path, O_RDONLY | O_NONBLOCK), hashOfOpen)

function eachPiece(fd: number, use: (piece: Buffer, position: number) => void): void {
  const room = Buffer.allocUnsafe(PIECE_BYTES)
  for (let position = 0; ; ) {
    const count = readSync(fd, room, 0, room.length, position)
    if (count === 0) return
    use(room.subarray(0, count), position)
    position += count
  }
}

/** Copies into an empty file; a file with holes keeps those that are large. @returns the SHA-256 of the bytes */
function copyOpen(from: number, to: number): string {
  const hash = createHash('sha256')
  const { size } = fstatSync(from)
  const hasHoles = size > 0 && (seekHole(from, 0) ?? size) < size
  let end = 0
  eachPiece(from, (piece, position) => {
    hash.update(piece)
    end = position + piece.length
    if (hasHoles && isZero(piece)) return
    for (let done = 0; done < piece.length; )
      done += writeSync(to, piece, done, piece.length - done, position + done)
  })
  ftruncateSync(to, end)
  return hash.digest('hex')
}

const ZEROS = Buffer.alloc(PIECE_BYTES)
const isZero = (piece: Buffer): boolean => piece.compare(ZEROS, 0, piece.length) === 0

const NEW = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW

/**
 * Copies a file of the host, to which links may lead.
 * @param within a real path, below which the file must lie
 * @throws Error for another one, also if somebody has just put a link there
 */
export const copyFromHost = (source: string, place: string, within?: string): string =>
  withOpen(openWithin(source, within), from => copyToNew(from, place))

/** @param to an open, empty file. @throws as copyFromHost */
export const copyOverFromHost = (source: string, to: number, within?: string): string =>
  withOpen(openWithin(source, within), from => copyOpen(from, to))

function openWithin(source: string, within: string | undefined): number {
  const fd = openSync(source, O_RDONLY | O_NONBLOCK)
  if (within === undefined || isBelow(within, readlinkSync(`/proc/self/fd/${fd}`))) return fd
  closeSync(fd)
  throw new Error(`it leads out of ${within}`)
}

/** @param folder and path: real paths */
export const isBelow = (folder: string, path: string): boolean =>
  path === folder || path.startsWith(folder === '/' ? folder : `${folder}/`)

export const copyToNew = (from: number, place: string): string =>
  withOpen(openSync(place, NEW, 0o600), to => copyOpen(from, to))

/** Gives a copy the times and permissions of what was copied. @param mode permissions alone */
export function setLike(place: string, { mtime }: Pick<Stats, 'mtime'>, mode: number): void {
  withOpen(openSync(place, O_RDONLY | O_NOFOLLOW | O_NONBLOCK), fd => {
    futimesSync(fd, mtime, mtime)
    fchmodSync(fd, mode)
  })
}

/**
 * Writes a file of a tree anew. What the image has in its place is removed first and never opened: a FIFO would wait for
 * a reader without an end.
 */
export function writeAnew(place: string, text: string, mode: number): void {
  if (lstatSync(place, { throwIfNoEntry: false })?.isDirectory())
    throw new StrataError('DEFINITION_INVALID', {
      message: `the image has a folder in the place of the file ${basename(place)}`
    })
  rmSync(place, { force: true })
  withOpen(openSync(place, NEW, 0o600), fd => {
    writeFileSync(fd, text)
    fchmodSync(fd, mode)
  })
}

/** As `writeAnew`, after the text of a regular file that is there. */
export const appendAnew = (place: string, text: string, mode: number): void =>
  writeAnew(place, `${textIfRegular(place)}${text}`, mode)

const textIfRegular = (place: string): string =>
  lstatSync(place, { throwIfNoEntry: false })?.isFile() === true
    ? withRegularBelow(dirname(place), place, fd => readFileSync(fd, 'utf8'))
    : ''
