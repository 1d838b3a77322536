/**
 * Writes an EROFS image that holds everything of a tree but the contents of its files (spec/erofs.md). Each file is a
 * hole that names, by two attributes of overlayfs, the file of a data layer that has its bytes.
 *
 * The bytes follow from the tree alone.
 */
import { createHash } from 'node:crypto'
import { Kind } from '../../store/object/index.ts'
import { StrataError, showPath } from '../../store/values/index.ts'
import { METACOPY, redirectBytes, writeRedirect } from './attributes.ts'
import { type Listing, listingOf, writeDirectoryBlock } from './directory-blocks.ts'
import {
  ATTRIBUTE_ALIGNMENT,
  ATTRIBUTES_HEADER_BYTES,
  BLOCK_BITS,
  BLOCK_BYTES,
  chunkBits,
  FILE_TYPE,
  HOLE,
  INODE_BYTES,
  inodeFormat,
  LAYOUT,
  MOST_SHARED,
  SLOT_BYTES,
  SUPERBLOCK_BYTES,
  SUPERBLOCK_START,
  TYPE_BITS
} from './format-numbers.ts'
import { type MetadataInode, type MetadataTree, pathOf } from './metadata-tree.ts'
import { encodeSuperblock, UUID_BYTES, UUID_START } from './superblock.ts'

/** @throws StrataError IMAGE_LIMIT */
export function encodeMetadata(tree: MetadataTree): Buffer {
  return new MetadataEncoder(tree).run()
}

/** Longer content of directories and links gets blocks, because a tail must not cross the end of a block. */
const LONGEST_TAIL = BLOCK_BYTES / 2

class MetadataEncoder {
  readonly #tree: MetadataTree
  readonly #metacopy: number
  /** Position of each inode. */
  readonly #start: Float64Array
  /** Bytes of its attributes. */
  readonly #attributes: Uint32Array
  /** Bytes of its content; of a file, those in the data layer. */
  readonly #size: Float64Array
  /** Bytes behind inode and attributes. */
  readonly #tail: Uint32Array
  readonly #layout: Uint8Array
  /** Blocks of content before it. */
  readonly #block: Uint32Array
  readonly #listings = new Map<number, Listing>()
  #end = SUPERBLOCK_START + SUPERBLOCK_BYTES
  #blocks = 0
  #firstBlock = 0

  constructor(tree: MetadataTree) {
    const count = tree.inodes.length
    this.#tree = tree
    this.#metacopy = tree.attributes.numberOf(METACOPY, new Uint8Array(0))
    this.#start = new Float64Array(count)
    this.#attributes = new Uint32Array(count)
    this.#size = new Float64Array(count)
    this.#tail = new Uint32Array(count)
    this.#layout = new Uint8Array(count)
    this.#block = new Uint32Array(count)
  }

