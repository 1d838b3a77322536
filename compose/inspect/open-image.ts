/** An image file that is open for reading; nothing is mounted. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import type { CID } from 'multiformats/cid'
import { HeldFile, type OpenFile } from '../../store/disk/index.ts'
import { decodeRecord, type ModuleRecord } from '../../store/module/index.ts'
import { joinPieces, Kind } from '../../store/object/index.ts'
import {
  formatCid,
  manifestCid,
  type PathBytes,
  StrataError,
  showPath,
  systemWords
} from '../../store/values/index.ts'
import { ownerOf, type PathOwner } from '../runtime-files/index.ts'
import { isSif, readSif, SIF_HEADER_BYTES, type SifFile } from '../sif/index.ts'
import { IMAGE_MAGIC, type ImageInode, ImageReader, targetOf } from '../squashfs/index.ts'
import { type Lock, parseLock } from '../stack/index.ts'
import { type LookedUp, resolvePath } from './resolve-path.ts'

/** The container of an image: the file itself, or a SIF file around it. */
export type ImageForm = 'squashfs' | 'sif'

/** @param start the first {@link SIF_HEADER_BYTES} of a file */
export const formOf = (start: Buffer): ImageForm | undefined => {
  if (start.toString('latin1', 0, IMAGE_MAGIC.length) === IMAGE_MAGIC) return 'squashfs'
  return isSif(start) ? 'sif' : undefined
}

/** A pipe in place of an image must not make us wait. */
const TO_READ = constants.O_RDONLY | constants.O_NONBLOCK

/** True if a file begins as an image does; false also for paths that are not files or cannot be read. */
export function isImage(path: string): boolean {
  let fd: number
  try {
    fd = openSync(path, TO_READ)
  } catch {
    return false
  }
  try {
    return formOf(startOf(fd)) !== undefined
  } catch {
    return false // a directory
  } finally {
    closeSync(fd)
  }
}

function startOf(fd: number): Buffer {
  const start = Buffer.alloc(SIF_HEADER_BYTES)
  return start.subarray(0, readSync(fd, start, 0, SIF_HEADER_BYTES, 0))
}

export interface OpenImage {
  path: string
  reader: ImageReader
  fd: number
  /** Of the whole file. */
  sizeBytes: number
  /** The SquashFS image: the whole file, or the system partition of a SIF file. */
  startInFile: number
  lengthBytes: number
  /** The data beside the partition, in a SIF file. */
  sif?: SifFile
  close(): Promise<void>
}

/**
 * @param opened the file, if the caller has it open: it stays open, and `path` is only for messages
 * @throws StrataError IO, IMAGE_INVALID
 */
