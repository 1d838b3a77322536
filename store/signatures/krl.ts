/** Key revocation lists of OpenSSH (PROTOCOL.krl), as `ssh-keygen -k` makes them. */
import { WireFault, WireReader } from './wire.ts'

const MAGIC = Buffer.from('SSHKRL\n\0', 'latin1')
const VERSION = 1

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
  reader.string('the comment')
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
  section.string('the key of an authority')
  section.string('the reserved field')
  while (!section.isAtEnd) {
    const type = section.u8('the type of a subsection')
    const part = new WireReader(section.string('a subsection'))
    if (type === CERTIFICATES.serials) while (!part.isAtEnd) part.u64('a serial number')
    else if (type === CERTIFICATES.range)
      for (const what of ['first', 'last']) part.u64(`the ${what} serial number`)
    else if (type === CERTIFICATES.bitmap) {
      part.u64('the first serial number')
      part.unsigned('a bitmap')
    } else if (type === CERTIFICATES.keyIds) while (!part.isAtEnd) part.string('the name of a certificate')
    else throw new WireFault(`a subsection of type ${type}, which is not known`)
    part.end('a subsection')
  }
}
