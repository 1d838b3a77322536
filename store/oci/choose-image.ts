/** Chooses one of a layout's images by reference and platform (spec/sources.md#choosing). */
import { type Digest, digestOf, StrataError, WorkLimit } from '../values/index.ts'
import { noSuchPlatform, noSuchReference, severalForPlatform, severalImages } from './choice-errors.ts'
import {
  type BlobDocument,
  type Descriptor,
  formatBlobDigest,
  readBlobDocument,
  readDescriptor
} from './descriptor.ts'
import type { ImageFile, ImageFiles, NamedBlob } from './image-files.ts'
import type { Json } from './json.ts'
import { checkOwnMediaType, isImageConfig, isIndex, isManifest } from './media-types.ts'
import {
  fitsPlatform,
  hostPlatform,
  isUsual,
  type Platform,
  readPlatform,
  type WantedPlatform
} from './platform.ts'
import { isSameName, preferredName } from './reference.ts'
import { imageInvalid } from './refuse-image.ts'

export interface OciChoice {
  /** A reference name of the layout, or a manifest's digest. */
  reference?: string
  /** By default the platform of this host; `any` where a digest has chosen already. */
  platform?: WantedPlatform
}

export interface ChosenImage {
  manifest: Json
  sha256: Digest
  /** The name that the layout gives it. */
  reference?: string
  platform: Platform
}

interface Candidate {
  descriptor: Descriptor
  /** All names; the first one is for messages. */
  names: string[]
}

const REFERENCE = 'org.opencontainers.image.ref.name'
/** containerd and docker since 25 write the full name beside the tag. */
const FULL_NAME = 'io.containerd.image.name'
const DIGEST = /^sha(256|512):[0-9a-f]+$/
/** Build attestations are listed in an index like images. */
const REFERENCE_TYPE = 'vnd.docker.reference.type'

/** Registries have indexes of indexes. Deeper nesting can only be meant to keep readers busy. */
const MOST_LEVELS = 8
const MOST_MANIFESTS = 10_000
/** Limit for all manifests, configs and nested indexes that are read to choose one image: some seconds. */
const MOST_READ_BYTES = 1 << 28

/** @throws StrataError SOURCE_CHOICE, SOURCE_INVALID, LIMIT_EXCEEDED */
export async function chooseImage(
  allFiles: ImageFiles,
  index: Json,
  { reference, platform: wanted = hostPlatform() }: OciChoice
): Promise<ChosenImage> {
  const files = new BoundedFiles(allFiles)
  const all = readIndex(index).map(descriptor => ({ descriptor, names: namesOf(descriptor) }))
  const named = reference === undefined ? all : await findReference(files, all, reference)
  if (named.length === 0) throw unknownReference(files, reference, all)
  if (reference === undefined) refuseSeveral(files, all)
  const images = await manifestsOf(files, named)
  const offered: { candidate: Candidate; platform: Platform }[] = []
  for (const candidate of images) offered.push({ candidate, platform: await platformOf(files, candidate) })
  const { candidate, platform } = choosePlatform(files, offered, wanted)
  const { document, bytes } = await readManifest(files, candidate.descriptor)
  return {
    manifest: document,
    sha256: digestOf(bytes), // even if the index names it by another hash
    platform,
    reference: preferredName(candidate.names, reference)
  }
}

/** Wraps an image's files, and refuses reading more of them than a choice needs. */
class BoundedFiles implements ImageFiles {
  readonly name: string
  readonly fileName: string | undefined
  readonly #files: ImageFiles
  readonly #bytes: WorkLimit

  constructor(files: ImageFiles) {
    this.#files = files
    this.name = files.name
    this.fileName = files.fileName
    this.#bytes = new WorkLimit(
      MOST_READ_BYTES,
      () =>
        new StrataError('LIMIT_EXCEEDED', {
          message: `${files.name}: to choose an image, more than ${MOST_READ_BYTES} bytes of manifests and configs would have to be read`,
          facts: { file: files.name },
          hint: '--ref DIGEST names one manifest'
        })
    )
  }

  find(path: string, announced?: NamedBlob): ImageFile | undefined {
    const file = this.#files.find(path, announced)
    if (file !== undefined) this.#bytes.spend(file.sizeBytes)
    return file
  }

  close(): Promise<void> {
    return this.#files.close()
  }
}

function readIndex(index: Json): Descriptor[] {
  const descriptors = index.member('manifests').list()
  if (descriptors.length > MOST_MANIFESTS)
    throw imageInvalid(index.where, `lists ${descriptors.length} manifests, wanted at most ${MOST_MANIFESTS}`)
  return descriptors.map(readDescriptor)
}

/** The full name comes first: `docker.io/library/debian:latest` tells more than `latest`. */
const namesOf = ({ annotations }: Descriptor): string[] =>
  [annotations.get(FULL_NAME), annotations.get(REFERENCE)]
    .filter(name => name !== undefined)
    .filter(name => name !== '')

const hasDigest = ({ descriptor }: Candidate, reference: string): boolean =>
  formatBlobDigest(descriptor.digest) === reference

