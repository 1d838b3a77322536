/**
 * File bytes into a data file: full blocks packed one by one, the rest of each file into fragment blocks that many
 * files share, equal files once (spec/object.md#data).
 *
 * Callers push bytes synchronously while they parse; packing goes on in the pool; one loop writes what comes back
 * in the order it was asked for. What the file holds follows from the bytes and the profile alone.
 */
import { createHash, type Hash } from 'node:crypto'
import type { PackedBlock, Packer } from './compress-pool.ts'
import { f64Column, u8Column, u32Column } from './growing-column.ts'
import type { Mark, Sink } from './hashed-file.ts'
import { type DataTables, NONE } from './layer-index.ts'
import type { Profile } from './profile.ts'

type Operation =
  | { do: 'begin' }
  | { do: 'block'; packed: Promise<PackedBlock> }
  | { do: 'zeros'; blocks: number }
  | { do: 'keep'; content: number }
  | { do: 'discard' }
  | { do: 'fragment'; packed: Promise<PackedBlock> }

export interface FinishedData {
  tables: DataTables
  contentHash: Uint8Array
  dataBytes: number
  dataSha256: Buffer
}

/** Takes the bytes of files, one file after another, and says where they lie in a data file. */
export interface ContentSink {
  /** Next bytes of the current file. They are copied. */
  write(bytes: Uint8Array): void
  /** Next bytes of the current file are zeros, of which whole blocks cost nothing to keep. */
  writeZeros(lengthBytes: number): void
  /** The current file is whole; the next write begins another. Equal files get the same number. */
  endFile(): number
  /** Resolves when so little waits to be written that more may be pushed. @throws what writing or packing threw */
  drained(): Promise<void>
  /** All bytes are in the file. @throws what writing or packing threw */
  finish(): Promise<FinishedData>
}

/** Operations that may wait for the writer before the caller should pause. */
const QUEUE_FACTOR = 8

export class DataWriter implements ContentSink {
  readonly #file: Sink
  readonly #profile: Profile
  readonly #pool: Packer
  readonly #queue: Operation[] = []
  #writing: Promise<void> | undefined
  #onRoom: (() => void) | undefined
  #failure: unknown

  // The file that is being received.
  #hash: Hash = createHash('sha256')
  #size = 0
  #block: Uint8Array<ArrayBuffer>
  #filled = 0
  #began = false

  #fragment: Uint8Array<ArrayBuffer>
  #fragmentFilled = 0
  readonly #spare: ArrayBuffer[] = []
  readonly #zeros: Buffer

  readonly #contentOfHash = new Map<string, number>()
  readonly #contentSize = f64Column()
  readonly #contentStart = f64Column()
  readonly #contentFirstBlock = u32Column()
  readonly #contentFragment = u32Column()
  readonly #contentFragmentOffset = u32Column()
  readonly #contentHash = u8Column()
  readonly #blockStored = u32Column()
  readonly #fragmentStart = f64Column()
  readonly #fragmentStored = u32Column()
  readonly #fragmentBytes = u32Column()

  constructor(file: Sink, profile: Profile, pool: Packer) {
    this.#file = file
    this.#profile = profile
    this.#pool = pool
    this.#block = this.#freshBlock()
    this.#fragment = this.#freshBlock()
    this.#zeros = Buffer.alloc(profile.blockSize)
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
    const content = this.#contentSize.push(this.#size)
    this.#contentOfHash.set(key, content)
    this.#contentHash.append(hash)
    this.#contentStart.push(0)
    this.#contentFirstBlock.push(0)
    if (this.#began) this.#push({ do: 'keep', content })
    this.#placeTail()
    this.#startFile()
    return content
  }

  async drained(): Promise<void> {
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
      tables: {
        contentSize: this.#contentSize.view(),
        contentStart: this.#contentStart.view(),
        contentFirstBlock: this.#contentFirstBlock.view(),
        contentFragment: this.#contentFragment.view(),
        contentFragmentOffset: this.#contentFragmentOffset.view(),
        blockStored: this.#blockStored.view(),
        fragmentStart: this.#fragmentStart.view(),
        fragmentStored: this.#fragmentStored.view(),
        fragmentBytes: this.#fragmentBytes.view()
      },
      contentHash: this.#contentHash.view(),
      dataBytes: sizeBytes,
      dataSha256: sha256
    }
  }

  #startFile(): void {
    this.#hash = createHash('sha256')
    this.#size = 0
    this.#filled = 0
    this.#began = false
  }

  #begin(): void {
    if (this.#began) return
    this.#began = true
    this.#push({ do: 'begin' })
  }

  #submitBlock(): void {
    this.#begin()
    this.#filled = 0
    if (this.#zeros.equals(this.#block)) {
      this.#push({ do: 'zeros', blocks: 1 })
      return
    }
    this.#push({ do: 'block', packed: this.#pack(this.#block, this.#profile.blockSize) })
    this.#block = this.#freshBlock()
  }

  #placeTail(): void {
    if (this.#filled === 0) {
      this.#contentFragment.push(NONE)
      this.#contentFragmentOffset.push(0)
      return
    }
    if (this.#fragmentFilled + this.#filled > this.#profile.blockSize) this.#submitFragment()
    this.#fragment.set(this.#block.subarray(0, this.#filled), this.#fragmentFilled)
    this.#contentFragment.push(this.#fragmentBytes.length)
    this.#contentFragmentOffset.push(this.#fragmentFilled)
    this.#fragmentFilled += this.#filled
  }

  #submitFragment(): void {
    this.#fragmentBytes.push(this.#fragmentFilled)
    this.#push({ do: 'fragment', packed: this.#pack(this.#fragment, this.#fragmentFilled) })
    this.#fragment = this.#freshBlock()
    this.#fragmentFilled = 0
  }

  #pack(block: Uint8Array<ArrayBuffer>, lengthBytes: number): Promise<PackedBlock> {
    const packed = this.#pool.pack(block.buffer, lengthBytes, this.#profile)
    packed.catch(() => {}) // reported where the writer awaits it
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
    // Cleared in the same turn in which the queue was seen empty: no push can fall between.
    this.#writing = undefined
    this.#onRoom?.()
  }

  #isCrowded(): boolean {
    return this.#queue.length > this.#pool.depth * QUEUE_FACTOR
  }

  #mark: Mark | undefined
  #markBlocks = 0

  async #perform(operation: Operation): Promise<void> {
    switch (operation.do) {
      case 'begin':
        this.#mark = await this.#file.mark()
        this.#markBlocks = this.#blockStored.length
        return
      case 'block':
        this.#blockStored.push(await this.#store(operation.packed))
        return
      case 'zeros':
        for (let i = 0; i < operation.blocks; i++) this.#blockStored.push(0)
        return
      case 'keep':
        this.#contentStart.set(operation.content, this.#mark!.position)
        this.#contentFirstBlock.set(operation.content, this.#markBlocks)
        return
      case 'discard':
        this.#file.rewind(this.#mark!)
        this.#blockStored.truncate(this.#markBlocks)
        return
      case 'fragment':
        this.#fragmentStart.push(this.#file.position)
        this.#fragmentStored.push(await this.#store(operation.packed))
    }
  }

  async #store(packed: Promise<PackedBlock>): Promise<number> {
    const { bytes, stored } = await packed
    await this.#file.append(bytes)
    // A packer may answer in a buffer of its own, of another size.
    if (bytes.buffer.byteLength === this.#profile.blockSize) this.#spare.push(bytes.buffer as ArrayBuffer)
    return stored
  }
}
