/**
 * `compose build`: a target into one image. What is in it depends on the layers and the image parameters alone, so
 * everything else (when, where, by whom) ends here.
 */
import { createReadStream } from 'node:fs'
import { basename } from 'node:path'
import type { LicensedModule } from '../../store/access/redistribution.ts'
import { StrataError } from '../../store/errors.ts'
import { checkProfile, type Profile } from '../../store/object/profile.ts'
import type { Store } from '../../store/store.ts'
import { type Audience, formatAudience, parseAudience, showAudience } from '../audience/audience.ts'
import {
  audienceOfRestrictions,
  confirmedAudience,
  type Restriction,
  restrictionsBroken
} from '../audience/from-modules.ts'
import { applyImageAccess } from '../audience/image-access.ts'
import { modeRule } from '../audience/image-mode.ts'
import { parseFor } from '../audience/parse-for.ts'
import { type AudienceReport, audienceReport } from '../audience/report.ts'
import { readEverything } from '../inspect/read-everything.ts'
import { beginImage, type LinkReport } from '../link/index.ts'
import { type KeptDirectory, pathsWithAcl } from '../merge/index.ts'
import type { SandboxEdits } from '../sandbox/index.ts'
import { ImageReader } from '../squashfs/index.ts'
import { compressorVersion, IMAGE_FORMAT, type ImageParameters } from '../stack/image-parameters.ts'
import type { Lock } from '../stack/lock.ts'
import { checkSandboxBelow } from './check-sandbox.ts'
import {
  type Composition,
  dataOf,
  fileDigest,
  mergedOrClosed,
  openStackFiles,
  readStack,
  type StackFiles,
  treeDigestOf
} from './composition.ts'
import { refuseUnlikeLock } from './like-lock.ts'
import { modulesBehind } from './modules-behind.ts'
import type { Target } from './target.ts'
import { type CompleteTree, withGenerated } from './with-generated.ts'

/** What an image is like, as far as the user says it; a lock says all of it. */
export interface ImageOptions {
  /** As after `--for`; undefined: the stack's, else as the modules' access groups say. */
  audience?: string
  aclModes?: ImageParameters['aclModes']
  onConflict?: ImageParameters['onConflict']
  bare?: boolean
  profile?: Partial<Profile>
}

/** What is made of a target, beyond what the user says. */
export interface PrepareOptions extends ImageOptions {
  verify?: boolean
  /** It is compared and removed: nobody gets to read it, so that nobody is asked for whom it is. */
  isDiscarded?: boolean
}

export interface BuildOptions extends PrepareOptions {
  /** Path of the image. */
  out: string
  sync: boolean
  /** Read all that is linked, and the image when it is written, and check it. */
  verify: boolean
  onProgress?: (bytes: number) => void
}

export interface BuildReport {
  image: string
  link: LinkReport
  lock: Lock
  audience: { text: string; report: AudienceReport }
  keptDirectories: KeptDirectory[]
  shadowed: CompleteTree['shadowed']
  environmentLosses: CompleteTree['environmentLosses']
  /** Of an image from a sandbox: what was changed there. */
  edits?: SandboxEdits
}

/** @throws StrataError; the file is what it was before then */
export async function buildImage(store: Store, target: Target, options: BuildOptions): Promise<BuildReport> {
  const composition = await openTarget(store, target, options)
  try {
    return await linkTarget(store, composition, target, options)
  } finally {
    await composition.close()
  }
}