const isNamed = (candidate: Candidate, reference: string): boolean =>
  candidate.names.some(name => isSameName(name, reference)) || hasDigest(candidate, reference)

/** Candidates of the index itself with this name; else those with this digest in an index below it. */
async function findReference(files: ImageFiles, all: Candidate[], reference: string): Promise<Candidate[]> {
  const named = all.filter(candidate => isNamed(candidate, reference))
  if (named.length > 0 || !DIGEST.test(reference)) return named
  for await (const candidate of walk(files, all)) if (hasDigest(candidate, reference)) return [candidate]
  return []
}

/** Opens indexes, and leaves out entries that are not images. */
async function manifestsOf(files: ImageFiles, named: Candidate[]): Promise<Candidate[]> {
  const found: Candidate[] = []
  for await (const candidate of walk(files, named))
    if (isManifest(candidate.descriptor.mediaType)) found.push(candidate)
  return found
}

/**
 * Descriptors level by level, with nested indexes opened. Each index and each manifest counts once: a few that name
 * each other again and again could keep a reader busy for years.
 */
async function* walk(files: ImageFiles, named: Candidate[]): AsyncGenerator<Candidate> {
  const seen = new Set<string>()
  let level = named
  for (let depth = 0; level.length > 0; depth++) {
    const below: Candidate[] = []
    for (const candidate of level) {
      const { mediaType, digest, annotations } = candidate.descriptor
      const key = formatBlobDigest(digest)
      if (seen.has(key) || annotations.has(REFERENCE_TYPE)) continue
      seen.add(key)
      yield candidate
      if (isIndex(mediaType)) below.push(...(await openIndex(files, candidate, depth)))
      if (seen.size + below.length > MOST_MANIFESTS)
        throw imageInvalid(files.name, `more than ${MOST_MANIFESTS} manifests in all indexes together`)
    }
    level = below
  }
}

/** @param depth number of indexes above it */
async function openIndex(
  files: ImageFiles,
  { descriptor, names }: Candidate,
  depth: number
): Promise<Candidate[]> {
  const what = `index ${formatBlobDigest(descriptor.digest)}`
  if (depth === MOST_LEVELS)
    throw imageInvalid(`${files.name}: ${what}`, `lies below ${MOST_LEVELS} other indexes`)
  const { document } = await readBlobDocument(files, descriptor, what)
  checkOwnMediaType(document.member('mediaType').optionalText(), descriptor.mediaType, document.where)
  return readIndex(document).map(child => ({ descriptor: child, names }))
}

async function readManifest(files: ImageFiles, descriptor: Descriptor): Promise<BlobDocument> {
  const { digest, mediaType } = descriptor
  const manifest = await readBlobDocument(files, descriptor, `manifest ${formatBlobDigest(digest)}`)
  const { document } = manifest
  checkOwnMediaType(document.member('mediaType').optionalText(), mediaType, document.where)
  return manifest
}

/** Platform of the descriptor or, without it, of the config; `unknown/unknown` if it is not an image. */
async function platformOf(files: ImageFiles, { descriptor }: Candidate): Promise<Platform> {
  if (descriptor.platform !== undefined) return descriptor.platform
  const { document } = await readManifest(files, descriptor)
  const config = readDescriptor(document.member('config'))
  if (!isImageConfig(config.mediaType)) return { os: 'unknown', architecture: 'unknown' }
  return readPlatform((await readBlobDocument(files, config, 'config')).document)
}

function choosePlatform<T extends { candidate: Candidate; platform: Platform }>(
  files: ImageFiles,
  offered: T[],
  wanted: WantedPlatform
): T {
  const fitting = offered.filter(({ platform }) => fitsPlatform(platform, wanted))
  const usual = fitting.filter(({ platform }) => isUsual(platform))
  const best = usual.length > 0 ? usual : fitting
  const different = new Set(best.map(({ candidate }) => formatBlobDigest(candidate.descriptor.digest)))
  if (different.size === 1) return best[0]
  if (best.length === 0)
    throw noSuchPlatform(
      files.name,
      wanted,
      offered.map(({ platform }) => platform)
    )
  throw severalForPlatform(
    files.name,
    wanted,
    best.map(({ platform, candidate }) => ({
      platform,
      digest: formatBlobDigest(candidate.descriptor.digest)
    }))
  )
}

function refuseSeveral(files: ImageFiles, all: Candidate[]): void {
  const names = new Set(all.flatMap(candidate => candidate.names.slice(0, 1)))
  if (names.size > 1 || (names.size === 1 && all.some(candidate => candidate.names.length === 0)))
    throw severalImages(files.name, [...names])
}

function unknownReference(files: ImageFiles, reference: string | undefined, all: Candidate[]): StrataError {
  if (reference === undefined || all.length === 0)
    return imageInvalid(files.name, 'holds no image: its index.json lists no manifest')
  const named = all.flatMap(candidate => candidate.names.slice(0, 1))
  return noSuchReference(
    files.name,
    reference,
    named.length > 0 ? named : all.map(({ descriptor }) => formatBlobDigest(descriptor.digest))
  )
}
