import { fstatSync, readSync } from 'node:fs'
import { pathFromText, StrataError, showPath } from '../../store/values/index.ts'

/** An image inside an open file, such as a partition of a SIF file. */
export interface FileRange {
  fd: number
  startInFile: number
  lengthBytes: number
}

/** Bytes of an image: an open file, a part of one, or memory. Every read is checked against the size. */
export class ByteSource {
  readonly #from: FileRange | Uint8Array
  readonly sizeBytes: number
  readonly #name: string

  /** @param name of the image as the user typed it, for messages */
  constructor(from: number | FileRange | Uint8Array, name: string) {
    this.#from = typeof from === 'number' ? wholeFile(from) : from
    this.#name = name
    this.sizeBytes = 'fd' in this.#from ? this.#from.lengthBytes : this.#from.length
  }

  /** @param what name of the structure, for messages */
  read(position: number, lengthBytes: number, what: string): Buffer {
    if (position < 0 || position + lengthBytes > this.sizeBytes)
      this.refuse(what, position, `${lengthBytes} bytes wanted, but the image ends at byte ${this.sizeBytes}`)
    if (!('fd' in this.#from)) return Buffer.from(this.#from.subarray(position, position + lengthBytes))
    const { fd, startInFile } = this.#from
    const bytes = Buffer.allocUnsafe(lengthBytes)
    for (let done = 0; done < lengthBytes; ) {
      const count = readSync(fd, bytes, done, lengthBytes - done, startInFile + position + done)
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

  /** The error for an image that asks for far more work than its size suggests. */
  tooMuch(what: string, fault: string): StrataError {
    const image = showPath(pathFromText(this.#name))
    return new StrataError('LIMIT_EXCEEDED', {
      message: `${image}: ${what}: ${fault}`,
      facts: { image, structure: what }
    })
  }
}

const wholeFile = (fd: number): FileRange => ({ fd, startInFile: 0, lengthBytes: fstatSync(fd).size })
