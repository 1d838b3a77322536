/** An image file, opened for looking into it; nothing is mounted. */
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { formatCid, manifestCid } from '../../store/digest.ts'
import { StrataError } from '../../store/errors.ts'
import { decodeRecord, type ModuleRecord } from '../../store/module/record.ts'
import { type PathBytes, showPath } from '../../store/path-bytes.ts'
import { type ImageInode, ImageReader } from '../squashfs/index.ts'
import { type Lock, parseLock } from '../stack/lock.ts'

export interface OpenImage {
  path: string
  reader: ImageReader
  fd: number
  sizeBytes: number
  close(): Promise<void>
}

/** @throws StrataError IO, IMAGE_INVALID */
export async function openImage(path: string): Promise<OpenImage> {
  const file = await open(path, constants.O_RDONLY).catch((cause: NodeJS.ErrnoException) => {
    throw new StrataError('IO', { message: `${path} cannot be read: ${cause.message}`, cause })
  })
  try {
    const { size } = await checkRegular(file, path)
    return {
      path,
      reader: new ImageReader(file.fd, path),
      fd: file.fd,
      sizeBytes: size,
      close: () => file.close()
    }
  } catch (error) {
    await file.close()
    throw error
  }
}

async function checkRegular(file: FileHandle, path: string) {
  const status = await file.stat()
  if (status.isFile()) return status
  throw new StrataError('IMAGE_INVALID', {
    message: `${path} is not a file`,
    hint: 'name an image that compose built'
  })
}

/** Texts in an image are read whole up to here. */
const MAX_TEXT_BYTES = 1 << 28

/** Bytes of a file in the image. @throws StrataError PATH_MISSING, IMAGE_INVALID */
export function readImageFile({ reader, path: image }: OpenImage, path: PathBytes): Buffer {
  const inode = findInImage({ reader, path: image }, path)
  if (inode.file === undefined || inode.file.sizeBytes > MAX_TEXT_BYTES)
    throw new StrataError('IMAGE_INVALID', {
      message: `${image}: /${showPath(path)} is not a file of reasonable size`
    })
  return Buffer.concat([...reader.content(inode)].map(piece => Buffer.from(piece)))
}

/** @throws StrataError PATH_MISSING */
export function findInImage(
  { reader, path: image }: Pick<OpenImage, 'reader' | 'path'>,
  path: PathBytes
): ImageInode {
  const inode = reader.find(path)
  if (inode !== undefined) return inode
  throw new StrataError('PATH_MISSING', {
    message: `${image} holds no /${showPath(path)}`,
    hint: `compose ls ${image} lists what it holds`
  })
}

export interface ImageModule {
  name: string
  record: ModuleRecord
}

/** What an image says of itself in /.compose. */
export interface ImageDescription {
  lock: Lock
  /** Records of its modules, bottom to top, each checked against the id that the lock gives it. */
  modules: ImageModule[]
}

const LOCK = '.compose/lock'

/** Undefined for an image without /.compose: bare, or not ours. @throws StrataError IMAGE_INVALID, LOCK_INVALID */
export function describeImage(image: OpenImage): ImageDescription | undefined {
  if (image.reader.find(LOCK) === undefined) return undefined
  const lock = parseLock(readImageFile(image, LOCK).toString('utf8'), `${image.path}:/${LOCK}`)
  const modules = lock.modules
    .filter(({ name, record }) => name !== undefined && record !== undefined)
    .map(({ name, record }) => {
      const bytes = readImageFile(image, `.compose/modules/${name}.json`)
      const found = manifestCid(bytes)
      if (!found.equals(record!))
        throw new StrataError('IMAGE_INVALID', {
          message: `${image.path}: the record of ${name} has id ${formatCid(found)}, the lock says ${formatCid(record!)}`
        })
      return { name: name!, record: decodeRecord(bytes, `${image.path}: record of ${name}`) }
    })
  return { lock, modules }
}
