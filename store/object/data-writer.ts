/**
 * Writes file bytes into a data file. Full blocks are packed one by one, the rest of each file goes into fragment
 * blocks that many files share, and equal files are kept once (spec/object.md#data).
 *
 * Callers push bytes synchronously while they parse. The pool packs them, and one loop writes the results in the order
 * of the requests. So the file depends on the bytes and the profile alone.
 */
import { createHash, type Hash } from 'node:crypto'
import type { Profile } from '../values/index.ts'
import type { HashedBlock, Packer } from './compress-pool.ts'
import { f64Column, growingColumns, u8Column, u32Column, viewColumns } from './growing-column.ts'
import type { Sink } from './hashed-file.ts'
import { KEY_BYTES, type KnownBlocks } from './known-block.ts'
import { DATA_SCHEMA, type DataTables, NONE } from './layer-index.ts'
import { bytesToPage, isCutBefore, LARGE_CONTENT_BYTES, PAGE_BYTES } from './part-cuts.ts'

type Operation =
  | { do: 'begin'; isLarge: boolean }
  | { do: 'block'; packed: Promise<HashedBlock> }
  | { do: 'zeros'; blocks: number }
  | { do: 'keep'; content: number }
  | { do: 'discard' }
  | { do: 'fragment'; packed: Promise<HashedBlock> }

export interface FinishedData {
  tables: DataTables
  contentHash: Uint8Array
  dataBytes: number
  dataSha256: Buffer
  /** Missing if nothing was packed. */
  blocks?: WrittenBlocks
}

/** The blocks and fragment blocks of a data file, in its order. */
export interface WrittenBlocks {
  /** The first {@link KEY_BYTES} of the SHA-256 of each block's raw bytes. */
  keys: Uint8Array
  /** Where each one begins in the data file. */
  starts: Float64Array
  /** Bytes of each one, | STORED_RAW. */
  stored: Uint32Array
  /** Number of blocks that were packed; the others were copied. It includes those of files that came twice. */
  packed: number
}

/** Takes the bytes of files, one file after another, and returns their place in a data file. */
export interface ContentSink {
  /** Begins a file of this size, holes included. */
  beginFile(sizeBytes: number): void
  /** Adds bytes to the current file. They are copied. */
  write(bytes: Uint8Array): void
  /** Adds zeros to the current file. Whole blocks of zeros take no space. */
  writeZeros(lengthBytes: number): void
  /** Ends the current file. Equal files get the same number. */
  endFile(): number
  /** Resolves when so little waits to be written that more may be pushed. @throws errors of writing and packing */
  drain(): Promise<void>
  /** Resolves when all bytes are in the file. @throws errors of writing and packing */
  finish(): Promise<FinishedData>
}

/** Operations that may wait for the writer before the caller should pause. */
const QUEUE_FACTOR = 8

const ZEROS = new Uint8Array(PAGE_BYTES)

export class DataWriter implements ContentSink {
  readonly #file: Sink
  readonly #profile: Profile
  readonly #pool: Packer
  readonly #known: KnownBlocks | undefined
  readonly #queue: Operation[] = []
  #writing: Promise<void> | undefined
  #onRoom: (() => void) | undefined
  #failure: unknown

  // The file that is being received.
  #isLarge = false
  #hash: Hash = createHash('sha256')
  #size = 0
  #block: Uint8Array<ArrayBuffer>
  #filled = 0
  #began = false
  /** True if the current file has a block of zeros. */
  #hasHole = false

  #fragment: Uint8Array<ArrayBuffer>
  #fragmentFilled = 0
  readonly #spare: ArrayBuffer[] = []
  readonly #zeros: Buffer

  readonly #contentOfHash = new Map<string, number>()
  readonly #tables = growingColumns(DATA_SCHEMA)
  readonly #contentHash = u8Column()
  readonly #blocks = { keys: u8Column(), starts: f64Column(), stored: u32Column() }
  #packedBlocks = 0

  /** @param known of the profile */
  constructor(file: Sink, profile: Profile, pool: Packer, known?: KnownBlocks) {
    this.#file = file
    this.#profile = profile
    this.#pool = pool
    this.#known = known
    this.#block = this.#freshBlock()
    this.#fragment = this.#freshBlock()
    this.#zeros = Buffer.alloc(profile.blockSize)
  }

  beginFile(sizeBytes: number): void {
    this.#isLarge = sizeBytes >= LARGE_CONTENT_BYTES
  }

