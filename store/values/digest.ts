import { createHash } from 'node:crypto'
import { base32 } from 'multiformats/bases/base32'
import { CID } from 'multiformats/cid'
import { create as createMultihash } from 'multiformats/hashes/digest'
import { type ErrorCode, StrataError } from './errors.ts'
import { showPath } from './path-bytes.ts'

/**
 * Ids of blobs and manifests. A blob's name is its SHA-256. Manifests, refs and locks name blobs and manifests by a
 * CIDv1, whose codec says what the bytes are. Each id has one text: base32 in lower case. Other bases, versions and
 * hashes are refused, so that ids can be compared as text.
 */

declare const sha256: unique symbol

/** SHA-256 as 64 lower case hexadecimal digits. */
export type Digest = string & { readonly [sha256]: true }

/** Multicodec codes (github.com/multiformats/multicodec, table.csv). */
export const RAW = 0x55
export const DAG_JSON = 0x0129
const SHA2_256 = 0x12

const CODEC_NAME = new Map<number, string>([
  [RAW, 'raw'],
  [DAG_JSON, 'dag-json']
])

export const digestOf = (bytes: Uint8Array): Digest =>
  createHash('sha256').update(bytes).digest('hex') as Digest

/**
 * @param where named in the message, such as `layers.txt, line 3`
 * @param code of the error; USAGE for text that a user typed
 * @throws StrataError `code`
 */
export function parseDigest(text: string, where: string, code: ErrorCode = 'MANIFEST_INVALID'): Digest {
  if (/^[0-9a-f]{64}$/.test(text)) return text as Digest
  throw new StrataError(code, {
    message: `${where}: ${quoteText(text)} is not a SHA-256, wanted 64 lower case hexadecimal digits`,
    facts: { where }
  })
}

/** Id of a blob that is not a manifest: codec raw. */
export const blobCid = (digest: Digest): CID => createCid(RAW, Buffer.from(digest, 'hex'))

/** Id of a manifest's bytes: codec dag-json. */
export const manifestCid = (bytes: Uint8Array): CID =>
  createCid(DAG_JSON, createHash('sha256').update(bytes).digest())

// The multihash hashers of `multiformats` are asynchronous or slower than node:crypto, which hashes the blobs too.
const createCid = (codec: number, digest: Uint8Array): CID =>
  CID.createV1(codec, createMultihash(SHA2_256, Uint8Array.from(digest)))

/** Name of the blob that an id stands for, whatever its codec. */
export const sha256Of = (cid: CID): Digest => Buffer.from(cid.multihash.digest).toString('hex') as Digest

/** `bafkrei…` for blobs, `baguqeera…` for manifests. */
export const formatCid = (cid: CID): string => base32.encode(cid.bytes)

/**
 * An id as {@link formatCid} writes it.
 * @param codec the codec that the id must have
 * @param where named in the message
 * @param code of the error; USAGE for text that a user typed
 * @throws StrataError `code`
 */
export function parseCid(
  text: string,
  codec: typeof RAW | typeof DAG_JSON,
  where: string,
  code: ErrorCode = 'MANIFEST_INVALID'
): CID {
  const cid = tryParse(text)
  const fault = cid === undefined ? 'is not a CID' : (cidFault(cid, codec) ?? textFault(cid, text))
  if (cid !== undefined && fault === undefined) return cid
  throw new StrataError(code, {
    message: `${where}: ${quoteText(text)} ${fault}, wanted a CIDv1, ${CODEC_NAME.get(codec)}, sha2-256, in base32`,
    facts: { where }
  })
}

/**
 * Our ids have 61 characters. The limit is needed because the package takes time in the square of the length for base
 * 58 and base 36.
 */
const LONGEST_CID = 128

function tryParse(text: string): CID | undefined {
  if (text.length > LONGEST_CID) return undefined
  try {
    return CID.parse(text)
  } catch {
    return undefined
  }
}

/** The fault of an id that is not one of ours with this codec; undefined if it has none. */
export function cidFault(cid: CID, codec: number): string | undefined {
  if (cid.version !== 1) return `is CIDv${cid.version}`
  if (cid.code !== codec) return `is of codec ${CODEC_NAME.get(cid.code) ?? `0x${cid.code.toString(16)}`}`
  const { code, digest } = cid.multihash
  if (code !== SHA2_256 || digest.length !== 32)
    return `is of hash 0x${code.toString(16)}, ${digest.length} bytes`
  return undefined
}

// CID.parse takes other bases and trailing `=`, and remembers the text that it was given.
const textFault = (cid: CID, text: string): string | undefined =>
  formatCid(cid) === text ? undefined : 'is not in its canonical text form'

const quoteText = (text: string): string => `"${showPath(Buffer.from(text.slice(0, 80)).toString('latin1'))}"`
