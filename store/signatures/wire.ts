/**
 * The encoding of SSH's protocols (RFC 4251, section 5): big-endian integers, and strings with their length in front.
 * Keys, signatures and revocation lists come from strangers, so every length is checked before it is used.
 */

/** The form of some bytes is wrong. Callers turn it into an error that names the file. */
export class WireFault extends Error {
  /** Of a file with one key a line. */
  readonly line: number | undefined

  constructor(message: string, line?: number) {
    super(message)
    this.line = line
  }
}

/** OpenSSH takes no longer integers (sshbuf-getput-crypto.c). */
const LONGEST_INTEGER_BYTES = 16384 / 8

export class WireReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  /** @param what of the missing bytes, for the message */
  take(length: number, what: string): Buffer {
    if (length > this.#bytes.length - this.#at)
      throw new WireFault(`${what} needs ${length} bytes, found ${this.#bytes.length - this.#at}`)
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  u8(what: string): number {
    return this.take(1, what)[0]
  }

  u32(what: string): number {
    return this.take(4, what).readUInt32BE()
  }

  u64(what: string): bigint {
    return this.take(8, what).readBigUInt64BE()
  }

  string(what: string): Buffer {
    return this.take(this.u32(`the length of ${what}`), what)
  }

  /** A string of printable ASCII characters, one character a byte. */
  word(what: string): string {
    const text = this.string(what).toString('latin1')
    if (!/^[\x20-\x7e]*$/.test(text)) throw new WireFault(`${what} has bytes that are not printable ASCII`)
    return text
  }

  /** A number that is not negative, big-endian without leading zeros. */
  unsigned(what: string): Buffer {
    const bytes = this.string(what)
    if (bytes.length > 0 && bytes[0] & 0x80) throw new WireFault(`${what} is negative`)
    const start = bytes.findIndex(byte => byte !== 0)
    const digits = start < 0 ? Buffer.alloc(0) : bytes.subarray(start)
    if (digits.length > LONGEST_INTEGER_BYTES) throw new WireFault(`${what} has ${digits.length} bytes`)
    return digits
  }

  end(what: string): void {
    const rest = this.#bytes.length - this.#at
    if (rest > 0) throw new WireFault(`${rest} bytes behind the end of ${what}`)
  }
}

export function wireString(bytes: Uint8Array | string): Buffer {
  const content = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes
  const length = Buffer.alloc(4)
  length.writeUInt32BE(content.length)
  return Buffer.concat([length, content])
}

/** A number in the one encoding that SSH allows: the shortest that is not negative. */
export const wireUnsigned = (digits: Uint8Array): Buffer =>
  wireString(digits.length > 0 && digits[0] & 0x80 ? Buffer.concat([Buffer.alloc(1), digits]) : digits)

/**
 * Base64 as OpenSSH decodes it: white space anywhere between the characters, the padding complete, unused bits zero.
 * @throws WireFault
 */
export function decodeBase64(text: string, what: string): Buffer {
  const compact = text.replace(/[ \t\n\v\f\r]/g, '')
  const bytes = Buffer.from(compact, 'base64')
  if (bytes.toString('base64') !== compact) throw new WireFault(`${what} is not base64`)
  return bytes
}
