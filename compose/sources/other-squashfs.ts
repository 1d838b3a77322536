/**
 * Recognises SquashFS images other than version 4.0 in little endian, so that they are not taken for broken tarballs.
 */
import { StrataError } from '../../store/values/index.ts'
import { IMAGE_MAGIC } from '../squashfs/index.ts'
import type { SourceKind } from './source-kind.ts'

const VERSION_OFFSET = 28
const HEADER_BYTES = 32

/** Magic numbers of old images, also of kernels that were patched for LZMA (squashfs_fs.h, squashfs-tools 3 and 4). */
const ORDERS = new Map<string, 'little' | 'big'>([
  [IMAGE_MAGIC, 'little'],
  ['sqsh', 'big'],
  ['shsq', 'little'],
  ['qshs', 'big']
])

interface Form {
  version: string
  order: 'little' | 'big'
}

/** Returns undefined for other files, and for the form that compose reads. */
function otherForm(start: Buffer): Form | undefined {
  const magic = start.toString('latin1', 0, IMAGE_MAGIC.length)
  const order = ORDERS.get(magic)
  if (order === undefined || start.length < HEADER_BYTES) return undefined
  // Major and minor version have the same place in all versions.
  const read = (offset: number) => (order === 'big' ? start.readUInt16BE(offset) : start.readUInt16LE(offset))
  const major = read(VERSION_OFFSET)
  if (major < 1 || major > 4 || (magic === IMAGE_MAGIC && major === 4)) return undefined
  return { version: `${major}.${read(VERSION_OFFSET + 2)}`, order }
}

export const otherSquashfs: SourceKind = {
  recognises: ({ start }) => otherForm(start) !== undefined,
  open: (_store, { path, start }) => {
    const { version, order } = otherForm(start)!
    throw new StrataError('IMAGE_INVALID', {
      message: `${path} is a SquashFS ${version} image in ${order} endian, wanted 4.0 in little endian`,
      facts: { image: path, version },
      hint: `as root: unsquashfs -d DIRECTORY ${path}, then compose import MODULE DIRECTORY`
    })
  }
}
