import { open } from 'node:fs/promises'
import { COMPRESSOR_ID, StrataError } from '../../store/values/index.ts'
import { MAGIC } from '../squashfs/index.ts'

/** Compressor ids of SquashFS 4.0 (fs/squashfs/squashfs_fs.h). */
const NAMES = new Map([
  [1, 'gzip'],
  [2, 'lzma'],
  [3, 'lzo'],
  [4, 'xz'],
  [5, 'lz4'],
  [6, 'zstd']
])
const COMPRESSOR_OFFSET = 20

/**
 * Names the compressor of an image that we do not read. Other faults are left to the reader.
 * @param startInFile of the image's superblock
 * @throws StrataError IMAGE_INVALID, IO
 */
export async function refuseCompressor(path: string, startInFile: number): Promise<void> {
  const file = await open(path, 'r').catch((cause: NodeJS.ErrnoException) => {
    throw new StrataError('IO', { message: `${path} cannot be read: ${cause.message}`, cause })
  })
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(32), 0, 32, startInFile)
    if (bytesRead < 32 || buffer.readUInt32LE(0) !== MAGIC) return
    const id = buffer.readUInt16LE(COMPRESSOR_OFFSET)
    if (Object.values(COMPRESSOR_ID).includes(id)) return
    const known = NAMES.get(id)
    throw new StrataError('IMAGE_INVALID', {
      message: `${path} is compressed with ${known ?? `compressor ${id}`}, wanted gzip or zstd`,
      facts: { image: path, compressor: known ?? id },
      hint: `sqfs2tar ${path} | compose import MODULE -`
    })
  } finally {
    await file.close()
  }
}
