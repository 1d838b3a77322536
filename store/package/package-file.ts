/** A package file. All of it is read through one descriptor, so that nobody can exchange the file in between. */
import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { type Digest, type Facts, StrataError, systemWords } from '../values/index.ts'

const READ_BYTES = 1 << 20

export class PackageFile {
  readonly path: string
  readonly sizeBytes: number
  readonly #handle: FileHandle

  private constructor(path: string, handle: FileHandle, sizeBytes: number) {
    this.path = path
    this.#handle = handle
    this.sizeBytes = sizeBytes
  }

  /** @throws StrataError IO */
  static async open(path: string): Promise<PackageFile> {
    const handle = await open(path, 'r').catch((cause: NodeJS.ErrnoException) => {
      throw new StrataError('IO', { message: `${path} cannot be read: ${systemWords(cause)}`, cause })
    })
    const { size } = await handle.stat()
    return new PackageFile(path, handle, size)
  }

  /**
   * @param what the thing that is read, for messages
   * @throws StrataError SOURCE_INVALID if the file ends before
   */
  async read(position: number, lengthBytes: number, what: string): Promise<Buffer> {
    if (position + lengthBytes > this.sizeBytes)
      this.refuse(what, position, `${lengthBytes} bytes wanted, but the file ends at byte ${this.sizeBytes}`)
    const bytes = Buffer.alloc(lengthBytes)
    const { bytesRead } = await this.#handle.read(bytes, 0, lengthBytes, position)
    if (bytesRead < lengthBytes) this.refuse(what, position, 'the file was cut off while it was read')
    return bytes
  }

  /** Chunks of up to 1 MiB that belong to the caller. */
  async *chunks(position: number, lengthBytes: number): AsyncGenerator<Uint8Array> {
    for (let done = 0; done < lengthBytes; done += READ_BYTES)
      yield await this.read(position + done, Math.min(READ_BYTES, lengthBytes - done), 'data')
  }

  async sha256(): Promise<Digest> {
    const hash = createHash('sha256')
    for await (const chunk of this.chunks(0, this.sizeBytes)) hash.update(chunk)
    return hash.digest('hex') as Digest
  }

  close(): Promise<void> {
    return this.#handle.close()
  }

  /** @throws StrataError SOURCE_INVALID that names file, part and byte */
  refuse(what: string, position: number, fault: string, hint?: string): never {
    throw this.fault(`${what} at byte ${position}: ${fault}`, { part: what, byte: position }, hint)
  }

  fault(message: string, facts: Facts = {}, hint?: string): StrataError {
    return new StrataError('SOURCE_INVALID', {
      message: `${this.path}: ${message}`,
      facts: { package: this.path, ...facts },
      hint
    })
  }
}