  run(): Buffer {
    const { inodes, attributes } = this.#tree
    this.#placeAll() // every inode has its number
    const attributesBlock = Math.ceil(this.#end / BLOCK_BYTES)
    this.#firstBlock = attributesBlock + attributes.blocks
    const blocks = this.#firstBlock + this.#blocks
    const out = Buffer.alloc(blocks * BLOCK_BYTES)
    encodeSuperblock(out, { inodes: inodes.length, rootNumber: this.#numberOf(0), blocks, attributesBlock })
    attributes.write(out, attributesBlock * BLOCK_BYTES)
    this.#writeAll(out)
    const hash = createHash('sha256').update(out).digest()
    hash.copy(out, SUPERBLOCK_START + UUID_START, 0, UUID_BYTES)
    return out
  }

  // Loops of their own: V8 compiles a function with two of them once more for each.
  #placeAll(): void {
    for (let i = 0; i < this.#tree.inodes.length; i++) this.#place(i)
  }

  #writeAll(out: Buffer): void {
    const view = new DataView(out.buffer, out.byteOffset, out.length)
    for (let i = 0; i < this.#tree.inodes.length; i++) this.#write(out, view, i)
  }

  readonly #numberOf = (inode: number): number => this.#start[inode] / SLOT_BYTES
  readonly #typeOf = (inode: number): number => FILE_TYPE[this.#tree.inodes[inode].kind]

  #place(number: number): void {
    const inode = this.#tree.inodes[number]
    if (sharedCount(inode) > MOST_SHARED) throw tooMany(inode)
    this.#placeContent(inode, number)
    const attributes = attributesBytes(inode)
    this.#attributes[number] = attributes
    const head = INODE_BYTES + attributes
    const start = startOf(this.#end, head, this.#layout[number] === LAYOUT.inline ? this.#tail[number] : 0)
    this.#start[number] = start
    this.#end = start + head + this.#tail[number]
  }

  #placeContent(inode: MetadataInode, number: number): void {
    if (inode.kind === Kind.directory) {
      const listing = listingOf(inode.entries!, number, inode.parent)
      this.#listings.set(number, listing)
      this.#placeBytes(number, BLOCK_BYTES * (listing.starts.length - 2) + listing.lastBytes)
    } else if (inode.kind === Kind.symlink) this.#placeBytes(number, inode.target!.length)
    else if (isInDataLayer(inode)) {
      this.#layout[number] = LAYOUT.chunks
      this.#size[number] = inode.sizeBytes
      this.#tail[number] =
        CHUNK_BYTES * Math.ceil(inode.sizeBytes / 2 ** (BLOCK_BITS + chunkBits(inode.sizeBytes)))
    } else this.#layout[number] = LAYOUT.blocks
  }

  /** Whole blocks apart, and a short rest behind the inode. */
  #placeBytes(number: number, sizeBytes: number): void {
    const rest = sizeBytes % BLOCK_BYTES
    const isInline = rest > 0 && rest <= LONGEST_TAIL
    this.#size[number] = sizeBytes
    this.#tail[number] = isInline ? rest : 0
    this.#layout[number] = isInline ? LAYOUT.inline : LAYOUT.blocks
    this.#block[number] = this.#blocks
    this.#blocks += isInline ? Math.floor(sizeBytes / BLOCK_BYTES) : Math.ceil(sizeBytes / BLOCK_BYTES)
  }

  #write(out: Buffer, view: DataView, number: number): void {
    const inode = this.#tree.inodes[number]
    const start = this.#start[number]
    this.#writeInode(view, inode, number)
    const tail = start + INODE_BYTES + this.#attributes[number]
    if (tail > start + INODE_BYTES) this.#writeAttributes(out, view, start + INODE_BYTES, inode)
    const listing = inode.entries === undefined ? undefined : this.#listings.get(number)
    const first = (this.#firstBlock + this.#block[number]) * BLOCK_BYTES
    if (listing !== undefined)
      for (let i = 0; i < listing.starts.length - 1; i++) {
        const isTail = i === listing.starts.length - 2 && this.#tail[number] > 0
        const at = isTail ? tail : first + i * BLOCK_BYTES
        writeDirectoryBlock(out, view, at, listing, i, this.#numberOf, this.#typeOf)
      }
    else if (inode.target !== undefined) out.set(inode.target, this.#tail[number] > 0 ? tail : first)
    else for (let i = 0; i < this.#tail[number]; i += CHUNK_BYTES) view.setUint32(tail + i, HOLE, true)
  }

  #writeInode(view: DataView, inode: MetadataInode, number: number): void {
    const at = this.#start[number]
    const size = this.#size[number]
    const attributes = this.#attributes[number]
    view.setUint16(at, inodeFormat(this.#layout[number]), true)
    view.setUint16(at + 2, attributes === 0 ? 0 : (attributes - ATTRIBUTES_HEADER_BYTES) / 4 + 1, true)
    view.setUint16(at + 4, TYPE_BITS[inode.kind] | inode.mode, true)
    view.setUint32(at + 8, size, true)
    view.setUint32(at + 12, Math.floor(size / 2 ** 32), true)
    view.setUint32(at + 16, this.#contentField(inode, number), true)
    view.setUint32(at + 20, at / SLOT_BYTES, true)
    view.setUint32(at + 24, inode.uid, true)
    view.setUint32(at + 28, inode.gid, true)
    // Two's complement: a time before 1970 has a negative upper half.
    view.setUint32(at + 32, inode.mtimeSeconds, true)
    view.setInt32(at + 36, Math.floor(inode.mtimeSeconds / 2 ** 32), true)
    view.setUint32(at + 40, inode.mtimeNanoseconds, true)
    view.setUint32(at + 44, inode.links, true)
  }

  /** One meaning for devices, one for files in the data layer, one for all else. */
  #contentField({ device, sizeBytes }: MetadataInode, number: number): number {
    if (device !== undefined) return device
    if (this.#layout[number] === LAYOUT.chunks) return chunkBits(sizeBytes)
    return this.#size[number] > this.#tail[number] ? this.#firstBlock + this.#block[number] : 0
  }

  #writeAttributes(out: Buffer, view: DataView, start: number, inode: MetadataInode): void {
    const isLed = isInDataLayer(inode)
    let at = start + ATTRIBUTES_HEADER_BYTES
    view.setUint8(start + 4, sharedCount(inode))
    for (const number of inode.attributes) {
      view.setUint32(at, number, true)
      at += ATTRIBUTE_ALIGNMENT
    }
    if (!isLed) return
    view.setUint32(at, this.#metacopy, true)
    writeRedirect(out, at + ATTRIBUTE_ALIGNMENT, inode)
  }
}

const CHUNK_BYTES = 4

/** An empty file needs no other. */
export const isInDataLayer = ({ kind, sizeBytes }: MetadataInode): boolean =>
  kind === Kind.file && sizeBytes > 0

/** The file's own, and the one by which overlayfs takes its bytes from the data layer. */
const sharedCount = (inode: MetadataInode): number => inode.attributes.length + (isInDataLayer(inode) ? 1 : 0)

const tooMany = (inode: MetadataInode): StrataError =>
  new StrataError('IMAGE_LIMIT', {
    message: `/${showPath(pathOf(inode))} has ${inode.attributes.length} attributes; EROFS stores ${MOST_SHARED - 1} of a file at most`,
    facts: { path: showPath(pathOf(inode)) },
    hint: 'compose run, which mounts the image without EROFS'
  })

function attributesBytes(inode: MetadataInode): number {
  const own = ATTRIBUTE_ALIGNMENT * inode.attributes.length
  if (isInDataLayer(inode)) return ATTRIBUTES_HEADER_BYTES + own + ATTRIBUTE_ALIGNMENT + redirectBytes(inode)
  return own === 0 ? 0 : ATTRIBUTES_HEADER_BYTES + own
}

/** The next slot from which the tail lies within one block. */
function startOf(end: number, head: number, tailBytes: number): number {
  let start = Math.ceil(end / SLOT_BYTES) * SLOT_BYTES
  while (tailBytes > 0 && ((start + head) % BLOCK_BYTES) + tailBytes > BLOCK_BYTES) start += SLOT_BYTES
  return start
}