async function linkTarget(
  store: Store,
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
    // All this takes as long as the copying that goes on beside it.
    const { audience, audienceText, lock } = await prepareLock(store, composition, target, options)
    const complete = await withGenerated(composition, lock)
    const { aclModes } = lock.parameters
    let imageDigest: string | undefined
    const link = await image.finish(complete.tree, complete.data.slice(objects.length), {
      modeOf: modeRule(audience, aclModes),
      admit: async fd => {
        // What is not as it should be never gets the name.
        if (options.verify) readEverything(new ImageReader(fd, options.out))
        imageDigest = await digestWhenAsked(fd, target, options)
        applyImageAccess(fd, audience)
      }
    })
    return {
      image: options.out,
      link,
      lock: { ...lock, imageDigest },
      audience: { text: audienceText, report: audienceReport(audience, pathsWithAcl(tree), { aclModes }) },
      keptDirectories: tree.keptDirectories,
      shadowed: complete.shadowed,
      environmentLosses: complete.environmentLosses,
      edits: target.edits
    }
  } finally {
    await image.abandon()
  }
}

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
  store: Store,
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
  store: Store,
  target: Target,
  options: PrepareOptions
): Promise<Composition> {
  const stack = await readStack(await openTargetFiles(store, target, options), options.verify)
  return mergedOrClosed(stack, { onConflict: onConflictOf(target, options) })
}

/** As `openTarget`, but neither read nor merged. @throws StrataError USAGE; as openStackFiles */
export async function openTargetFiles(
  store: Store,
  target: Target,
  options: PrepareOptions
): Promise<StackFiles> {
  if (target.lock !== undefined) await refuseUnlikeLock(target.lock.parameters, options)
  return openStackFiles(store, target.modules, profileOf(store, target, options))
}

const onConflictOf = ({ lock, usual }: Target, options: ImageOptions): ImageParameters['onConflict'] =>
  lock?.parameters.onConflict ?? options.onConflict ?? usual?.onConflict ?? 'error'

/**
 * For whom the image is, and what its lock says.
 * @throws StrataError LOCK_MISMATCH, ACCESS_WIDER, SANDBOX_INVALID
 */
async function prepareLock(
  store: Store,
  composition: Composition,
  target: Target,
  options: PrepareOptions
): Promise<Omit<PreparedImage, 'composition'>> {
  const { parameters, ...audience } = await chooseParameters(store, composition, target, options)
  return { ...audience, lock: lockOf(composition, target, parameters) }
}

/** Known before anything of the tree is hashed. @throws StrataError ACCESS_WIDER */
export async function chooseParameters(
  store: Store,
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
const profileOf = (store: Store, { lock, usual }: Target, { profile }: ImageOptions): Profile =>
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
    onConflict: onConflictOf(target, options),
    bare
  }
}

/** @throws StrataError ACCESS_WIDER when the audience that was asked for is wider than a module admits */
async function chooseAudience(
  target: Target,
  restrictions: Restriction[],
  options: PrepareOptions
): Promise<{ audience: Audience; text: string }> {
  if (target.lock !== undefined) {
    const audience = parseAudience(target.lock.parameters.audience, `${target.name}: image.audience`)
    if (!options.isDiscarded) await refuseWider(audience, restrictions)
    return { audience, text: `for ${showAudience(audience)}: the lock says so` }
  }
  const asked = options.audience ?? target.audience ?? target.usual?.audience
  if (asked === undefined) return audienceOfRestrictions(restrictions)
  const audience = await parseFor(asked)
  await refuseWider(audience, restrictions)
  return { audience, text: `for ${showAudience(audience)}` }
}

async function refuseWider(audience: Audience, restrictions: Restriction[]): Promise<void> {
  if (restrictions.length === 0) return
  const confirmed = await confirmedAudience(audience)
  const broken = confirmed === undefined ? [] : restrictionsBroken(confirmed, restrictions)
  if (broken.length === 0) return
  throw new StrataError('ACCESS_WIDER', {
    message: `an image for ${showAudience(audience)} would be open to people whom its modules do not admit`,
    facts: {
      restricted: broken.map(
        ({ module, groups, unknown }) =>
          `${module}: ${[...groups.map(({ name, gid }) => name ?? gid), ...unknown].join(', ') || 'its owner alone'}`
      )
    },
    hint: 'leave --for out: the image is then for whom all modules admit'
  })
}

/** An image's digest is computed when a lock says what it has to be; else reading it would take as long as writing. */
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

function checkExpected(
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
