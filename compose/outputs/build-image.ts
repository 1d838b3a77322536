/**
 * `compose build`: builds one image from a target. Its content depends only on the layers and the image parameters,
 * so this file drops everything else (time, place, user).
 */

import { basename } from 'node:path'
import { formatTerms } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { applyImageAccess, modeRule } from '../audience/index.ts'
import { type ImageForm, readEverything } from '../inspect/index.ts'
import { beginImage, type LinkReport } from '../link/index.ts'
import { PARTITION_START } from '../sif/index.ts'
import { type FileRange, ImageReader } from '../squashfs/index.ts'
import type { Lock } from '../stack/index.ts'
import { appendVerity, type Verity } from '../verity/index.ts'
import { type Composition, dataOf, rangeDigest, recordsIn } from './composition.ts'
import type { PrepareOptions } from './image-options.ts'
import { type OutputReport, outputReport } from './output.ts'
import { checkExpected, openTarget, prepareLock } from './prepare-image.ts'
import type { Target } from './resolve-target.ts'
import { writeSifFrame } from './sif-frame.ts'
import { withGenerated } from './with-generated.ts'

export interface BuildOptions extends PrepareOptions {
  /** Path of the image. */
  out: string
  /** A plain SquashFS image unless it is said. */
  form?: ImageForm
  sync: boolean
  /** Check all input while it is read, and the image after it is written. */
  verify: boolean
  onProgress?: (bytes: number) => void
}

export interface BuildReport extends OutputReport {
  image: string
  form: ImageForm
  link: LinkReport
  verity?: Verity
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
  const { form = 'squashfs' } = options
  const startInFile = form === 'sif' ? PARTITION_START : 0
  const image = beginImage(tree, dataOf(objects), {
    target: options.out,
    startInFile,
    sync: options.sync,
    onProgress: options.onProgress
  })
  try {
    // This takes as long as the copying beside it.
    const { audience, audienceText, lock } = await prepareLock(store, composition, target, options)
    const complete = await withGenerated(composition, lock)
    const { aclModes, bare } = lock.parameters
    let imageDigest: string | undefined
    let verity: Verity | undefined
    const link = await image.finish(complete.tree, complete.data.slice(objects.length), {
      modeOf: modeRule(audience, aclModes),
      terms: bare ? formatTerms(recordsIn(composition)) : undefined,
      admit: async (fd, linkedBytes) => {
        verity = hashedWhenAsked({ fd, startInFile, lengthBytes: linkedBytes }, target, lock)
        const place = { fd, startInFile, lengthBytes: verity?.lengthBytes ?? linkedBytes }
        // An image with a fault never gets its name.
        if (options.verify) readEverything(new ImageReader(place, options.out))
        imageDigest = await digestWhenAsked(place, target, options)
        if (form === 'sif') writeSifFrame(place, options.out, complete)
        applyImageAccess(fd, audience, { isProgram: form === 'sif' })
      }
    })
    const prepared = {
      composition,
      audience,
      audienceText,
      lock: { ...lock, imageDigest, verityRoot: verity?.root }
    }
    const whole = { ...link, imageBytes: verity?.lengthBytes ?? link.imageBytes }
    return {
      image: options.out,
      form,
      link: whole,
      ...(verity && { verity }),
      ...outputReport(prepared, complete, target)
    }
  } finally {
    await image.abandon()
  }
}

/** @throws StrataError LOCK_MISMATCH */
function hashedWhenAsked(image: FileRange, target: Target, { parameters }: Lock): Verity | undefined {
  if (!parameters.verity) return undefined
  const verity = appendVerity(image)
  checkExpected(target, 'the hash tree', target.lock?.verityRoot, verity.root)
  return verity
}

/** The digest of the image, without the SIF file around it. It is computed only if a lock expects one, because reading takes as
 * long as writing. */
async function digestWhenAsked(
  place: FileRange,
  target: Target,
  { out, verify }: BuildOptions
): Promise<string | undefined> {
  const expected = target.lock?.imageDigest
  if (expected === undefined && !verify) return undefined
  const digest = await rangeDigest(place)
  checkExpected(target, `image ${basename(out)}`, expected, digest)
  return digest
}