  write(bytes: Uint8Array): void {
    this.#hash.update(bytes)
    this.#size += bytes.length
    let position = 0
    while (position < bytes.length) {
      const taken = Math.min(bytes.length - position, this.#profile.blockSize - this.#filled)
      this.#block.set(bytes.subarray(position, position + taken), this.#filled)
      this.#filled += taken
      position += taken
      if (this.#filled === this.#profile.blockSize) this.#submitBlock()
    }
  }

  writeZeros(lengthBytes: number): void {
    const { blockSize } = this.#profile
    let left = lengthBytes
    const upToBlock = Math.min(left, this.#filled === 0 ? 0 : blockSize - this.#filled)
    if (upToBlock > 0) this.write(this.#zeros.subarray(0, upToBlock))
    left -= upToBlock
    const blocks = Math.floor(left / blockSize)
    if (blocks > 0) {
      for (let i = 0; i < blocks; i++) this.#hash.update(this.#zeros)
      this.#size += blocks * blockSize
      this.#begin()
      this.#hasHole = true
      this.#push({ do: 'zeros', blocks })
      left -= blocks * blockSize
    }
    if (left > 0) this.write(this.#zeros.subarray(0, left))
  }

  endFile(): number {
    const hash = this.#hash.digest()
    const key = hash.toString('latin1')
    const known = this.#contentOfHash.get(key)
    if (known !== undefined) {
      if (this.#began) this.#push({ do: 'discard' })
      this.#startFile()
      return known
    }
    const content = this.#tables.contentSize.push(this.#size)
    this.#contentOfHash.set(key, content)
    this.#contentHash.append(hash)
    this.#tables.contentStart.push(0)
    this.#tables.contentFirstBlock.push(0)
    if (this.#hasHole) this.#submitRest()
    if (this.#began) this.#push({ do: 'keep', content })
    this.#placeTail()
    this.#startFile()
    return content
  }

  async drain(): Promise<void> {
    if (this.#failure === undefined && this.#isCrowded())
      await new Promise<void>(resolve => {
        this.#onRoom = resolve
      })
    if (this.#failure !== undefined) throw this.#failure
  }

  async finish(): Promise<FinishedData> {
    if (this.#fragmentFilled > 0) this.#submitFragment()
    await this.#writing
    if (this.#failure !== undefined) throw this.#failure
    const { sizeBytes, sha256 } = await this.#file.finish()
    return {
      tables: viewColumns(this.#tables),
      contentHash: this.#contentHash.view(),
      dataBytes: sizeBytes,
      dataSha256: sha256,
      blocks: this.#writtenBlocks()
    }
  }

  #writtenBlocks(): WrittenBlocks {
    const { keys, starts, stored } = this.#blocks
    return { keys: keys.view(), starts: starts.view(), stored: stored.view(), packed: this.#packedBlocks }
  }

  #startFile(): void {
    this.#hash = createHash('sha256')
    this.#size = 0
    this.#filled = 0
    this.#began = false
    this.#hasHole = false
  }

  #begin(): void {
    if (this.#began) return
    this.#began = true
    this.#push({ do: 'begin', isLarge: this.#isLarge })
  }

  #submitBlock(): void {
    const lengthBytes = this.#filled
    this.#begin()
    this.#filled = 0
    if (this.#zeros.subarray(0, lengthBytes).equals(this.#block.subarray(0, lengthBytes))) {
      this.#hasHole = true
      this.#push({ do: 'zeros', blocks: 1 })
      return
    }
    this.#push({ do: 'block', packed: this.#pack(this.#block, lengthBytes) })
    this.#block = this.#freshBlock()
  }

  /**
   * The rest of a file with holes becomes a block of its own: Linux 6.18 fails with EIO if lseek(2) looks for a hole in
   * a file whose rest is in a fragment (spec/squashfs.md#holes).
   */
  #submitRest(): void {
    if (this.#filled > 0) this.#submitBlock()
  }

  #placeTail(): void {
    if (this.#filled === 0) {
      this.#tables.contentFragment.push(NONE)
      this.#tables.contentFragmentOffset.push(0)
      return
    }
    if (this.#fragmentFilled + this.#filled > this.#profile.blockSize) this.#submitFragment()
    this.#fragment.set(this.#block.subarray(0, this.#filled), this.#fragmentFilled)
    this.#tables.contentFragment.push(this.#tables.fragmentBytes.length)
    this.#tables.contentFragmentOffset.push(this.#fragmentFilled)
    this.#fragmentFilled += this.#filled
  }

  #submitFragment(): void {
    this.#tables.fragmentBytes.push(this.#fragmentFilled)
    this.#push({ do: 'fragment', packed: this.#pack(this.#fragment, this.#fragmentFilled) })
    this.#fragment = this.#freshBlock()
    this.#fragmentFilled = 0
  }

  #pack(block: Uint8Array<ArrayBuffer>, lengthBytes: number): Promise<HashedBlock> {
    const packed = this.#pool.packHashed(block.buffer, lengthBytes, this.#profile, this.#known)
    packed.catch(() => {}) // the writer reports it when it awaits this promise
    return packed
  }

  #freshBlock(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#spare.pop() ?? new ArrayBuffer(this.#profile.blockSize))
  }

  #push(operation: Operation): void {
    this.#queue.push(operation)
    this.#writing ??= this.#writeQueue()
  }

  async #writeQueue(): Promise<void> {
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        await this.#perform(next)
        if (!this.#isCrowded()) this.#onRoom?.()
      }
    } catch (error) {
      this.#failure ??= error
      this.#queue.length = 0
    }
    // Cleared in the same turn in which the queue was found empty, so that no push is lost in between.
    this.#writing = undefined
    this.#onRoom?.()
  }

  #isCrowded(): boolean {
    return this.#queue.length > this.#pool.depth * QUEUE_FACTOR
  }

  // The file whose blocks are being written.
  #fileBlocks = 0
  #fileStart: number | undefined
  #isLargeFile = false

  async #perform(operation: Operation): Promise<void> {
    switch (operation.do) {
      case 'begin':
        await this.#file.mark()
        this.#fileBlocks = this.#tables.blockStored.length
        this.#fileStart = undefined
        this.#isLargeFile = operation.isLarge
        return
      case 'block':
        this.#tables.blockStored.push(await this.#storeBlock(await operation.packed))
        return
      case 'zeros':
        for (let i = 0; i < operation.blocks; i++) this.#tables.blockStored.push(0)
        return
      case 'keep':
        this.#tables.contentStart.set(operation.content, this.#fileStart ?? this.#file.position)
        this.#tables.contentFirstBlock.set(operation.content, this.#fileBlocks)
        return
      case 'discard':
        await this.#file.rewind()
        this.#tables.blockStored.truncate(this.#fileBlocks)
        this.#forgetBlocks(this.#file.position)
        return
      case 'fragment': {
        const packed = await operation.packed
        await this.#startRun(packed.hash)
        this.#tables.fragmentStart.push(this.#file.position)
        this.#tables.fragmentStored.push(await this.#store(packed))
      }
    }
  }

  /** Forgets the blocks that were written from this place on. */
  #forgetBlocks(start: number): void {
    const { keys, starts, stored } = this.#blocks
    let count = starts.length
    while (count > 0 && starts.get(count - 1) >= start) count--
    keys.truncate(count * KEY_BYTES)
    starts.truncate(count)
    stored.truncate(count)
  }

  /** Blocks of a file lie in a row: SquashFS has only the place of the first one. So no zeros stand between them. */
  async #storeBlock(packed: HashedBlock): Promise<number> {
    if (this.#fileStart === undefined) {
      await this.#startRun(packed.hash, this.#isLargeFile)
      this.#fileStart = this.#file.position
    } else if (isCutBefore(packed.hash, this.#partBytes)) await this.#file.cut()
    return this.#store(packed)
  }

  /** Between files, a part begins at a page, so that its pages can be shared wherever it is used again. */
  async #startRun(hash: Uint8Array, isLarge = false): Promise<void> {
    const isCut = isCutBefore(hash, this.#partBytes, { isLarge })
    if (isCut || isLarge) await this.#file.append(ZEROS.subarray(0, bytesToPage(this.#file.position)))
    if (isCut) await this.#file.cut()
  }

  get #partBytes(): number {
    return this.#file.position - this.#file.partStart
  }

  async #store({ bytes, stored, hash, isKnown }: HashedBlock): Promise<number> {
    this.#blocks.keys.append(hash.subarray(0, KEY_BYTES))
    this.#blocks.starts.push(this.#file.position)
    this.#blocks.stored.push(stored)
    if (!isKnown) this.#packedBlocks++
    await this.#file.append(bytes)
    // A packer may return a buffer of its own, of another size.
    if (bytes.buffer.byteLength === this.#profile.blockSize) this.#spare.push(bytes.buffer as ArrayBuffer)
    return stored
  }
}
