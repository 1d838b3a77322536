/** An image file that is open: its identity, which tells whether somebody wrote to it meanwhile. */
import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { StrataError } from '../../store/values/index.ts'

/**
 * Identity of the file by its bytes, which nobody can forge. The description inside an image could be copied into
 * another image, which would then run in its place.
 */
export async function identityOf(file: FileHandle): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await file.stat({ bigint: true })
  return createHash('sha256').update([dev, ino, size, mtimeNs, ctimeNs].join(' ')).digest('hex')
}

export const changedError = (image: string): StrataError =>
  new StrataError('SOURCE_CHANGED', {
    message: `${image} changed while it was read`,
    facts: { image },
    hint: 'run the same command again when nobody writes to the image'
  })
