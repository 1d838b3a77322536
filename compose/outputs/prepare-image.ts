/**
 * What every output needs before it is written: the merged tree of a target, the audience, and the lock, which holds
 * all that the output's bytes depend on.
 */

import type { LicensedModule } from '../../store/access/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { checkProfile, type Profile, StrataError } from '../../store/values/index.ts'
import { type Audience, formatAudience } from '../audience/index.ts'
import {
  compressorVersion,
  IMAGE_FORMAT,
  type ImageParameters,
  type Lock,
  type MergeParameters,
  mergeParameters
} from '../stack/index.ts'
import { checkSandboxBelow } from './check-sandbox.ts'
import { chooseAudience } from './choose-audience.ts'
import {
  type Composition,
  mergedOrClosed,
  openStackFiles,
  readStack,
  type StackFiles,
  treeDigestOf
} from './composition.ts'
import type { ImageOptions, PrepareOptions } from './image-options.ts'
import { refuseUnlikeLock } from './like-lock.ts'
import { modulesBehind } from './modules-behind.ts'
import type { Target } from './resolve-target.ts'

export interface PreparedImage {
  /** Open: whoever asked for it closes it. */
  composition: Composition
  audience: Audience
  /** One line: for whom, and why. */
  audienceText: string
  /** Modules whose licences count for what is made. */
  licensed: LicensedModule[]
  /** What lies inside the image: no digest of the image yet. */
  lock: Lock
}

/**
 * Everything but the writing: what `build` links and `lock` writes down.
 * @throws StrataError
 */
export async function prepareImage(
  store: Repository,
  target: Target,
  options: PrepareOptions
): Promise<PreparedImage> {
  const composition = await openTarget(store, target, options)
  try {
    return { composition, ...(await prepareLock(store, composition, target, options)) }
  } catch (error) {
    await composition.close()
    throw error
  }
}

/** The merged tree of a target. Whoever asked for it closes it. @throws StrataError USAGE; as openComposition */
export async function openTarget(
  store: Repository,
  target: Target,
  options: PrepareOptions
): Promise<Composition> {
  const stack = await readStack(await openTargetFiles(store, target, options), options.verify)
  return mergedOrClosed(stack, mergeOptionsOf(target, options))
}

/** As `openTarget`, but neither read nor merged. @throws StrataError USAGE; as openStackFiles */
export async function openTargetFiles(
  store: Repository,
  target: Target,
  options: PrepareOptions
): Promise<StackFiles> {
  if (target.lock !== undefined) await refuseUnlikeLock(target.lock.parameters, options)
  return openStackFiles(store, target.modules, profileOf(store, target, options))
}

function mergeOptionsOf({ lock, usual }: Target, options: ImageOptions): MergeParameters {
  if (lock !== undefined) return mergeParameters(lock.parameters)
  const { onConflict = usual?.onConflict ?? 'error', directories = usual?.directories } = options
  return mergeParameters({ onConflict, directories })
}

/**
 * For whom the image is, and what its lock says.
 * @throws StrataError LOCK_MISMATCH, ACCESS_WIDER, SANDBOX_INVALID
 */
export async function prepareLock(
  store: Repository,
  composition: Composition,
  target: Target,
  options: PrepareOptions
): Promise<Omit<PreparedImage, 'composition'>> {
  const { parameters, ...audience } = await chooseParameters(store, composition, target, options)
  return { ...audience, lock: lockOf(composition, target, parameters) }
}

/** Known before anything of the tree is hashed. @throws StrataError ACCESS_WIDER */
export async function chooseParameters(
  store: Repository,
  { modules, profile }: Pick<StackFiles, 'modules' | 'profile'>,
  target: Target,
  options: PrepareOptions
): Promise<Omit<PreparedImage, 'composition' | 'lock'> & { parameters: ImageParameters }> {
  const { restrictions, licensed } = await modulesBehind(store, modules)
  const { audience, text } = await chooseAudience(target, restrictions, options)
  return {
    audience,
    audienceText: text,
    licensed,
    parameters: parametersOf(target, options, profile, audience)
  }
}

/** @throws StrataError LOCK_MISMATCH, SANDBOX_INVALID */
export function lockOf(composition: Composition, target: Target, parameters: ImageParameters): Lock {
  const treeDigest = treeDigestOf(composition)
  checkSandboxBelow(composition, target, treeDigest)
  checkExpected(target, 'tree', target.lock?.treeDigest, treeDigest)
  return { modules: target.modules, parameters, treeDigest }
}

/** @throws StrataError USAGE for a level that the compressor does not have, and the like */
const profileOf = (store: Repository, { lock, usual }: Target, { profile }: ImageOptions): Profile =>
  lock?.parameters.profile ?? checkProfile({ ...(usual?.profile ?? store.profile), ...profile })

function parametersOf(
  target: Target,
  options: ImageOptions,
  profile: Profile,
  audience: Audience
): ImageParameters {
  const { lock, usual } = target
  if (lock !== undefined) return lock.parameters
  const { aclModes = usual?.aclModes ?? 'audience', bare = usual?.bare ?? false } = options
  return {
    format: IMAGE_FORMAT,
    profile,
    compressorVersion: compressorVersion(profile.compressor),
    audience: formatAudience(audience),
    aclModes,
    ...mergeOptionsOf(target, options),
    bare
  }
}

/**
 * A lock says which digest is wanted.
 * @throws StrataError LOCK_MISMATCH
 */
export function checkExpected(
  { name, lock }: Target,
  what: string,
  expected: string | undefined,
  found: string
): void {
  if (expected === undefined || expected === found) return
  const ours = lock && compressorVersion(lock.parameters.profile.compressor)
  const other = lock !== undefined && lock.parameters.compressorVersion !== ours
  throw new StrataError('LOCK_MISMATCH', {
    message: `${what} has sha256:${found}, ${name} says sha256:${expected}`,
    facts: { 'locked compressor': lock?.parameters.compressorVersion ?? '', 'this compressor': ours ?? '' },
    hint: other
      ? 'another version of the compressor packs the same tree otherwise: install the one of the lock'
      : 'compose fsck checks the store'
  })
}
