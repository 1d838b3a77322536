/** Sends a lock with all that it names to one repository (spec/registry.md#locks). */
import type { CID } from 'multiformats/cid'
import { refuseNotRedistributable, sendingBounds } from '../access/index.ts'
import type { Store } from '../files/index.ts'
import { formatModuleName } from '../module/index.ts'
import { refuseWithdrawn } from '../policy/index.ts'
import { digestOf, formatReference, type ImageReference, type PushedBlob } from '../registry/index.ts'
import { digestOf as hashOf, StrataError } from '../values/index.ts'
import { type Destination, openDestination } from './destination.ts'
import { SentModule } from './module-blobs.ts'
import { repositoryOf, tagOfRecord } from './module-place.ts'
import { EMPTY, plainForm } from './plain-form.ts'
import { type PushModuleOptions, refuseOpen, withdrawOpen } from './push-module.ts'
import { pushSignature, pushSignatures, type SentSignature } from './push-signatures.ts'
import { notePlace, pushedPlaces } from './pushed-places.ts'
import { putArtifact } from './put-artifact.ts'
import { readRemotes } from './remotes.ts'
import { type MountedBlob, sendMissing } from './send-missing.ts'
import { type Child, encodeLockManifest, encodeStackIndex, INDEX_TYPE } from './stack-index.ts'

/** A manifest with the blobs that it names. */
export interface SentImage {
  bytes: Buffer
  blobs: PushedBlob[]
  platform: { os: string; architecture: string }
}

export interface SentStack {
  /** The text of the lock. */
  lock: Buffer
  /** A signature of this text, which is right. */
  signature?: SentSignature
  records: readonly CID[]
  /** The image that others run. */
  image?: SentImage
  /** True if the lock's audience is not everyone. */
  isLimited: boolean
}

export interface PushedStack {
  /** `HOST/REPOSITORY:TAG` */
  reference: string
  /** Of the index. */
  digest: string
  outcome: 'created' | 'same' | 'replaced'
  sentBytes: number
}

interface Part extends Child {
  /** Of a module. */
  record?: CID
  /** True for a module with access groups. */
  isForSome?: boolean
  tag: string
  bytes: Buffer
  blobs: MountedBlob[]
}

/** @throws StrataError NOT_REDISTRIBUTABLE, ACCESS_WIDER, TAG_EXISTS, REGISTRY_…, BLOB_MISSING */
export async function pushStack(
  store: Store,
  sent: SentStack,
  place: ImageReference & { tag: string },
  options: PushModuleOptions
): Promise<PushedStack> {
  const repository = openDestination(place, options)
  try {
    const parts = await partsOf(store, sent, { place, repository, options })
    const isForSome = sent.isLimited || parts.some(part => part.isForSome)
    const platform = sent.image?.platform ?? { os: 'linux', architecture: 'amd64' }
    const before = await repository.readManifest(place.tag)
    const forms = [parts, parts.map(inPlainForm)].map(some => digestOf(encodeStackIndex(some, platform)))
    if (before !== undefined && !forms.includes(before.digest) && !options.replace)
      throw tagExists(place, before.digest)
    const blobs = new Map(parts.flatMap(part => part.blobs.map(blob => [blob.digest, blob])))
    const sentBytes = await sendMissing(repository, [...blobs.values()], options)
    const missing = isForSome ? await missingManifests(repository, [...forms, ...digestsOf(parts)]) : []
    const there = await putParts(store, sent, parts, repository)
    if (options.archive === undefined) for (const id of sent.records) notePlace(id, repository.place)
    const index = encodeStackIndex(there, platform)
    const digest = digestOf(index)
    await repository.putManifest(place.tag, index, INDEX_TYPE, [])
    if (isForSome) {
      const fresh = [digest, ...there.map(part => part.digest)].filter(one => missing.includes(one))
      await withdrawOpen(formatReference(place), repository, digest, fresh)
    }
    const outcome = before === undefined ? 'created' : before.digest === digest ? 'same' : 'replaced'
    return { reference: formatReference(place), digest, outcome, sentBytes }
  } finally {
    await repository.close()
  }
}

