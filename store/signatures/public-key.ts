/** Public keys of OpenSSH, and signatures by them, checked by node:crypto (spec/signatures.md#keys). */
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'
import { trimLast } from '../values/index.ts'
import { decodeBase64, WireFault, WireReader, wireString, wireUnsigned } from './wire.ts'

export interface PublicKey {
  /** As in a public key file, such as `ssh-ed25519`. */
  type: string
  /** The key in the one encoding that it has. Equal keys have equal blobs. */
  blob: Buffer
  /** SHA-256 of the blob, 64 hexadecimal digits. */
  digest: string
  /** The same as `ssh-keygen -l` prints it: `SHA256:…`. */
  fingerprint: string
  /** For FIDO keys, the text that the token signs with every message, usually `ssh:`. */
  application?: string
  /** Made when the first signature is checked: that takes as long as checking it. */
  material: () => KeyObject
}

/** What a signature tells beside that it is right. */
export interface SignatureDetails {
  /** False if a FIDO token says that nobody touched it. Other keys have no such statement. */
  isTouched: boolean
}

const CURVES: Record<string, { jwk: string; coordinateBytes: number; hash: string }> = {
  nistp256: { jwk: 'P-256', coordinateBytes: 32, hash: 'sha256' },
  nistp384: { jwk: 'P-384', coordinateBytes: 48, hash: 'sha384' },
  nistp521: { jwk: 'P-521', coordinateBytes: 66, hash: 'sha512' }
}

const ED25519 = 'ssh-ed25519'
const RSA = 'ssh-rsa'
const SK_ED25519 = 'sk-ssh-ed25519@openssh.com'
const SK_ECDSA = 'sk-ecdsa-sha2-nistp256@openssh.com'

/** The names of signatures by RSA keys. `ssh-rsa` is one with SHA-1, and is refused. */
const RSA_HASHES: Record<string, string> = { 'rsa-sha2-256': 'sha256', 'rsa-sha2-512': 'sha512' }

/** OpenSSH takes 1024 bits; keys of that size have been broken. */
const SMALLEST_RSA_BITS = 2048

const TOUCHED = 0x01

/** The types that are read, for messages. */
export const KEY_TYPES = [
  ED25519,
  ...Object.keys(CURVES).map(curve => `ecdsa-sha2-${curve}`),
  RSA,
  SK_ED25519,
  SK_ECDSA
]

/** @throws WireFault for a key that is damaged, too short, or of a type that is not read */
export function parsePublicKey(bytes: Uint8Array): PublicKey {
  const reader = new WireReader(bytes)
  const type = reader.word('the type of a key')
  const parts = readParts(type, reader)
  reader.end('a key')
  const blob = Buffer.concat([wireString(type), ...parts.fields])
  const digest = createHash('sha256').update(blob).digest()
  return {
    type,
    blob,
    digest: digest.toString('hex'),
    fingerprint: `SHA256:${trimLast(digest.toString('base64'), '=')}`,
    ...(parts.application !== undefined && { application: parts.application }),
    material: () => materialFor(digest.toString('hex'), parts.jwk)
  }
}

/** Keys that were used, by their digest: most modules of a stack are signed by few people. */
const used = new Map<string, KeyObject>()
const MOST_USED = 1000

function materialFor(digest: string, jwk: KeyParts['jwk']): KeyObject {
  const known = used.get(digest)
  if (known !== undefined) return known
  const made = createPublicKey({ key: jwk, format: 'jwk' })
  if (used.size < MOST_USED) used.set(digest, made)
  return made
}

interface KeyParts {
  /** Everything behind the type, encoded. */
  fields: Buffer[]
  jwk: Record<string, string>
  application?: string
}

function readParts(type: string, reader: WireReader): KeyParts {
  if (type === ED25519) return readEd25519(reader)
  if (type === RSA) return readRsa(reader)
  if (type.startsWith('ecdsa-sha2-') && type.slice('ecdsa-sha2-'.length) in CURVES)
    return readEcdsa(reader, type.slice('ecdsa-sha2-'.length))
  if (type === SK_ED25519) return withApplication(readEd25519(reader), reader)
  if (type === SK_ECDSA) return withApplication(readEcdsa(reader, 'nistp256'), reader)
  if (type.endsWith('-cert-v01@openssh.com'))
    throw new WireFault(
      'the key is a certificate, which ends after a day or so, and with it every signature: sign with a plain key'
    )
  throw new WireFault(`keys of type ${type.slice(0, 60)} are not read, wanted one of ${KEY_TYPES.join(', ')}`)
}

function readEd25519(reader: WireReader): KeyParts {
  const x = reader.string('an Ed25519 key')
  if (x.length !== 32) throw new WireFault(`an Ed25519 key has ${x.length} bytes, wanted 32`)
  return { fields: [wireString(x)], jwk: { kty: 'OKP', crv: 'Ed25519', x: x.toString('base64url') } }
}

function readRsa(reader: WireReader): KeyParts {
  const e = reader.unsigned('the exponent of an RSA key')
  const n = reader.unsigned('the modulus of an RSA key')
  const bits = n.length === 0 ? 0 : n.length * 8 - Math.clz32(n[0]) + 24
  if (bits < SMALLEST_RSA_BITS)
    throw new WireFault(`an RSA key has ${bits} bits, wanted at least ${SMALLEST_RSA_BITS}`)
  return {
    fields: [wireUnsigned(e), wireUnsigned(n)],
    jwk: { kty: 'RSA', e: e.toString('base64url'), n: n.toString('base64url') }
  }
}

