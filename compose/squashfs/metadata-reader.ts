import { STORED_RAW, unpackBlock } from '../../store/object/index.ts'
import type { ImageCompressor } from '../../store/values/index.ts'
import type { ByteSource } from './byte-source.ts'
import {
  METADATA_BYTES,
  METADATA_HEADER_BYTES,
  METADATA_LENGTH_MASK,
  METADATA_RAW
} from './format-numbers.ts'

interface Block {
  bytes: Buffer
  /** Of these bytes. Methods of Buffer are functions, which V8 would compile into each caller. */
  view: DataView
  /** Start of the next block. */
  next: number
}

const BLOCKS_KEPT = 64

const viewOf = (bytes: Buffer): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

/** Unpacks metadata blocks, and keeps the latest ones. */
export class MetadataReader {
  readonly source: ByteSource
  readonly #compressor: ImageCompressor
  readonly #kept = new Map<number, Block>()
  readonly #room = new Uint8Array(METADATA_BYTES)

  constructor(source: ByteSource, compressor: ImageCompressor) {
    this.source = source
    this.#compressor = compressor
  }

  /** A cursor at a byte of the block at `position`. @param end of the table; no block may begin there */
  cursor(position: number, offset: number, end: number, what: string): MetadataCursor {
    const cursor = new MetadataCursor(this, position, offset, end, what)
    cursor.moveTo(position, offset)
    return cursor
  }

  block(position: number, what: string): Block {
    const kept = this.#kept.get(position)
    if (kept !== undefined) return kept
    const header = this.source.read(position, METADATA_HEADER_BYTES, what).readUInt16LE(0)
    // Length 0 once stood for 32 KiB, but blocks of 4.0 have neither length.
    const lengthBytes = header & METADATA_LENGTH_MASK
    if (lengthBytes === 0 || lengthBytes > METADATA_BYTES)
      this.source.refuse(what, position, `length ${lengthBytes} is not 1..${METADATA_BYTES}`)
    const stored = this.source.read(position + METADATA_HEADER_BYTES, lengthBytes, what)
    const bytes = header & METADATA_RAW ? stored : this.#unpack(stored, position, what)
    const block = { bytes, view: viewOf(bytes), next: position + METADATA_HEADER_BYTES + lengthBytes }
    if (this.#kept.size === BLOCKS_KEPT) this.#kept.delete(this.#kept.keys().next().value!)
    this.#kept.set(position, block)
    return block
  }

  #unpack(stored: Buffer, position: number, what: string): Buffer {
    try {
      const lengthBytes = unpackBlock(stored, stored.length & ~STORED_RAW, this.#room, this.#compressor)
      return Buffer.copyBytesFrom(this.#room, 0, lengthBytes)
    } catch (cause) {
      this.source.refuse(what, position, `cannot be unpacked: ${(cause as Error).message}`, cause)
    }
  }
}

/** A position in a table that moves on from block to block as data is read. */
export class MetadataCursor {
  readonly #reader: MetadataReader
  readonly #end: number
  readonly #what: string
  #position: number
  #offset: number
  #current: Block | undefined
  /** Where `pass` found its bytes. */
  bytes: Buffer
  view: DataView

  constructor(reader: MetadataReader, position: number, offset: number, end: number, what: string) {
    this.#reader = reader
    this.#position = position
    this.#offset = offset
    this.#end = end
    this.#what = what
    const { bytes, view } = this.#block()
    this.bytes = bytes
    this.view = view
  }

  /** Start of the block that is being read, and the next byte in it. */
  get place(): { position: number; offset: number } {
    return { position: this.#position, offset: this.#offset }
  }

  /** Another cursor of this table, at the place where one was. */
  another({ position, offset }: { position: number; offset: number }): MetadataCursor {
    return new MetadataCursor(this.#reader, position, offset, this.#end, this.#what)
  }

  /** Goes to another place of the table, so that one cursor does for all inodes of a tree. */
  moveTo(position: number, offset: number): void {
    if (position !== this.#position) this.#current = undefined
    this.#position = position
    this.#offset = offset
    const { bytes } = this.#block()
    if (offset >= bytes.length)
      this.refuse(`offset ${offset} lies outside the block, which has ${bytes.length} bytes`)
  }

  /**
   * Goes over bytes without a copy of them, unless they lie in two blocks: with copies, reading a
   * tree takes a quarter longer.
   * @returns their start in `bytes`, which is valid until the next call
   */
  pass(lengthBytes: number): number {
    const { bytes, view } = this.#block()
    const start = this.#offset
    if (start + lengthBytes > bytes.length) {
      this.bytes = this.read(lengthBytes)
      this.view = viewOf(this.bytes)
      return 0
    }
    this.bytes = bytes
    this.view = view
    this.#offset = start + lengthBytes
    return start
  }

  read(lengthBytes: number): Buffer {
    const out = Buffer.allocUnsafe(lengthBytes)
    for (let done = 0; done < lengthBytes; ) {
      const { bytes, next } = this.#block()
      const part = bytes.subarray(this.#offset, this.#offset + lengthBytes - done)
      out.set(part, done)
      done += part.length
      this.#offset += part.length
      if (done < lengthBytes) {
        this.#position = next
        this.#offset = 0
        this.#current = undefined
      }
    }
    return out
  }

  /** Throws an error with the block that is being read. */
  refuse(message: string): never {
    return this.#reader.source.refuse(this.#what, this.#position, message)
  }

  #block(): Block {
    if (this.#current !== undefined) return this.#current
    if (this.#position >= this.#end) this.refuse(`the table ends at 0x${this.#end.toString(16)}`)
    this.#current = this.#reader.block(this.#position, this.#what)
    return this.#current
  }
}