export async function openImage(path: string, opened?: OpenFile): Promise<OpenImage> {
  const file = opened ?? openFile(path)
  const close = async () => {
    if (opened === undefined) await file.close()
  }
  try {
    const { size } = checkRegular(file, path)
    const sif = formOf(startOf(file.fd)) === 'sif' ? await readSif(file, path, size) : undefined
    const { startInFile, lengthBytes } = sif?.system ?? { startInFile: 0, lengthBytes: size }
    const reader = new ImageReader({ fd: file.fd, startInFile, lengthBytes }, path)
    return {
      path,
      reader,
      fd: file.fd,
      sizeBytes: size,
      startInFile,
      lengthBytes,
      ...(sif && { sif }),
      close
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Opens a file that may be an image. @throws StrataError IO */
export function openFile(path: string): HeldFile {
  try {
    return new HeldFile(openSync(path, TO_READ), path)
  } catch (cause) {
    throw new StrataError('IO', { message: `${path} cannot be read: ${systemWords(cause as Error)}`, cause })
  }
}

function checkRegular({ fd }: OpenFile, path: string) {
  const status = fstatSync(fd)
  if (status.isFile()) return status
  throw new StrataError('IMAGE_INVALID', {
    message: `${path} is not a file`,
    hint: 'name an image that compose built'
  })
}

/** Limit for texts in an image or a tree, which are read whole. */
export const MAX_TEXT_BYTES = 1 << 28

/** Bytes of a file in the image. @throws StrataError PATH_MISSING, IMAGE_INVALID */
export function readImageFile(
  { reader, path: image }: Pick<OpenImage, 'reader' | 'path'>,
  path: PathBytes,
  { followLast = false } = {}
): Buffer {
  const inode = findInImage({ reader, path: image }, path, { followLast })
  if (inode.file === undefined || inode.file.sizeBytes > MAX_TEXT_BYTES)
    throw new StrataError('IMAGE_INVALID', {
      message: `${image}: /${showPath(path)} is not a file of reasonable size`
    })
  return joinPieces(reader.content(inode))
}

/** True if a path, with links followed inside the image, leads to a file. */
export function hasFile({ reader }: Pick<OpenImage, 'reader'>, path: PathBytes): boolean {
  const resolved = resolvePath(path, name => lookUp(reader, name), { followLast: true })
  return resolved !== undefined && reader.find(resolved)?.file !== undefined
}

/**
 * Finds a path. Links on the way are followed inside the image.
 * @param options.followLast also follow a link at the end
 * @throws StrataError PATH_MISSING
 */
export function findInImage(
  { reader, path: image }: Pick<OpenImage, 'reader' | 'path'>,
  path: PathBytes,
  { followLast = false } = {}
): ImageInode {
  const resolved = resolvePath(path, name => lookUp(reader, name), { followLast })
  const inode = resolved === undefined ? undefined : reader.find(resolved)
  if (inode !== undefined) return inode
  throw new StrataError('PATH_MISSING', {
    message: `${image} has no path /${showPath(path)}`,
    hint: `compose ls ${image}`
  })
}

function lookUp(reader: ImageReader, path: PathBytes): LookedUp | undefined {
  const inode = reader.find(path)
  if (inode === undefined) return undefined
  return inode.kind === Kind.symlink ? { linkTarget: targetOf(inode) } : {}
}

/**
 * The module that brought a path, as the image itself records it; undefined for paths of every image.
 * @throws StrataError IMAGE_INVALID, PATH_MISSING
 */
export function ownerInImage(image: OpenImage, path: PathBytes): PathOwner | undefined {
  findInImage(image, path)
  const resolved = resolvePath(path, name => lookUp(image.reader, name), { followLast: false })!
  return ownerOf(readImageFile(image, '.compose/owners'), resolved)
}

export interface ImageModule {
  name: string
  record: ModuleRecord
  /** Id and bytes of the record. */
  id: CID
  bytes: Buffer
}

/** The description that an image holds in /.compose. */
export interface ImageDescription {
  lock: Lock
  /** Records of its modules, bottom to top. Each is checked against its id in the lock. */
  modules: ImageModule[]
}

const LOCK = '.compose/lock'

/** The error for an image that needs a description and has none. */
export const undescribed = (path: string, hint: string): StrataError =>
  new StrataError('IMAGE_INVALID', {
    message: `${path} has no /.compose folder, so it does not say what it was made from`,
    hint
  })

/**
 * Returns undefined for an image without /.compose: a bare one, or one that compose did not build. @throws
 * StrataError IMAGE_INVALID, LOCK_INVALID
 */
export function describeImage(image: OpenImage): ImageDescription | undefined {
  if (!descriptions.has(image)) descriptions.set(image, readDescription(image))
  return descriptions.get(image)
}

const descriptions = new WeakMap<OpenImage, ImageDescription | undefined>()

function readDescription(image: OpenImage): ImageDescription | undefined {
  if (image.reader.find(LOCK) === undefined) return undefined
  const lock = parseLock(readImageFile(image, LOCK).toString('utf8'), `${image.path}:/${LOCK}`)
  const modules = lock.modules
    .filter(({ name, record }) => name !== undefined && record !== undefined)
    .map(({ name, record }) => {
      const bytes = readImageFile(image, `.compose/modules/${name}.json`)
      const found = manifestCid(bytes)
      if (!found.equals(record!))
        throw new StrataError('IMAGE_INVALID', {
          message: `${image.path}: the record of ${name} has id ${formatCid(found)}, but the lock has ${formatCid(record!)}`
        })
      return {
        name: name!,
        record: decodeRecord(bytes, `${image.path}: record of ${name}`),
        id: record!,
        bytes
      }
    })
  return { lock, modules }
}
