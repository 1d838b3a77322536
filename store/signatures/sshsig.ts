/** Signatures in the form of `ssh-keygen -Y sign` (spec/signatures.md#form; OpenSSH, PROTOCOL.sshsig). */
import { createHash } from 'node:crypto'
import { checkSignature, type PublicKey, parsePublicKey, type SignatureDetails } from './public-key.ts'
import { decodeBase64, WireFault, WireReader, wireString } from './wire.ts'

/** For whom a signature is meant: one of a module is none of a lock. */
export const NAMESPACE = { module: 'strata-module', lock: 'strata-lock' } as const
export type Namespace = (typeof NAMESPACE)[keyof typeof NAMESPACE]

/** Limit on signature files. The largest, of a key with 16,384 bits, has 6 KiB. */
export const LARGEST_SIGNATURE_BYTES = 16 << 10

const MAGIC = 'SSHSIG'
const VERSION = 1
const HASHES = ['sha512', 'sha256']

const BEGIN = '-----BEGIN SSH SIGNATURE-----\n'
const END = '\n-----END SSH SIGNATURE-----'

export interface SshSignature {
  key: PublicKey
  namespace: string
  hash: string
  /** By the key, in the encoding of SSH. */
  bytes: Buffer
}

/**
 * @param file the text that `ssh-keygen -Y sign` prints
 * @throws WireFault
 */
export function decodeSignature(file: Uint8Array): SshSignature {
  const reader = new WireReader(decodeArmor(Buffer.from(file).toString('latin1')))
  if (reader.take(MAGIC.length, 'a signature').toString('latin1') !== MAGIC)
    throw new WireFault(`it does not begin with ${MAGIC}`)
  const version = reader.u32('the version')
  if (version !== VERSION) throw new WireFault(`version ${version} of the form, wanted ${VERSION}`)
  const key = parsePublicKey(reader.string('the public key'))
  const namespace = reader.word('the namespace')
  if (reader.string('the reserved field').length > 0) throw new WireFault('the reserved field is not empty')
  const hash = reader.word('the name of the hash')
  if (!HASHES.includes(hash)) throw new WireFault(`hash ${hash.slice(0, 60)}, wanted ${HASHES.join(' or ')}`)
  const bytes = reader.string('the signature itself')
  reader.end('it')
  return { key, namespace, hash, bytes }
}

function decodeArmor(text: string): Buffer {
  if (!text.startsWith(BEGIN)) throw new WireFault(`it does not begin with a line "${BEGIN.trim()}"`)
  const end = text.indexOf(END, BEGIN.length)
  if (end < 0) throw new WireFault(`it has no line "${END.trim()}"`)
  return decodeBase64(text.slice(BEGIN.length, end), 'its text')
}

/**
 * @returns undefined if the message or the namespace is another one than was signed
 * @throws WireFault if the signature is damaged
 */
export function verifyMessage(
  { key, namespace, hash, bytes }: SshSignature,
  message: Uint8Array,
  expected: string
): SignatureDetails | undefined {
  if (namespace !== expected) return undefined
  const digest = createHash(hash).update(message).digest()
  return checkSignature(key, bytes, signedBytes(namespace, hash, digest))
}

/** The bytes that the key has signed. */
export const signedBytes = (namespace: string, hash: string, digest: Uint8Array): Buffer =>
  Buffer.concat([
    Buffer.from(MAGIC, 'latin1'),
    ...[namespace, '', hash, digest].map(part => wireString(part))
  ])