function readEcdsa(reader: WireReader, curve: string): KeyParts {
  const named = reader.word('the curve of an ECDSA key')
  if (named !== curve) throw new WireFault(`an ECDSA key is on curve ${named.slice(0, 60)}, wanted ${curve}`)
  const point = reader.string('the point of an ECDSA key')
  const { jwk, coordinateBytes } = CURVES[curve]
  if (point.length !== 1 + 2 * coordinateBytes || point[0] !== 4)
    throw new WireFault('the point of an ECDSA key is not written out in full')
  return {
    fields: [wireString(curve), wireString(point)],
    jwk: {
      kty: 'EC',
      crv: jwk,
      x: point.subarray(1, 1 + coordinateBytes).toString('base64url'),
      y: point.subarray(1 + coordinateBytes).toString('base64url')
    }
  }
}

function withApplication(parts: KeyParts, reader: WireReader): KeyParts {
  const application = reader.word('the application of a FIDO key')
  return { ...parts, fields: [...parts.fields, wireString(application)], application }
}

/**
 * Checks a signature in the encoding of SSH.
 * @returns undefined if it is not a signature of these bytes by this key
 * @throws WireFault if it is damaged, or of a kind that this key cannot make
 */
export function checkSignature(
  key: PublicKey,
  signature: Uint8Array,
  signed: Buffer
): SignatureDetails | undefined {
  const reader = new WireReader(signature)
  const type = reader.word('the type of a signature')
  const bytes = reader.string('a signature')
  const statement = key.application === undefined ? undefined : readStatement(reader)
  reader.end('a signature')
  const expected = key.type === RSA ? Object.keys(RSA_HASHES) : [key.type]
  if (!expected.includes(type))
    throw new WireFault(`a signature of type ${type.slice(0, 60)}, wanted ${expected.join(' or ')}`)
  const message = statement === undefined ? signed : messageOfToken(key, statement, signed)
  if (!isRight(key, type, bytes, message)) return undefined
  return { isTouched: statement === undefined || (statement.flags & TOUCHED) !== 0 }
}

interface TokenStatement {
  flags: number
  counter: Buffer
}

const readStatement = (reader: WireReader): TokenStatement => ({
  flags: reader.u8('the flags of a FIDO token'),
  counter: reader.take(4, 'the counter of a FIDO token')
})

/** The bytes that a FIDO token signs for a message (OpenSSH, PROTOCOL.u2f). */
function messageOfToken(key: PublicKey, { flags, counter }: TokenStatement, signed: Buffer): Buffer {
  const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest()
  return Buffer.concat([
    hash(Buffer.from(key.application!, 'latin1')),
    Buffer.from([flags]),
    counter,
    hash(signed)
  ])
}

function isRight(key: PublicKey, type: string, signature: Buffer, message: Buffer): boolean {
  const material = materialOf(key)
  if (key.type === RSA) return isRightRsa(material, RSA_HASHES[type], signature, message)
  if (key.type === ED25519 || key.type === SK_ED25519) {
    if (signature.length !== 64)
      throw new WireFault(`an Ed25519 signature has ${signature.length} bytes, wanted 64`)
    return verify(null, message, material, signature)
  }
  const { coordinateBytes, hash } =
    CURVES[key.type === SK_ECDSA ? 'nistp256' : key.type.slice(-'nistp256'.length)]
  const halves = ecdsaHalves(signature, coordinateBytes)
  return verify(hash, message, { key: material, dsaEncoding: 'ieee-p1363' }, halves)
}

/** A wrong character in an ECDSA key makes a point that is not on the curve. @throws WireFault */
export function assertUsable(key: PublicKey): void {
  if (key.type.includes('ecdsa')) materialOf(key)
}

function materialOf(key: PublicKey): KeyObject {
  try {
    return key.material()
  } catch (error) {
    throw new WireFault(`the key cannot be used: ${(error as Error).message}`)
  }
}

/** A shorter signature than the modulus is one whose first bytes were zero. */
function isRightRsa(material: KeyObject, hash: string, signature: Buffer, message: Buffer): boolean {
  const wantedBytes = Math.ceil(material.asymmetricKeyDetails!.modulusLength! / 8)
  if (signature.length > wantedBytes)
    throw new WireFault(`an RSA signature has ${signature.length} bytes, wanted ${wantedBytes}`)
  const padded = Buffer.concat([Buffer.alloc(wantedBytes - signature.length), signature])
  return verify(hash, message, material, padded)
}

function ecdsaHalves(signature: Buffer, coordinateBytes: number): Buffer {
  const reader = new WireReader(signature)
  const halves = ['r', 's'].map(name => {
    const digits = reader.unsigned(`${name} of an ECDSA signature`)
    if (digits.length > coordinateBytes)
      throw new WireFault(`${name} of an ECDSA signature has ${digits.length} bytes`)
    return Buffer.concat([Buffer.alloc(coordinateBytes - digits.length), digits])
  })
  reader.end('an ECDSA signature')
  return Buffer.concat(halves)
}

/**
 * A key as lines of text hold it: type, base64, perhaps a comment.
 * @returns the key, and the text behind it
 * @throws WireFault
 */
export function parseKeyText(text: string): { key: PublicKey; rest: string } {
  const [type, behind] = takeWord(text)
  const [base64, rest] = takeWord(behind)
  if (type === '' || base64 === '') throw new WireFault('wanted the type of a key and the key in base64')
  const key = parsePublicKey(decodeBase64(base64, 'the key'))
  if (key.type !== type) throw new WireFault(`the key is of type ${key.type}, but the line says ${type}`)
  assertUsable(key)
  return { key, rest }
}

/** The text up to the first blank, and the text behind the blanks. */
function takeWord(text: string): [word: string, rest: string] {
  const end = text.search(/[ \t]/)
  return end < 0 ? [text, ''] : [text.slice(0, end), text.slice(end).replace(/^[ \t]+/, '')]
}
