import { createHash, type Hash } from 'node:crypto'
import type { OpenFile } from '../disk/index.ts'

const BUFFER_BYTES = 1 << 20

/** A position in a hashed file to which it can be rewound. */
export interface Mark {
  position: number
  hash: Hash
}

/** Receives packed bytes, one after another. */
export interface Sink {
  /** Bytes appended so far. */
  readonly position: number
  append(bytes: Uint8Array): Promise<void>
  mark(): Promise<Mark>
  /** Removes the bytes that were appended since the mark. A mark can be used once. */
  rewind(mark: Mark): void
  /** Resolves when all bytes are written. */
  finish(): Promise<{ sizeBytes: number; sha256: Buffer }>
}

/** Appends to a file and hashes the bytes. The bytes since a mark can be removed again. */
export class HashedFile implements Sink {
  readonly #file: OpenFile
  readonly #buffer = Buffer.allocUnsafe(BUFFER_BYTES)
  #buffered = 0
  #written = 0
  #hash = createHash('sha256')

  constructor(file: OpenFile) {
    this.#file = file
  }

  get position(): number {
    return this.#written + this.#buffered
  }

  async append(bytes: Uint8Array): Promise<void> {
    if (this.#buffered + bytes.length > BUFFER_BYTES) await this.#flush()
    if (bytes.length > BUFFER_BYTES) return this.#write(bytes)
    this.#buffer.set(bytes, this.#buffered)
    this.#buffered += bytes.length
  }

  async mark(): Promise<Mark> {
    await this.#flush()
    return { position: this.#written, hash: this.#hash.copy() }
  }

  rewind({ position, hash }: Mark): void {
    this.#written = position
    this.#buffered = 0
    this.#hash = hash
  }

  /** Cuts the file to its length. It is flushed to disk when it gets its name. */
  async finish(): Promise<{ sizeBytes: number; sha256: Buffer }> {
    await this.#flush()
    await this.#file.truncate(this.#written)
    return { sizeBytes: this.#written, sha256: this.#hash.digest() }
  }

  async #flush(): Promise<void> {
    if (this.#buffered === 0) return
    const bytes = this.#buffer.subarray(0, this.#buffered)
    this.#buffered = 0
    await this.#write(bytes)
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes)
    await writeFully(this.#file, bytes, this.#written)
    this.#written += bytes.length
  }
}

/** Writes all bytes: a single `write` may write fewer, which only its result tells. */
export async function writeFully(file: OpenFile, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}

/** A Sink in memory, for data that is generated anew for each image. */
export class MemorySink implements Sink {
  #pieces: Uint8Array[] = []
  #lengthBytes = 0

  get position(): number {
    return this.#lengthBytes
  }

  async append(bytes: Uint8Array): Promise<void> {
    this.#pieces.push(bytes.slice())
    this.#lengthBytes += bytes.length
  }

  async mark(): Promise<Mark> {
    return { position: this.#lengthBytes, hash: createHash('sha256') }
  }

  rewind({ position }: Mark): void {
    this.#pieces = [Buffer.concat(this.#pieces).subarray(0, position)]
    this.#lengthBytes = position
  }

  async finish(): Promise<{ sizeBytes: number; sha256: Buffer }> {
    const bytes = this.bytes()
    return { sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest() }
  }

  bytes(): Buffer {
    return Buffer.concat(this.#pieces)
  }
}

export interface FileHash {
  sizeBytes: number
  sha256: Buffer
}

/** Hashes a whole open file, whatever its name stands for by now. */
export async function hashFile(
  file: OpenFile,
  onBytes: (bytes: number) => void = () => {}
): Promise<FileHash> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  for await (const chunk of file.createReadStream({ start: 0, autoClose: false, highWaterMark: 1 << 20 })) {
    hash.update(chunk)
    sizeBytes += chunk.length
    onBytes(chunk.length)
  }
  return { sizeBytes, sha256: hash.digest() }
}
