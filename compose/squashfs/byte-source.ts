import { fstatSync, readSync } from 'node:fs'
import { StrataError } from '../../store/errors.ts'
import { pathFromText, showPath } from '../../store/path-bytes.ts'

/** An image's bytes: an open file, or memory. Every read is checked against the size. */
export class ByteSource {
  readonly #from: number | Uint8Array
  readonly sizeBytes: number
  readonly #name: string

  /** @param name of the image as the user typed it, for messages */
  constructor(from: number | Uint8Array, name: string) {
    this.#from = from
    this.#name = name
    this.sizeBytes = typeof from === 'number' ? fstatSync(from).size : from.length
  }

  /** @param what structure that is read, for messages */
  read(position: number, lengthBytes: number, what: string): Buffer {
    if (position < 0 || position + lengthBytes > this.sizeBytes)
      this.refuse(what, position, `${lengthBytes} bytes wanted, but the image ends at byte ${this.sizeBytes}`)
    if (typeof this.#from !== 'number')
      return Buffer.from(this.#from.subarray(position, position + lengthBytes))
    const bytes = Buffer.allocUnsafe(lengthBytes)
    for (let done = 0; done < lengthBytes; ) {
      const count = readSync(this.#from, bytes, done, lengthBytes - done, position + done)
      if (count === 0) this.refuse(what, position, 'the image was cut off while it was read')
      done += count
    }
    return bytes
  }

  /** @throws StrataError IMAGE_INVALID naming image, structure and byte */
  refuse(what: string, position: number, message: string, cause?: unknown): never {
    const image = showPath(pathFromText(this.#name))
    throw new StrataError('IMAGE_INVALID', {
      message: `${image}: ${what} at 0x${position.toString(16)}: ${message}`,
      facts: { image, structure: what, byte: position },
      cause
    })
  }
}
