import { createHash } from 'node:crypto'
import type { OpenFile } from '../disk/index.ts'
import { PieceBuffer } from './piece-buffer.ts'

/** Receives the packed bytes of a data file, one after another. */
export interface Sink {
  /** Bytes appended so far. */
  readonly position: number
  /** Where the current part begins. */
  readonly partStart: number
  append(bytes: Uint8Array): Promise<void>
  /** Ends a part: bytes that follow belong to the next one (spec/object.md#parts). */
  cut(): Promise<void>
  /** Remembers the position, and forgets the one that was marked before. */
  mark(): Promise<void>
  /** Removes the bytes that were appended since the mark, with the cuts in them. */
  rewind(): Promise<void>
  /** Resolves when all bytes are written. */
  finish(): Promise<FileHash>
}

/** Appends to a file and hashes the bytes. */
export class HashedFile {
  readonly #file: OpenFile
  readonly #pieces = new PieceBuffer(bytes => this.#write(bytes))
  readonly #hash = createHash('sha256')
  #written = 0

  constructor(file: OpenFile) {
    this.#file = file
  }

  get position(): number {
    return this.#written + this.#pieces.waiting
  }

  append(bytes: Uint8Array): Promise<void> {
    return this.#pieces.append(bytes)
  }

  /** The file is flushed to disk when it gets its name. */
  async finish(): Promise<FileHash> {
    await this.#pieces.flush()
    return { sizeBytes: this.#written, sha256: this.#hash.digest() }
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

/** @throws RangeError if the file ends before */
export async function readRange(file: OpenFile, position: number, lengthBytes: number): Promise<Buffer> {
  const out = Buffer.alloc(lengthBytes)
  let done = 0
  while (done < lengthBytes) {
    const { bytesRead } = await file.read(out, done, lengthBytes - done, position + done)
    if (bytesRead === 0)
      throw new RangeError(`it ends at byte ${position + done}, before ${position + lengthBytes}`)
    done += bytesRead
  }
  return out
}

/** A data file in memory, which is generated anew for each image. Where its parts begin does not matter. */
export class MemorySink implements Sink {
  #pieces: Uint8Array[] = []
  #lengthBytes = 0
  #partStart = 0
  #mark = { lengthBytes: 0, partStart: 0 }

  get position(): number {
    return this.#lengthBytes
  }

  get partStart(): number {
    return this.#partStart
  }

  async append(bytes: Uint8Array): Promise<void> {
    this.#pieces.push(bytes.slice())
    this.#lengthBytes += bytes.length
  }

  async cut(): Promise<void> {
    this.#partStart = this.#lengthBytes
  }

  async mark(): Promise<void> {
    this.#mark = { lengthBytes: this.#lengthBytes, partStart: this.#partStart }
  }

  async rewind(): Promise<void> {
    this.#lengthBytes = this.#mark.lengthBytes
    this.#partStart = this.#mark.partStart
    this.#pieces = [Buffer.concat(this.#pieces).subarray(0, this.#lengthBytes)]
  }

  async finish(): Promise<FileHash> {
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
