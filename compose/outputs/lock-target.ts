/** `compose lock`: writes down all that an image of a target depends on, and its digests, without building it. */

import { createReadStream } from 'node:fs'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError, systemWords } from '../../store/values/index.ts'
import { formatLock, type Lock, replaceFile } from '../stack/index.ts'
import { fileDigest } from './composition.ts'
import type { ImageOptions } from './image-options.ts'
import { prepareImage } from './prepare-image.ts'
import type { Target } from './resolve-target.ts'

export interface LockOptions extends ImageOptions {
  /** The lock file. An existing one is replaced when the new one is complete. */
  file: string
  /** An image whose digest is noted in the lock. */
  image?: string
}

/** @throws StrataError; then the lock file is unchanged */
export async function lockTarget(
  store: Repository,
  target: Target,
  { file, image, ...options }: LockOptions
): Promise<Lock> {
  const prepared = await prepareImage(store, target, options)
  await prepared.composition.close()
  const lock = { ...prepared.lock, ...(image !== undefined && { imageDigest: await digestOfImage(image) }) }
  await writeLock(file, lock)
  return lock
}

const digestOfImage = (image: string): Promise<string> =>
  fileDigest(createReadStream(image, { highWaterMark: 1 << 20 })).catch((error: NodeJS.ErrnoException) => {
    throw new StrataError('IO', { message: `${image} cannot be read: ${systemWords(error)}`, cause: error })
  })

export const writeLock = (path: string, lock: Lock): Promise<void> => replaceFile(path, formatLock(lock))
