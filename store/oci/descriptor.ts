/**
 * References to blobs: media type, digest, size (OCI image specification, descriptor.md). Also reads the documents that
 * they name.
 */
import { createHash, type Hash } from 'node:crypto'
import { StrataError } from '../values/index.ts'
import type { BlobDigest, ImageFile, ImageFiles, NamedBlob } from './image-files.ts'
import { Json, LARGEST_DOCUMENT_BYTES, showStart } from './json.ts'
import { type Platform, readPlatform } from './platform.ts'
import { imageInvalid } from './refuse-image.ts'

export interface Descriptor extends NamedBlob {
  annotations: ReadonlyMap<string, string>
  platform?: Platform
}

const HEX_DIGITS = { sha256: 64, sha512: 128 } as const

export const formatBlobDigest = ({ algorithm, hex }: BlobDigest): string => `${algorithm}:${hex}`

/** @throws StrataError SOURCE_INVALID, because the text becomes part of a path */
export function readDigest(field: Json): BlobDigest {
  const text = field.text()
  const [algorithm, hex, ...rest] = text.split(':')
  if (
    (algorithm === 'sha256' || algorithm === 'sha512') &&
    rest.length === 0 &&
    hex.length === HEX_DIGITS[algorithm] &&
    /^[0-9a-f]+$/.test(hex)
  )
    return { algorithm, hex }
  throw imageInvalid(
    field.where,
    `found "${showStart(text)}", wanted sha256: or sha512: and lower case hexadecimal digits`
  )
}

/** @throws StrataError SOURCE_INVALID */
export function readDescriptor(field: Json): Descriptor {
  const platform = field.member('platform')
  return {
    mediaType: field.member('mediaType').text(),
    digest: readDigest(field.member('digest')),
    sizeBytes: field.member('size').size(),
    annotations: readAnnotations(field),
    ...(platform.isThere && { platform: readPlatform(platform) })
  }
}

/** Annotations of a descriptor, manifest or index. @throws StrataError SOURCE_INVALID */
export const readAnnotations = (field: Json): Map<string, string> =>
  new Map(
    field
      .member('annotations')
      .entries()
      .map(([key, value]) => [key, value.text()])
  )

const blobPath = ({ algorithm, hex }: BlobDigest): string => `blobs/${algorithm}/${hex}`

/**
 * The blob, present and of the announced size; its bytes are not checked.
 * @param what the part of the image, for messages
 * @throws StrataError SOURCE_INVALID
 */
export function findBlobFile(files: ImageFiles, descriptor: Descriptor, what: string): ImageFile {
  const { digest, sizeBytes } = descriptor
  const file = files.find(blobPath(digest), descriptor)
  if (file === undefined)
    throw imageInvalid(`${files.name}: ${what}`, `blob ${formatBlobDigest(digest)} is missing`, {
      file: blobPath(digest)
    })
  if (file.sizeBytes !== sizeBytes)
    throw imageInvalid(
      `${files.name}: ${what}`,
      `blob ${formatBlobDigest(digest)} has ${file.sizeBytes} bytes, its descriptor says ${sizeBytes}`,
      { file: blobPath(digest) }
    )
  return file
}

export interface BlobDocument {
  bytes: Buffer
  document: Json
}

/**
 * A manifest, index or config, checked against its digest.
 * @throws StrataError SOURCE_INVALID, LIMIT_EXCEEDED
 */
export async function readBlobDocument(
  files: ImageFiles,
  descriptor: Descriptor,
  what: string
): Promise<BlobDocument> {
  const where = `${files.name}: ${what}`
  const bytes = await readWhole(findBlobFile(files, descriptor, what), where)
  checkHash(createHash(descriptor.digest.algorithm).update(bytes), descriptor.digest, where)
  return { bytes, document: Json.parse(bytes, where) }
}

/** @throws StrataError LIMIT_EXCEEDED */
export async function readWhole(file: ImageFile, where: string): Promise<Buffer> {
  if (file.sizeBytes > LARGEST_DOCUMENT_BYTES)
    throw new StrataError('LIMIT_EXCEEDED', {
      message: `${where}: ${file.sizeBytes} bytes, more than the ${LARGEST_DOCUMENT_BYTES} that a manifest may have`
    })
  const chunks: Uint8Array[] = []
  for await (const chunk of file.chunks()) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** @throws StrataError SOURCE_INVALID */
export function checkHash(hash: Hash, digest: BlobDigest, where: string): void {
  const found = hash.digest('hex')
  if (found === digest.hex) return
  throw imageInvalid(
    where,
    `blob ${formatBlobDigest(digest)} hashes to ${digest.algorithm}:${found}: it is damaged, or another blob`,
    { file: blobPath(digest) }
  )
}
