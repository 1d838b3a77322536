/** Key revocation lists of OpenSSH (PROTOCOL.krl), as `ssh-keygen -k` makes them. */
import { assertUsable, parsePublicKey } from './public-key.ts'
import { WireFault, WireReader } from './wire.ts'

const MAGIC = Buffer.from('SSHKRL\n\0', 'latin1')
const VERSION = 1

const LARGEST_SERIAL = 2n ** 64n - 1n

const SECTION = { certificates: 1, keys: 2, sha1: 3, signature: 4, sha256: 5 } as const
const CERTIFICATES = { serials: 0x20, range: 0x21, bitmap: 0x22, keyIds: 0x23 } as const

/** The plain keys of a list. Its certificates are read, and are of no use here. */
export interface Krl {
  /** Encoded keys, one character a byte. */
  blobs: Set<string>
  /** Hexadecimal digits. */
  sha1: Set<string>
  sha256: Set<string>
}

export const isKrl = (bytes: Uint8Array): boolean => MAGIC.equals(bytes.subarray(0, MAGIC.length))

/** @throws WireFault for a list that is damaged, or that holds a part which only another release understands */
export function parseKrl(bytes: Uint8Array): Krl {
  const reader = new WireReader(bytes)
  reader.take(MAGIC.length, 'a revocation list')
  const version = reader.u32('the version')
  if (version !== VERSION) throw new WireFault(`version ${version} of the list, wanted ${VERSION}`)
  for (const what of ['the number of the list', 'its date', 'its flags']) reader.u64(what)
  reader.string('the reserved field')
  readText(reader, 'the comment')
  const krl: Krl = { blobs: new Set(), sha1: new Set(), sha256: new Set() }
  while (!reader.isAtEnd) readSection(reader, krl)
  return krl
}

function readSection(reader: WireReader, krl: Krl): void {
  const type = reader.u8('the type of a section')
  const section = new WireReader(reader.string('a section'))
  if (type === SECTION.certificates) readCertificates(section)
  else if (type === SECTION.keys) readBlobs(section, 'latin1', krl.blobs)
  else if (type === SECTION.sha1) readBlobs(section, 'hex', krl.sha1, 20)
  else if (type === SECTION.sha256) readBlobs(section, 'hex', krl.sha256, 32)
  else if (type === SECTION.signature)
    throw new WireFault(
      'the list is signed, and OpenSSH checks such signatures no longer: make it without -s'
    )
  else throw new WireFault(`a section of type ${type}, which is not known`)
}

function readBlobs(
  section: WireReader,
  encoding: 'latin1' | 'hex',
  into: Set<string>,
  length?: number
): void {
  while (!section.isAtEnd) {
    const blob = section.string('a revoked key')
    if (length !== undefined && blob.length !== length)
      throw new WireFault(`a hash of ${blob.length} bytes, wanted ${length}`)
    into.add(blob.toString(encoding))
  }
}

/** Certificates are refused as signers. Their section is read so that damage is found. */
function readCertificates(section: WireReader): void {
  const authority = section.string('the key of an authority')
  if (authority.length > 0) assertUsable(parsePublicKey(authority))
  section.string('the reserved field')
  while (!section.isAtEnd) {
    const type = section.u8('the type of a subsection')
    const part = new WireReader(section.string('a subsection'))
    if (type === CERTIFICATES.serials) while (!part.isAtEnd) readSerial(part)
    else if (type === CERTIFICATES.range) readRange(part)
    else if (type === CERTIFICATES.bitmap) readBitmap(part)
    else if (type === CERTIFICATES.keyIds) while (!part.isAtEnd) readText(part, 'the name of a certificate')
    else throw new WireFault(`a subsection of type ${type}, which is not known`)
    part.end('a subsection')
  }
}

function readSerial(part: WireReader): bigint {
  const serial = part.u64('a serial number')
  if (serial === 0n) throw new WireFault('a serial number of 0')
  return serial
}

function readRange(part: WireReader): void {
  const [first, last] = [readSerial(part), readSerial(part)]
  if (first > last) throw new WireFault(`a range of serial numbers from ${first} to ${last}`)
}

function readBitmap(part: WireReader): void {
  const first = part.u64('the first serial number')
  const bits = part.unsigned('a bitmap')
  const isFirstSet = bits.length > 0 && (bits[bits.length - 1] & 1) === 1
  if (first === 0n && isFirstSet) throw new WireFault('a serial number of 0')
  if (first + BigInt(bits.length * 8) > LARGEST_SERIAL) throw new WireFault('serial numbers without end')
}

/** C ends a text at a byte of zero, so one can only stand at the end. */
function readText(reader: WireReader, what: string): void {
  const text = reader.string(what)
  const zero = text.indexOf(0)
  if (zero >= 0 && zero < text.length - 1) throw new WireFault(`${what} has a byte of zero`)
}
