/**
 * What a signature of a SIF file covers, and its form (spec/sif.md#signatures): the fields of the header and of the
 * descriptors that never change, and the data, by their SHA-256, in a DSSE envelope.
 */
import { createHash } from 'node:crypto'
import { DESCRIPTOR_BYTES, FIELD, HEADER, MAGIC_OFFSET, SIF_HEADER_BYTES } from './format-numbers.ts'

const MEDIA_TYPE = 'application/vnd.sylabs.sif-metadata+json'

/** An object of the signed group. */
export interface SignedObject {
  id: number
  /** Its 585 bytes in the table. */
  descriptor: Buffer
  /** SHA-256 of its data, 64 hexadecimal digits. */
  dataDigest: string
}

/**
 * The message, before it is wrapped.
 * @param header the first {@link SIF_HEADER_BYTES} of the file
 * @param objects of the group, by their ids
 */
export function signedMetadata(header: Buffer, objects: SignedObject[]): Buffer {
  const first = objects[0].id
  return Buffer.from(
    JSON.stringify({
      version: 1,
      header: { digest: digest(fieldsOfHeader(header)) },
      objects: objects.map(({ id, descriptor, dataDigest }) => ({
        relativeId: id - first,
        descriptorDigest: digest(fieldsOfDescriptor(descriptor, id - first)),
        objectDigest: `sha256:${dataDigest}`
      }))
    })
  )
}

const digest = (parts: Buffer[]): string => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return `sha256:${hash.digest('hex')}`
}

/** Start line, magic, version, UUID. The architecture is in the descriptor of the partition. */
function fieldsOfHeader(header: Buffer): Buffer[] {
  if (header.length !== SIF_HEADER_BYTES) throw new TypeError(`a header of ${header.length} bytes`)
  return [
    header.subarray(0, MAGIC_OFFSET),
    header.subarray(MAGIC_OFFSET, HEADER.architecture),
    header.subarray(HEADER.id, HEADER.created)
  ]
}

/** All but its place in the file and in the table, and the time of the last change. */
function fieldsOfDescriptor(bytes: Buffer, relativeId: number): Buffer[] {
  if (bytes.length !== DESCRIPTOR_BYTES) throw new TypeError(`a descriptor of ${bytes.length} bytes`)
  const id = Buffer.alloc(4)
  id.writeUInt32LE(relativeId)
  return [
    bytes.subarray(FIELD.type, FIELD.id),
    id,
    bytes.subarray(FIELD.link, FIELD.start),
    bytes.subarray(FIELD.length, FIELD.padded),
    bytes.subarray(FIELD.created, FIELD.created + 8),
    bytes.subarray(FIELD.user)
  ]
}

/** The bytes that a key signs (DSSE, protocol.md, PAE). */
export const envelopeMessage = (payload: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`DSSEv1 ${MEDIA_TYPE.length} ${MEDIA_TYPE} ${payload.length} `), payload])

/** Without a name of the key, every reader tries the keys that it has. */
export const encodeEnvelope = (payload: Buffer, signature: Buffer): Buffer =>
  Buffer.from(
    JSON.stringify({
      payloadType: MEDIA_TYPE,
      payload: payload.toString('base64'),
      signatures: [{ keyid: '', sig: signature.toString('base64') }]
    })
  )

/** The signatures of this payload in an object; none for any other text. */
export function signaturesOf(text: string, payload: Buffer): Buffer[] {
  try {
    const read = JSON.parse(text)
    if (read.payloadType !== MEDIA_TYPE || read.payload !== payload.toString('base64')) return []
    return read.signatures.map(({ sig }: { sig: string }) => Buffer.from(sig, 'base64'))
  } catch {
    return []
  }
}

/** What stands in the descriptor of a signature: i32 hash, 1 for SHA-256, and room for the fingerprint of a PGP key. */
export const SIGNATURE_EXTRA = Buffer.from([1, 0, 0, 0])
