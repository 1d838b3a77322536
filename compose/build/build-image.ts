/**
 * `compose build`: a target into one image. What is in it depends on the layers and the image parameters alone, so
 * everything else (when, where, by whom) ends here.
 */
import { createReadStream } from 'node:fs'
import { basename } from 'node:path'
import { StrataError } from '../../store/errors.ts'
import type { ModuleRecord } from '../../store/module/record.ts'
import { type Profile, profileKey } from '../../store/object/profile.ts'
import { describeProfile, type Store } from '../../store/store.ts'
import { type Audience, formatAudience, parseAudience, showAudience } from '../audience/audience.ts'
import { audienceOfModules, restrictionsBroken, restrictionsOf } from '../audience/from-modules.ts'
import { applyImageAccess } from '../audience/image-access.ts'
import { modeRule } from '../audience/image-mode.ts'
import { parseFor } from '../audience/parse-for.ts'
import { type AudienceReport, audienceReport } from '../audience/report.ts'
import { readEverything } from '../inspect/read-everything.ts'
import { type LinkReport, linkImage } from '../link/index.ts'
import { type KeptDirectory, pathsWithAcl } from '../merge/index.ts'
import type { SandboxEdits } from '../sandbox/index.ts'
import { ImageReader } from '../squashfs/index.ts'
import { compressorVersion, IMAGE_FORMAT, type ImageParameters } from '../stack/image-parameters.ts'
import type { Lock } from '../stack/lock.ts'
import { type Composition, fileDigest, openComposition, treeDigestOf } from './composition.ts'
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

export interface BuildOptions extends ImageOptions {
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
  const prepared = await prepareImage(store, target, options)
  const { composition, audience, audienceText, lock } = prepared
  try {
    let imageDigest: string | undefined
    const complete = await withGenerated(composition, lock)
    const link = await linkComposition(prepared, complete, options, async fd => {
      if (options.verify) readEverything(new ImageReader(fd, options.out))
      imageDigest = await digestWhenAsked(fd, target, options)
    })
    const { aclModes } = lock.parameters
    return {
      image: options.out,
      link,
      lock: { ...lock, imageDigest },
      audience: {
        text: audienceText,
        report: audienceReport(audience, pathsWithAcl(composition.tree), { aclModes })
      },
      keptDirectories: composition.tree.keptDirectories,
      shadowed: complete.shadowed,
      environmentLosses: complete.environmentLosses,
      edits: target.edits
    }
  } finally {
    await composition.close()
  }
}

export interface PreparedImage {
  /** Open: whoever asked for it closes it. */
  composition: Composition
  audience: Audience
  /** One line: for whom, and why. */
  audienceText: string
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
  options: ImageOptions & { verify?: boolean }
): Promise<PreparedImage> {
  const profile = profileOf(store, target, options)
  const onConflict =
    target.lock?.parameters.onConflict ?? options.onConflict ?? target.usual?.onConflict ?? 'error'
  const composition = await openComposition(store, target.modules, profile, {
    onConflict,
    verify: options.verify
  })
  try {
    const { audience, text } = await chooseAudience(target, composition, options)
    const parameters = parametersOf(target, options, profile, onConflict, audience)
    const treeDigest = treeDigestOf(composition)
    checkExpected(target, 'tree', target.lock?.treeDigest, treeDigest)
    return {
      composition,
      audience,
      audienceText: text,
      lock: { modules: target.modules, parameters, treeDigest }
    }
  } catch (error) {
    await composition.close()
    throw error
  }
}

function profileOf(store: Store, { lock, usual }: Target, { profile }: ImageOptions): Profile {
  if (lock === undefined) return { ...(usual?.profile ?? store.profile), ...profile }
  const locked = lock.parameters.profile
  const asked = { ...locked, ...profile }
  if (profileKey(asked) === profileKey(locked)) return locked
  throw new StrataError('USAGE', {
    message: `the lock says ${describeProfile(locked)}, not ${describeProfile(asked)}`,
    hint: 'compose lock --comp … writes another lock'
  })
}

function parametersOf(
  { lock, usual }: Target,
  { aclModes = usual?.aclModes ?? 'audience', bare = usual?.bare ?? false }: ImageOptions,
  profile: Profile,
  onConflict: ImageParameters['onConflict'],
  audience: Audience
): ImageParameters {
  if (lock !== undefined) return lock.parameters
  return {
    format: IMAGE_FORMAT,
    profile,
    compressorVersion: compressorVersion(profile.compressor),
    audience: formatAudience(audience),
    aclModes,
    onConflict,
    bare
  }
}

/** @throws StrataError ACCESS_DENIED when the audience that was asked for is wider than a module admits */
async function chooseAudience(
  target: Target,
  { modules }: Composition,
  options: ImageOptions
): Promise<{ audience: Audience; text: string }> {
  const records = modules.map(({ metadata }) => metadata?.record).filter(record => record !== undefined)
  if (target.lock !== undefined) {
    const audience = parseAudience(target.lock.parameters.audience, `${target.name}: image.audience`)
    await refuseWider(audience, records)
    return { audience, text: `for ${showAudience(audience)}: the lock says so` }
  }
  const asked = options.audience ?? target.audience ?? target.usual?.audience
  if (asked === undefined) return audienceOfModules(records)
  const audience = await parseFor(asked)
  await refuseWider(audience, records)
  return { audience, text: `for ${showAudience(audience)}` }
}

async function refuseWider(audience: Audience, records: ModuleRecord[]): Promise<void> {
  const broken = restrictionsBroken(audience, await restrictionsOf(records))
  if (broken.length === 0) return
  throw new StrataError('ACCESS_WIDER', {
    message: `an image for ${showAudience(audience)} would be open to people whom its modules do not admit`,
    facts: {
      restricted: broken.map(
        ({ module, groups, unknown }) =>
          `${module}: ${[...groups.map(({ name, gid }) => name ?? gid), ...unknown].join(', ')}`
      )
    },
    hint: 'leave --for out: the image is then for whom all modules admit'
  })
}

async function linkComposition(
  { audience, lock }: PreparedImage,
  { tree, data }: CompleteTree,
  { out, sync, onProgress }: BuildOptions,
  check: (fd: number) => Promise<void>
): Promise<LinkReport> {
  const { parameters } = lock
  return linkImage(tree, {
    target: out,
    data,
    modeOf: modeRule(audience, parameters.aclModes),
    sync,
    admit: async fd => {
      await check(fd) // what is not as it should be never gets the name
      applyImageAccess(fd, audience)
    },
    onProgress
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
