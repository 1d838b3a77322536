/**
 * Prepares what every output needs: the merged tree of a target, the audience, and the lock, which holds all that the
 * output's bytes depend on.
 */

import type { LicensedModule } from '../../store/access/index.ts'
import type { Part } from '../../store/policy/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { checkProfile, formatCid, type Profile, StrataError } from '../../store/values/index.ts'
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
  mergeOrClose,
  type OpenedModule,
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
  /** Open; the caller closes it. */
  composition: Composition
  audience: Audience
  /** One line that says who the audience is, and why. */
  audienceText: string
  /** Modules whose licences count for the output. */
  licensed: LicensedModule[]
  /** The lock inside the image, without the digest of the image. */
  lock: Lock
}

/**
 * Everything except writing: `build` links the result and `lock` writes it down.
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

/** The merged tree of a target; the caller closes it. @throws StrataError USAGE; as openComposition */
export async function openTarget(
  store: Repository,
  target: Target,
  options: PrepareOptions
): Promise<Composition> {
  const stack = await readStack(await openTargetFiles(store, target, options), options.verify)
  return mergeOrClose(stack, mergeOptionsOf(target, options))
}

/**
 * Like `openTarget`, but opens files only, and neither reads nor merges them. From here on, every policy has agreed.
 * @throws StrataError USAGE; as openStackFiles; as assertTrusted
 */
export async function openTargetFiles(
  store: Repository,
  target: Target,
  options: PrepareOptions
): Promise<StackFiles> {
  if (target.lock !== undefined) await refuseUnlikeLock(target.lock.parameters, options)
  const stack = await openStackFiles(store, target.modules, profileOf(store, target, options))
  if (options.isDiscarded) return stack
  try {
    await store.assertTrusted(options.purposes ?? ['build'], stack.modules.map(partOf))
    return stack
  } catch (error) {
    await stack.close()
    throw error
  }
}

/** A module as the policies see it. */
export const partOf = ({ name, record, layers, captured, metadata }: OpenedModule): Part => ({
  name: name ?? (captured ? 'what was changed in a sandbox' : `layer ${layers.map(formatCid).join(', ')}`),
  layers,
  ...(record && { record }),
  ...(metadata && { bytes: metadata.bytes })
})

function mergeOptionsOf({ lock, usual }: Target, options: ImageOptions): MergeParameters {
  if (lock !== undefined) return mergeParameters(lock.parameters)
  const { onConflict = usual?.onConflict ?? 'error', directories = usual?.directories } = options
  return mergeParameters({ onConflict, directories })
}

/**
 * Chooses the audience and computes the lock.
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

/** Runs before anything of the tree is hashed. @throws StrataError ACCESS_WIDER */
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

/** @throws StrataError USAGE, for example for a level that the compressor does not have */
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
  const { aclModes = usual?.aclModes ?? 'audience', bare = usual?.bare ?? false, verity } = options
  return {
    format: IMAGE_FORMAT,
    profile,
    compressorVersion: compressorVersion(profile.compressor),
    audience: formatAudience(audience),
    aclModes,
    ...mergeOptionsOf(target, options),
    bare,
    ...(verity && { verity })
  }
}

/**
 * Compares a digest with that of the lock.
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
    message: `${what} has sha256:${found}, but ${name} names sha256:${expected}`,
    facts: { 'locked compressor': lock?.parameters.compressorVersion ?? '', 'this compressor': ours ?? '' },
    hint: other
      ? 'another version of the compressor gives other bytes for the same tree: install the version of the lock'
      : 'compose fsck'
  })
}
