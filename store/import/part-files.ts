/**
 * Writes a data file as parts: files in tmp/ that get their names, the hashes of their bytes, when the layer is
 * published. Only the current one is open.
 */
import { createHash, type Hash } from 'node:crypto'
import { TemporaryFile } from '../files/index.ts'
import {
  type FileHash,
  PAGE_BYTES,
  type Part,
  PieceBuffer,
  readRange,
  type Sink,
  writeFully
} from '../object/index.ts'
import { type Digest, digestOf } from '../values/index.ts'

/** A part that is complete but has no name yet. */
export interface NewPart extends Part {
  file: TemporaryFile
}

interface Unfinished {
  file: TemporaryFile
  start: number
  hash: Hash
}

interface Mark {
  /** Parts that were complete. */
  parts: number
  position: number
  start: number
  partHash: Hash
  hash: Hash
}

export class PartFiles implements Sink {
  readonly parts: NewPart[] = []
  readonly #storeRoot: string
  readonly #pieces = new PieceBuffer(bytes => this.#write(bytes))
  /** Bytes that are written. */
  #position = 0
  #current: Unfinished | undefined
  /** Of the data file, which is all parts one after another. */
  #hash = createHash('sha256')
  #mark: Mark | undefined
  #isDiscarded = false

  constructor(storeRoot: string) {
    this.#storeRoot = storeRoot
  }

  get position(): number {
    return this.#position + this.#pieces.waiting
  }

  get partStart(): number {
    return this.#current?.start ?? this.position
  }

  async append(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return
    this.#current ??= this.#begin()
    await this.#pieces.append(bytes)
  }

  async cut(): Promise<void> {
    await this.#pieces.flush()
    const part = this.#current
    if (part === undefined) return
    this.#current = undefined
    const { file, start, hash } = part
    // A mark may return to this part, and then it goes on from the hash that it had there.
    const sha256 = hash.digest('hex') as Digest
    this.parts.push({ file, start, lengthBytes: this.#position - start, sha256 })
    await file.rest()
  }

  async mark(): Promise<void> {
    await this.#pieces.flush()
    const { start, hash } = this.#current ?? { start: this.#position, hash: createHash('sha256') }
    this.#mark = {
      parts: this.parts.length,
      position: this.#position,
      start,
      partHash: hash.copy(),
      hash: this.#hash.copy()
    }
  }

  async rewind(): Promise<void> {
    const { parts, position, start, partHash, hash } = this.#mark!
    this.#mark = undefined
    this.#pieces.clear()
    const later = [...this.parts.splice(parts).map(({ file }) => file), ...this.#openFile()]
    this.#current = undefined
    const [first, ...others] = later
    for (const file of others) await file.discard()
    if (first !== undefined && start < position) {
      first.wake()
      this.#current = { file: first, start, hash: partHash }
      await first.handle.truncate(fileOffset(start) + position - start)
    } else await first?.discard()
    this.#position = position
    this.#hash = hash
  }

  async finish(): Promise<FileHash> {
    await this.cut()
    return { sizeBytes: this.#position, sha256: this.#hash.digest() }
  }

  /**
   * Adds a part whose bytes come from elsewhere.
   * @throws RangeError if they are not the part
   */
  async take(part: Part, pieces: AsyncIterable<Uint8Array>): Promise<void> {
    const file = TemporaryFile.create(this.#storeRoot)
    try {
      await writePart(file, part, pieces)
    } catch (error) {
      await file.discard()
      throw error
    }
    await file.rest()
    this.parts.push({ ...part, file })
  }

  /** Cuts a part in two, of which the first has `lengthBytes`. */
  async split(at: number, lengthBytes: number): Promise<void> {
    const { file, start, lengthBytes: wholeBytes } = this.parts[at]
    file.wake()
    const bytes = await readRange(file.handle, fileOffset(start), wholeBytes)
    const [first, second] = [bytes.subarray(0, lengthBytes), bytes.subarray(lengthBytes)]
    const next = TemporaryFile.create(this.#storeRoot)
    const halves = [
      { file, start, lengthBytes, sha256: digestOf(first) },
      { file: next, start: start + lengthBytes, lengthBytes: second.length, sha256: digestOf(second) }
    ]
    this.parts.splice(at, 1, ...halves)
    await file.handle.truncate(fileOffset(start) + lengthBytes)
    await writeFully(next.handle, second, fileOffset(start + lengthBytes))
    await next.rest()
  }

  /** Removes the files that have not got a name. The writer may still be at work, and fails then. */
  async discard(): Promise<void> {
    this.#isDiscarded = true
    for (const file of [...this.parts.map(({ file }) => file), ...this.#openFile()]) await file.discard()
  }

  #openFile = (): TemporaryFile[] => (this.#current === undefined ? [] : [this.#current.file])

  /** @throws Error after `discard`, when nobody would remove the file */
  #begin(): Unfinished {
    if (this.#isDiscarded) throw new Error('the data file is given up')
    return {
      file: TemporaryFile.create(this.#storeRoot),
      start: this.#position,
      hash: createHash('sha256')
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const { file, start, hash } = this.#current!
    hash.update(bytes)
    this.#hash.update(bytes)
    await writeFully(file.handle, bytes, fileOffset(start) + this.#position - start)
    this.#position += bytes.length
  }
}

async function writePart(file: TemporaryFile, part: Part, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  const hash = createHash('sha256')
  let position = 0
  for await (const piece of pieces) {
    if (position + piece.length > part.lengthBytes)
      throw new RangeError(`part sha256:${part.sha256} has more than its ${part.lengthBytes} bytes`)
    hash.update(piece)
    await writeFully(file.handle, piece, fileOffset(part.start) + position)
    position += piece.length
  }
  const found = hash.digest('hex')
  if (found !== part.sha256) throw new RangeError(`part sha256:${part.sha256} hashes to sha256:${found}`)
  if (position !== part.lengthBytes)
    throw new RangeError(`part sha256:${part.sha256} has ${position} bytes, not ${part.lengthBytes}`)
}

/**
 * Where the bytes of a part begin in its file: its pages are those of the data file, so that an image can share them
 * (spec/store-layout.md#data).
 */
const fileOffset = (start: number): number => start % PAGE_BYTES
