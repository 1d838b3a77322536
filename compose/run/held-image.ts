/** An image file that is open: its identity, which tells whether somebody wrote to it meanwhile. */
import { createHash } from 'node:crypto'
import { fstatSync } from 'node:fs'
import type { OpenFile } from '../../store/disk/index.ts'
import { StrataError } from '../../store/values/index.ts'

/**
 * Identity of the file by its bytes, which nobody can forge. The description inside an image could be copied into
 * another image, which would then run in its place.
 */
export function identityOf({ fd }: OpenFile): string {
  const { dev, ino, size, mtimeNs, ctimeNs } = fstatSync(fd, { bigint: true })
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ')
}

/** Its key in the user's cache. */
export const keyOf = (identity: string): string => createHash('sha256').update(identity).digest('hex')

export const changedError = (image: string): StrataError =>
  new StrataError('SOURCE_CHANGED', {
    message: `${image} changed while it was read`,
    facts: { image },
    hint: 'run the same command again when nobody writes to the image'
  })
