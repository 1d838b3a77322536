/**
 * `compose build`: builds one image from a target. Its content depends only on the layers and the image parameters,
 * so this file drops everything else (time, place, user).
 */

import { createReadStream } from 'node:fs'
import { basename } from 'node:path'
import { formatTerms } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { applyImageAccess, modeRule } from '../audience/index.ts'
import { readEverything } from '../inspect/index.ts'
import { beginImage, type LinkReport } from '../link/index.ts'
import { ImageReader } from '../squashfs/index.ts'
import { type Composition, dataOf, fileDigest, recordsIn } from './composition.ts'
import type { PrepareOptions } from './image-options.ts'
import { type OutputReport, outputReport } from './output.ts'
import { checkExpected, openTarget, prepareLock } from './prepare-image.ts'
import type { Target } from './resolve-target.ts'
import { withGenerated } from './with-generated.ts'

export interface BuildOptions extends PrepareOptions {
  /** Path of the image. */
  out: string
  sync: boolean
  /** Check all input while it is read, and the image after it is written. */
  verify: boolean
  onProgress?: (bytes: number) => void
}

export interface BuildReport extends OutputReport {
  image: string
  link: LinkReport
}

/** @throws StrataError; then the file is unchanged */
export async function buildImage(
  store: Repository,
  target: Target,
  options: BuildOptions
): Promise<BuildReport> {
  const composition = await openTarget(store, target, options)
  try {
    return await linkTarget(store, composition, target, options)
  } finally {
    await composition.close()
  }
}

async function linkTarget(
  store: Repository,
  composition: Composition,
  target: Target,
  options: BuildOptions
): Promise<BuildReport> {
  const { tree, objects } = composition
  const image = beginImage(tree, dataOf(objects), {
    target: options.out,
    sync: options.sync,
    onProgress: options.onProgress
  })
  try {
    // This takes as long as the copying beside it.
    const { audience, audienceText, lock } = await prepareLock(store, composition, target, options)
    const complete = await withGenerated(composition, lock)
    const { aclModes, bare } = lock.parameters
    let imageDigest: string | undefined
    const link = await image.finish(complete.tree, complete.data.slice(objects.length), {
      modeOf: modeRule(audience, aclModes),
      terms: bare ? formatTerms(recordsIn(composition)) : undefined,
      admit: async fd => {
        // An image with a fault never gets its name.
        if (options.verify) readEverything(new ImageReader(fd, options.out))
        imageDigest = await digestWhenAsked(fd, target, options)
        applyImageAccess(fd, audience)
      }
    })
    const prepared = { composition, audience, audienceText, lock: { ...lock, imageDigest } }
    return { image: options.out, link, ...outputReport(prepared, complete, target) }
  } finally {
    await image.abandon()
  }
}

/** The digest is computed only if a lock expects one, because reading the image takes as long as writing it. */
async function digestWhenAsked(
  fd: number,
  target: Target,
  { out, verify }: BuildOptions
): Promise<string | undefined> {
  const expected = target.lock?.imageDigest
  if (expected === undefined && !verify) return undefined
  const digest = await fileDigest(
    createReadStream('', { fd, autoClose: false, start: 0, highWaterMark: 1 << 20 })
  )
  checkExpected(target, `image ${basename(out)}`, expected, digest)
  return digest
}
