/** `compose push IMAGE`: an image file as one artifact of a registry (spec/registry.md#push). */
import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { refuseNotRedistributable } from '../../store/access/index.ts'
import { HeldFile } from '../../store/disk/index.ts'
import type { StoreRoot } from '../../store/files/index.ts'
import { settingsOfTerms, TERMS_ATTRIBUTE } from '../../store/module/index.ts'
import { refuseWithdrawn } from '../../store/policy/index.ts'
import {
  digestOf,
  formatReference,
  formatRepository,
  type ImageReference,
  type PushedBlob,
  parseImageAddress
} from '../../store/registry/index.ts'
import {
  type Destination,
  EMPTY,
  EMPTY_TYPE,
  formatPrefix,
  isArchiveName,
  MANIFEST_TYPE,
  openDestination,
  placeInArchive,
  plainForm,
  putArtifact,
  type Remote,
  refuseOpen,
  type SendingTo,
  withdrawOpen
} from '../../store/remote/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { describeImage, type ImageDescription, type OpenImage, openImage } from '../inspect/index.ts'

export interface PushImageOptions extends SendingTo {
  /** The registry stays on the site, so licences do not matter. */
  internal: boolean
  /** Let the tag stand for another image from now on. */
  replace: boolean
  onProgress: (bytesSoFar: number, bytesTotal: number) => void
  /** Whose policies are asked, beside those of host and user, whether they withdraw a module of the image. */
  searched: readonly StoreRoot[]
}

export interface PushedImage {
  /** `HOST/REPOSITORY:TAG` */
  reference: string
  /** Of the manifest. */
  digest: string
  outcome: 'created' | 'same' | 'replaced'
  /** Bytes of blobs that were sent. */
  sentBytes: number
}

const ARTIFACT = 'application/vnd.strata.image.v1'
export const SQUASHFS_LAYER = 'application/vnd.strata.squashfs.v1'
/** Apptainer's own (internal/pkg/client/oras): `apptainer pull oras://` takes exactly one layer of this type. */
const SIF_CONFIG = 'application/vnd.sylabs.sif.config.v1+json'
export const SIF_LAYER = 'application/vnd.sylabs.sif.layer.v1.sif'
const READ_BYTES = 1 << 20

/** @throws StrataError IMAGE_INVALID, NOT_REDISTRIBUTABLE, ACCESS_WIDER, TAG_EXISTS, REGISTRY_… */
export async function pushImage(
  path: string,
  reference: PushPlace,
  options: PushImageOptions
): Promise<PushedImage> {
  const image = await openImage(path)
  const repository = openDestination(reference, options)
  try {
    const description = describeImage(image)
    const modules = description?.modules ?? []
    await refuseWithdrawn(
      options.searched,
      modules.map(({ name, id }) => ({ name, record: id }))
    )
    const isForSome = refuseLimited(image, description, options)
    if (isForSome) await refuseOpen(path, repository, reference.tag)
    const { isNew, ...pushed } = await pushArtifact(image, repository, reference, options)
    if (isForSome) await withdrawOpen(path, repository, pushed.digest, isNew ? [pushed.digest] : [])
    return pushed
  } finally {
    await repository.close()
    await image.close()
  }
}

/** Where an image or a lock goes. */
export type PushPlace = ImageReference & { tag: string }

/**
 * `HOST/REPOSITORY[:TAG]`, with or without docker:// in front; `REMOTE/REPOSITORY[:TAG]`; `oci-archive:FILE[:NAME]`.
 * Without a scheme, nothing goes to Docker Hub that does not name it: a misspelt remote would be published there.
 * @throws StrataError USAGE, REFERENCE_NAME
 */
export function parsePushTarget(to: string, remotes: readonly Remote[]): PushPlace {
  if (isArchiveName(to)) return placeInArchive(to)
  const { tag, digest, ...name } = parseImageAddress(
    /^[a-z]+:\/\//.test(to) ? to : `docker://${withHost(to, remotes)}`
  )
  if (digest === undefined && tag !== undefined) return { ...name, tag }
  throw new StrataError('USAGE', {
    message: `${to} names a digest, but the digest of what is pushed follows from its bytes`,
    hint: `compose push IMAGE ${formatRepository(name)}:TAG`
  })
}

