/** `compose lock`: writes down all that an image of a target depends on, and its digests, without building it. */

import type { Repository } from '../../store/repository/index.ts'
import { openImage } from '../inspect/index.ts'
import { IMAGE_ALIGNMENT } from '../squashfs/index.ts'
import { formatLock, type Lock, replaceFile } from '../stack/index.ts'
import { readVerityRoot } from '../verity/index.ts'
import { rangeDigest } from './composition.ts'
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
  const lock = { ...prepared.lock, ...(image !== undefined && (await digestsOf(image, prepared.lock))) }
  await writeLock(file, lock)
  return lock
}

/** Of the SquashFS image alone, so one lock serves a plain image and a SIF file. */
async function digestsOf(
  path: string,
  { parameters }: Lock
): Promise<Pick<Lock, 'imageDigest' | 'verityRoot'>> {
  const image = await openImage(path)
  try {
    const hashStart = Math.ceil(image.reader.superblock.bytesUsed / IMAGE_ALIGNMENT) * IMAGE_ALIGNMENT
    return {
      imageDigest: await rangeDigest(image),
      ...(parameters.verity && { verityRoot: readVerityRoot(image, hashStart) })
    }
  } finally {
    await image.close()
  }
}

export const writeLock = (path: string, lock: Lock): Promise<void> => replaceFile(path, formatLock(lock))
