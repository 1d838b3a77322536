import { STORED_RAW, unpackBlock } from '../../store/object/index.ts'
import type { ImageCompressor } from '../../store/values/index.ts'
import { FRAGMENT_ENTRY_BYTES, NO_FRAGMENT } from './format-numbers.ts'
import type { ImageFilePlace } from './inode-reader.ts'
import type { MetadataReader } from './metadata-reader.ts'
import type { Superblock } from './superblock.ts'
import { TableReader } from './table-reader.ts'

/** Number of unpacked fragment blocks to keep: files of one directory mostly share one. */
const FRAGMENTS_KEPT = 16

/** Reads files: whole blocks, and tails in fragment blocks. */
export class FileReader {
  readonly #metadata: MetadataReader
  readonly #compressor: ImageCompressor
  readonly #superblock: Superblock
  readonly #fragments: TableReader | undefined
  readonly #kept = new Map<number, Uint8Array>()
  readonly #room: Uint8Array

  constructor(metadata: MetadataReader, compressor: ImageCompressor, superblock: Superblock) {
    this.#metadata = metadata
    this.#compressor = compressor
    this.#superblock = superblock
    this.#room = new Uint8Array(superblock.blockSize)
    const { fragmentTable, fragments } = superblock
    if (fragments === 0) return
    if (fragmentTable === undefined)
      metadata.source.refuse('superblock', 80, `${fragments} fragments, but no table of them`)
    this.#fragments = new TableReader(
      metadata,
      fragmentTable,
      fragments,
      FRAGMENT_ENTRY_BYTES,
      'fragment table'
    )
  }

  /** Pieces of at most a block; a piece is valid until the next is asked for. */
  *read({ start, sizeBytes, blocks, fragment, fragmentOffset }: ImageFilePlace): Generator<Uint8Array> {
    const { blockSize } = this.#superblock
    let position = start
    let left = sizeBytes
    for (const stored of blocks) {
      const wanted = Math.min(blockSize, left)
      yield this.#block(position, stored, wanted)
      position += stored & ~STORED_RAW
      left -= wanted
    }
    if (left > 0) yield this.#tail(fragment, fragmentOffset, left)
  }

  /** Position of each fragment block, and its stored size as in the table. */
  fragmentPlaces(): { start: number; stored: number }[] {
    return Array.from({ length: this.#superblock.fragments }, (_, i) => {
      const row = this.#fragments!.row(i)
      return { start: Number(row.readBigUInt64LE(0)), stored: row.readUInt32LE(8) }
    })
  }

  #block(position: number, stored: number, wanted: number): Uint8Array {
    if (stored === 0) return new Uint8Array(wanted)
    const bytes = this.#unpack(position, stored, 'data block')
    if (bytes.length !== wanted)
      this.#metadata.source.refuse('data block', position, `${bytes.length} bytes, wanted ${wanted}`)
    return bytes
  }

  /** An unpacked fragment block. */
  fragment(fragment: number): Uint8Array {
    if (fragment === NO_FRAGMENT || this.#fragments === undefined)
      this.#metadata.source.refuse('superblock', 16, `fragment ${fragment} is used, but the image has none`)
    return this.#kept.get(fragment) ?? this.#keep(fragment, this.#fragments.row(fragment))
  }

  #tail(fragment: number, offset: number, lengthBytes: number): Uint8Array {
    const bytes = this.fragment(fragment)
    if (offset + lengthBytes > bytes.length)
      this.#metadata.source.refuse(
        'fragment table',
        this.#superblock.fragmentTable!,
        `bytes ${offset}..${offset + lengthBytes} of fragment ${fragment}, which has ${bytes.length}`
      )
    return bytes.subarray(offset, offset + lengthBytes)
  }

  #keep(fragment: number, row: Buffer): Uint8Array {
    const position = Number(row.readBigUInt64LE(0))
    const stored = row.readUInt32LE(8)
    const { blockSize } = this.#superblock
    if (stored === 0 || (stored & ~STORED_RAW) > blockSize)
      this.#metadata.source.refuse(
        `fragment ${fragment}`,
        position,
        `stored size 0x${stored.toString(16)} is not 1..${blockSize}`
      )
    const bytes = this.#unpack(position, stored, `fragment ${fragment}`).slice()
    if (this.#kept.size === FRAGMENTS_KEPT) this.#kept.delete(this.#kept.keys().next().value!)
    this.#kept.set(fragment, bytes)
    return bytes
  }

  /** A view of memory that the next block overwrites. */
  #unpack(position: number, stored: number, what: string): Uint8Array {
    const { source } = this.#metadata
    const bytes = source.read(position, stored & ~STORED_RAW, what)
    try {
      return this.#room.subarray(0, unpackBlock(bytes, stored, this.#room, this.#compressor))
    } catch (cause) {
      return source.refuse(what, position, `cannot be unpacked: ${(cause as Error).message}`, cause)
    }
  }
}