/** What looks like a host is one, also where a remote has that name. @throws StrataError USAGE for what is neither */
function withHost(to: string, remotes: readonly Remote[]): string {
  const slash = to.indexOf('/')
  const first = slash < 0 ? to : to.slice(0, slash)
  if (slash > 0 && (/[.:[]/.test(first) || first === 'localhost')) return to
  const remote = remotes.find(({ name }) => name === first)
  if (remote !== undefined && slash > 0) return `${formatPrefix(remote.prefix)}${to.slice(slash)}`
  throw new StrataError('USAGE', {
    message:
      remote === undefined
        ? `${to} begins with no host, and there is no remote ${first}`
        : `${to} is a remote, but names no repository there`,
    facts: { remotes: remotes.map(({ name }) => name) },
    hint: `HOST/REPOSITORY:TAG, or ${remote === undefined ? 'REMOTE' : first}/REPOSITORY:TAG, stands last`
  })
}

/**
 * What the image's modules, or its own terms, say of its use.
 * @returns true if it is not for everyone
 */
function refuseLimited(
  image: OpenImage,
  description: ImageDescription | undefined,
  { internal }: PushImageOptions
): boolean {
  const records = description?.modules.map(({ record }) => record) ?? []
  refuseNotRedistributable(records, 'what a registry has', { internal })
  const terms = image.reader.attributes(image.reader.root()).get(TERMS_ATTRIBUTE)
  const limits = settingsOfTerms(terms?.toString(), image.path, [])
  if (limits.redistributable === false && !internal)
    throw new StrataError('NOT_REDISTRIBUTABLE', {
      message: `what a registry has can leave the site, and ${image.path} says that it must not`,
      hint: '--internal says that it stays on the site'
    })
  return (
    (description !== undefined && description.lock.parameters.audience !== 'everyone') ||
    records.some(({ accessGroups }) => accessGroups.length > 0) ||
    limits.accessGroups !== undefined
  )
}

async function pushArtifact(
  image: OpenImage,
  repository: Destination,
  { tag, ...name }: PushPlace,
  { replace, onProgress }: PushImageOptions
): Promise<PushedImage & { isNew: boolean }> {
  const layer = await blobOf(image)
  const blobs = [{ digest: digestOf(EMPTY), sizeBytes: EMPTY.length, chunks: () => once(EMPTY) }, layer]
  const bytes = Buffer.from(JSON.stringify(manifestOf(image, layer)))
  const reference = formatReference({ ...name, tag })
  const before = await repository.readManifest(tag)
  const forms = [bytes, plainForm(bytes)].map(digestOf)
  if (before !== undefined && !forms.includes(before.digest) && !replace)
    throw new StrataError('TAG_EXISTS', {
      message: `${reference} stands for something else`,
      facts: { there: before.digest, new: forms[0] },
      hint: 'another tag, or --replace'
    })
  const found = await Promise.all(forms.map(form => repository.readManifest(form)))
  const isNew = found.every(form => form === undefined)
  let sentBytes = 0
  for (const blob of blobs) {
    const counted = { ...blob, chunks: () => counting(blob, sentBytes, layer.sizeBytes, onProgress) }
    if (await repository.putBlob(counted)) sentBytes += blob.sizeBytes
  }
  const digest = digestOf(await putArtifact(repository, tag, bytes, blobs))
  const outcome = before === undefined ? 'created' : before.digest === digest ? 'same' : 'replaced'
  return { reference, digest, outcome, sentBytes, isNew }
}

/** Users may write to the file while it is sent: its last bytes go only if all of them are still those of the digest. */
async function blobOf({ fd, path, sizeBytes }: OpenImage): Promise<PushedBlob> {
  // A stream of Node's own would close the file as soon as somebody stops reading, as an upload that is cut off does.
  const file = new HeldFile(fd, path)
  const read = () => file.createReadStream({ start: 0, end: sizeBytes - 1, highWaterMark: READ_BYTES })
  const hash = createHash('sha256')
  for await (const chunk of read()) hash.update(chunk)
  const digest = `sha256:${hash.digest('hex')}`
  let fault: StrataError | undefined
  return {
    digest,
    sizeBytes,
    chunks: () =>
      unchanged(read(), { digest, sizeBytes }, () => {
        fault = changed(path)
        return fault
      }),
    check: () => {
      if (fault !== undefined) throw fault
    }
  }
}

async function* unchanged(
  pieces: AsyncIterable<Uint8Array>,
  { digest, sizeBytes }: Pick<PushedBlob, 'digest' | 'sizeBytes'>,
  refuse: () => Error
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const piece of pieces) {
    hash.update(piece)
    bytes += piece.length
    if (bytes === sizeBytes && `sha256:${hash.digest('hex')}` !== digest) throw refuse()
    yield piece
  }
  if (bytes < sizeBytes) throw refuse()
}

const changed = (image: string): StrataError =>
  new StrataError('SOURCE_CHANGED', {
    message: `${image} changed while it was pushed`,
    facts: { image },
    hint: 'push it again when nobody writes to it'
  })

/** The same file gives the same manifest from everywhere. */
function manifestOf({ path, sif }: OpenImage, { digest, sizeBytes }: PushedBlob): object {
  const annotations = { 'org.opencontainers.image.title': basename(path) }
  const config = { digest: digestOf(EMPTY), size: EMPTY.length }
  const layer = { digest, size: sizeBytes, annotations }
  const common = { schemaVersion: 2, mediaType: MANIFEST_TYPE }
  if (sif !== undefined)
    return {
      ...common,
      config: { mediaType: SIF_CONFIG, ...config },
      layers: [{ mediaType: SIF_LAYER, ...layer }]
    }
  return {
    ...common,
    artifactType: ARTIFACT,
    config: { mediaType: EMPTY_TYPE, ...config },
    layers: [{ mediaType: SQUASHFS_LAYER, ...layer }],
    annotations: { 'dev.strata.kind': 'image' }
  }
}

async function* counting(
  blob: PushedBlob,
  before: number,
  total: number,
  onProgress: PushImageOptions['onProgress']
): AsyncGenerator<Uint8Array> {
  let done = before
  for await (const piece of blob.chunks()) {
    done += piece.length
    onProgress(done, total)
    yield piece
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes
}
