/**
 * An image of a registry as a target of `build`, `run` and `lock`: a module that no ref names (spec/registry.md#targets).
 */
import { createHash } from 'node:crypto'
import type { CID } from 'multiformats/cid'
import { IdNames } from '../../store/accounts/index.ts'
import type { ImportProgress } from '../../store/import/index.ts'
import { formatModuleName, type ModuleName, parseModuleName, versionFault } from '../../store/module/index.ts'
import type { Platform } from '../../store/oci/index.ts'
import {
  formatReference,
  type ImageReference,
  parseImageAddress,
  type RegistrySettings
} from '../../store/registry/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { DEFAULT_LIMITS, formatCid, StrataError, trimLast } from '../../store/values/index.ts'
import { findImported, noteImported } from '../cache/index.ts'
import { isWhole, type OpenImage } from '../outputs/index.ts'
import type { ChosenModule } from '../stack/index.ts'
import { publishModule } from './publish-module.ts'
import { resolveImage } from './registry-source.ts'

export interface ImageModuleOptions {
  registry: RegistrySettings
  /** By default that of this host. */
  platform?: Platform
  onProgress: (progress: ImportProgress) => void
  /** Told what was found and not taken over. */
  onNotes: (notes: string[]) => void
}

/** @throws StrataError as an import of the image; LOCK_MISMATCH if the image is not what a lock says */
export const imageOpener =
  (store: Repository, options: ImageModuleOptions): OpenImage =>
  async (address, wanted) => {
    if (wanted !== undefined) return fetchAgain(store, address, wanted, options)
    const typed = parseImageAddress(address)
    const { digest, notes } = await resolveImage(address, options)
    const reference = { ...typed, digest }
    const name = nameOf(reference)
    const source = `docker://${formatReference(reference)}`
    const known = await findWhole(store, source, name)
    if (known !== undefined) return known
    const made = await makeModule(store, { name, source }, options)
    options.onNotes(notes)
    noteImported(keyOf(store, source, name), made.record!, process.env)
    return made
  }

async function fetchAgain(
  store: Repository,
  source: string,
  wanted: ChosenModule,
  options: ImageModuleOptions
): Promise<ChosenModule> {
  const made = await makeModule(store, { name: parseModuleName(wanted.name!), source }, options)
  if (made.record!.equals(wanted.record!)) return made
  throw new StrataError('LOCK_MISMATCH', {
    message: `${source} becomes another module than the lock says`,
    facts: { found: formatCid(made.record!), wanted: formatCid(wanted.record!) },
    hint: 'the lock may be of another release, which read images by other rules: compose lock makes a new one'
  })
}

interface NamedSource {
  name: ModuleName
  /** With the digest of the manifest. */
  source: string
}

async function makeModule(
  store: Repository,
  { name, source }: NamedSource,
  { registry, onProgress, onNotes }: ImageModuleOptions
): Promise<ChosenModule> {
  const { record, layers, notes } = await publishModule(store, {
    name,
    flags: { kind: 'base', sources: [source] },
    names: new IdNames(),
    limits: DEFAULT_LIMITS,
    ignoreMissing: false,
    replace: false,
    unlisted: true,
    platform: 'any', // the digest has chosen
    registry,
    onProgress
  })
  onNotes(notes)
  return { name: formatModuleName(name), record, layers: layers.map(({ id }) => id), source }
}

/** The module of an earlier command, if all of it is still there. */
async function findWhole(
  store: Repository,
  source: string,
  name: ModuleName
): Promise<ChosenModule | undefined> {
  const record = findImported(keyOf(store, source, name), process.env)
  if (record === undefined) return undefined
  const layers = await layersOf(store, record)
  if (layers === undefined || !(await isWhole(store, { record, layers }))) return undefined
  return { name: formatModuleName(name), record, layers, source }
}

async function layersOf(store: Repository, record: CID): Promise<CID[] | undefined> {
  try {
    return (await store.readRecordPart(record, ['layers'])).layers
  } catch (error) {
    if (error instanceof StrataError) return undefined
    throw error
  }
}

const keyOf = ({ root }: Repository, source: string, name: ModuleName): string =>
  createHash('sha256')
    .update([root, source, formatModuleName(name)].join('\n'))
    .digest('hex')

/** The image's own name and tag, in the form of a module's: `image/debian-12`, `image/debian-0.latest`. */
export function nameOf({ repository, tag, digest }: ImageReference): ModuleName {
  const name = trimLast(repository.split('/').pop()!.slice(0, 64), '.-').replace(/\.\.+/g, '.')
  return {
    category: 'image',
    name,
    version: tag === undefined ? ofDigest(digest!) : (ofTag(tag) ?? ofDigest(digest!))
  }
}

const ofDigest = (digest: string): string => `0.${digest.split(':')[1].slice(0, 12)}`

function ofTag(tag: string): string | undefined {
  const digits = /^[0-9]/.test(tag) ? tag : `0.${tag}`
  const version = digits.replace(/--+/g, '-').replace(/-(?=[0-9])/g, '.')
  return versionFault(version) === undefined ? version : undefined
}