/** @returns the parts as the registry has them then */
async function putParts(
  store: Store,
  { lock, signature }: SentStack,
  parts: readonly Part[],
  repository: Destination
): Promise<Part[]> {
  const there: Part[] = []
  for (const part of parts) {
    const bytes = await putArtifact(repository, part.tag, part.bytes, part.blobs)
    there.push({ ...part, bytes, digest: digestOf(bytes), sizeBytes: bytes.length })
    if (part.record !== undefined) await pushSignatures(store, part.record, repository, bytes)
    if (part.kind === 'lock' && signature !== undefined)
      await pushSignature(signature, hashOf(lock), repository, bytes)
  }
  return there
}

/** As a registry has it that takes known media types alone. */
function inPlainForm(part: Part): Part {
  if (part.kind === 'image') return part
  const bytes = plainForm(part.bytes)
  return { ...part, bytes, digest: digestOf(bytes), sizeBytes: bytes.length }
}

/** In both forms. */
const digestsOf = (parts: readonly Part[]): string[] =>
  parts.flatMap(part => [part.digest, inPlainForm(part).digest])

async function missingManifests(repository: Destination, digests: readonly string[]): Promise<string[]> {
  const missing: string[] = []
  for (const digest of digests)
    if ((await repository.readManifest(digest)) === undefined) missing.push(digest)
  return missing
}

interface Pushing {
  place: ImageReference & { tag: string }
  repository: Destination
  options: PushModuleOptions
}

/** In the order of the index: image, lock, modules. Each has a tag, because collectors take what has none. */
async function partsOf(
  store: Store,
  { lock, records, image, isLimited }: SentStack,
  { place, repository, options }: Pushing
): Promise<Part[]> {
  const remotes = readRemotes(store.searched).filter(({ prefix }) => prefix.host === place.host)
  const modules: Part[] = []
  for (const id of records) {
    const sent = await SentModule.read(store, id)
    const { record } = sent
    const bounds = await sendingBounds(store, record)
    refuseNotRedistributable([bounds.licensed], 'what a registry has', options)
    if (bounds.isLimited || isLimited) await refuseOpen(formatModuleName(record), repository, place.tag)
    const ofRemotes = remotes.map(({ prefix }) => repositoryOf(prefix, record).repository)
    const mayLieIn = [...new Set([...pushedPlaces(id, repository.place), ...ofRemotes])]
    const there = options.replace ? undefined : await repository.readManifest(tagOfRecord(id))
    const { bytes, blobs } = (there && sent.manifestLike(there.bytes)) ?? (await sent.manifest())
    const mounted = blobs.map(blob => ({ ...blob, mayLieIn }))
    modules.push({
      ...partOf('module', tagOfRecord(id), bytes, mounted, formatModuleName(record)),
      record: id,
      isForSome: bounds.isLimited
    })
  }
  await refuseWithdrawn(
    store.searched,
    modules.map(({ title, record }) => ({ name: title!, record: record! }))
  )
  const text = blobOf(lock)
  const lockManifest = encodeLockManifest(text, digestOf(EMPTY))
  return [
    ...(image ? [partOf('image', `${place.tag}.image`, image.bytes, image.blobs)] : []),
    partOf('lock', `${place.tag}.lock`, lockManifest, [text, blobOf(EMPTY)]),
    ...modules
  ]
}

const partOf = (
  kind: Child['kind'],
  tag: string,
  bytes: Buffer,
  blobs: MountedBlob[],
  title?: string
): Part => ({
  kind,
  tag,
  bytes,
  blobs,
  digest: digestOf(bytes),
  sizeBytes: bytes.length,
  ...(title !== undefined && { title })
})

const blobOf = (bytes: Buffer): PushedBlob => ({
  digest: digestOf(bytes),
  sizeBytes: bytes.length,
  async *chunks() {
    yield bytes
  }
})

const tagExists = (place: ImageReference, there: string): StrataError =>
  new StrataError('TAG_EXISTS', {
    message: `${formatReference(place)} stands for something else`,
    facts: { there },
    hint: 'another tag, or --replace'
  })
