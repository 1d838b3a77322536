import { GrowingColumn, Kind } from '../../store/object/index.ts'
import {
  EXTENDED,
  isDevice,
  LINK_TARGET_LIMIT,
  LISTING_EXTRA,
  NO_ATTRIBUTES,
  NO_FRAGMENT
} from './format-numbers.ts'
import type { MetadataCursor } from './metadata-reader.ts'

/** An inode as it is in an image. */
export interface ImageInode {
  /** A `Kind`. */
  kind: number
  mode: number
  /** Numbers in the id table. */
  uidNumber: number
  gidNumber: number
  mtimeSeconds: number
  number: number
  links: number
  /** Number of its attribute set; NO_ATTRIBUTES if it has none. */
  attributes: number
  file?: ImageFilePlace
  directory?: ImageListingPlace
  /** Target of a symbolic link. */
  target?: Buffer
  /** Linux device number of a device. */
  device?: number
}

export interface ImageFilePlace {
  sizeBytes: number
  start: number
  fragment: number
  fragmentOffset: number
  /** Stored sizes, with bit 24 for raw; 0 is a hole. */
  readonly blocks: Uint32Array
}

export interface ImageListingPlace {
  /** Start of its block in the directory table, and offset in the block. */
  blockStart: number
  offset: number
  /** Bytes of headers and entries. */
  lengthBytes: number
  parentNumber: number
}

/** @param cursor at the inode's first byte; it refuses impossible values */
export function readInode(cursor: MetadataCursor, blockSize: number): ImageInode {
  const at = cursor.pass(16)
  const { view } = cursor
  const type = view.getUint16(at, true)
  if (type < 1 || type > 2 * EXTENDED) cursor.refuse(`inode type ${type} is not 1..14`)
  const isExtended = type > EXTENDED
  const inode: ImageInode = {
    kind: isExtended ? type - EXTENDED : type,
    mode: view.getUint16(at + 2, true),
    uidNumber: view.getUint16(at + 4, true),
    gidNumber: view.getUint16(at + 6, true),
    mtimeSeconds: view.getUint32(at + 8, true),
    number: view.getUint32(at + 12, true),
    links: 1,
    attributes: NO_ATTRIBUTES,
    // Named from the start, so that V8 has one form of inodes.
    file: undefined,
    directory: undefined,
    target: undefined,
    device: undefined
  }
  if (inode.mode > 0o7777)
    cursor.refuse(`mode 0o${inode.mode.toString(8)} of inode ${inode.number} exceeds 0o7777`)
  if (inode.kind === Kind.directory) readDirectory(cursor, inode, isExtended)
  else if (inode.kind === Kind.file) readFile(cursor, inode, isExtended, blockSize)
  else readOther(cursor, inode, isExtended)
  return inode
}

function readDirectory(cursor: MetadataCursor, inode: ImageInode, isExtended: boolean): void {
  const at = cursor.pass(isExtended ? 24 : 16)
  const { view } = cursor
  const sizeBytes = isExtended ? view.getUint32(at + 4, true) : view.getUint16(at + 8, true)
  if (sizeBytes < LISTING_EXTRA)
    cursor.refuse(`listing size ${sizeBytes} of inode ${inode.number} is below 3`)
  inode.links = view.getUint32(at + (isExtended ? 0 : 4), true)
  if (isExtended) inode.attributes = view.getUint32(at + 20, true)
  inode.directory = {
    blockStart: view.getUint32(at + (isExtended ? 8 : 0), true),
    offset: view.getUint16(at + (isExtended ? 18 : 10), true),
    lengthBytes: sizeBytes - LISTING_EXTRA,
    parentNumber: view.getUint32(at + 12, true)
  }
}

function readFile(cursor: MetadataCursor, inode: ImageInode, isExtended: boolean, blockSize: number): void {
  const at = cursor.pass(isExtended ? 40 : 16)
  const { view } = cursor
  const start = isExtended ? cursorNumber(cursor, at) : view.getUint32(at, true)
  const sizeBytes = isExtended ? cursorNumber(cursor, at + 8) : view.getUint32(at + 12, true)
  const fragment = view.getUint32(at + (isExtended ? 28 : 4), true)
  const fragmentOffset = view.getUint32(at + (isExtended ? 32 : 8), true)
  if (isExtended) {
    inode.links = view.getUint32(at + 24, true)
    inode.attributes = view.getUint32(at + 36, true)
  }
  inode.file = new FilePlace(sizeBytes, start, fragment, fragmentOffset, cursor, blockSize)
}

/** A class, because an object with a getter takes four times as long to make, and a tree has many. */
class FilePlace implements ImageFilePlace {
  readonly sizeBytes: number
  readonly start: number
  readonly fragment: number
  readonly fragmentOffset: number
  readonly #cursor: MetadataCursor
  readonly #blocksAt: MetadataCursor['place']
  readonly #blockSize: number
  #blocks: Uint32Array | undefined

  constructor(
    sizeBytes: number,
    start: number,
    fragment: number,
    fragmentOffset: number,
    cursor: MetadataCursor,
    blockSize: number
  ) {
    this.sizeBytes = sizeBytes
    this.start = start
    this.fragment = fragment
    this.fragmentOffset = fragmentOffset
    this.#cursor = cursor
    this.#blocksAt = cursor.place
    this.#blockSize = blockSize
  }

  /** Read when they are wanted: a file of many blocks may have many names, each of which leads here. */
  get blocks(): Uint32Array {
    if (this.#blocks === undefined) {
      const whole = this.sizeBytes / this.#blockSize
      const count = this.fragment === NO_FRAGMENT ? Math.ceil(whole) : Math.floor(whole)
      this.#blocks = readBlockSizes(this.#cursor.another(this.#blocksAt), count, this.#blockSize)
    }
    return this.#blocks
  }
}

/** The list grows while it is read, so a size that claims too many blocks meets the end of the table first. */
function readBlockSizes(cursor: MetadataCursor, count: number, blockSize: number): Uint32Array {
  const blocks = new GrowingColumn(length => new Uint32Array(length), Math.min(count, 1024) + 1)
  for (let i = 0; i < count; i++) {
    const stored = nextNumber(cursor)
    if (stored % 2 ** 24 > blockSize || stored >= 2 ** 25)
      cursor.refuse(`stored size 0x${stored.toString(16)} of block ${i} exceeds the block size ${blockSize}`)
    blocks.push(stored)
  }
  return blocks.view()
}

function readOther(cursor: MetadataCursor, inode: ImageInode, isExtended: boolean): void {
  inode.links = nextNumber(cursor)
  if (inode.kind === Kind.symlink) {
    const lengthBytes = nextNumber(cursor)
    if (lengthBytes === 0 || lengthBytes > LINK_TARGET_LIMIT + 1)
      cursor.refuse(`link target of ${lengthBytes} bytes, wanted 1..${LINK_TARGET_LIMIT + 1}`)
    inode.target = cursor.read(lengthBytes)
    if (inode.target.includes(0)) cursor.refuse(`link target of inode ${inode.number} holds a NUL`)
  } else if (isDevice(inode.kind)) inode.device = nextNumber(cursor)
  if (isExtended) inode.attributes = nextNumber(cursor)
}

function nextNumber(cursor: MetadataCursor): number {
  const at = cursor.pass(4)
  return cursor.view.getUint32(at, true)
}

function cursorNumber(cursor: MetadataCursor, offset: number): number {
  const value = cursor.view.getBigUint64(offset, true)
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) cursor.refuse(`${value} is not a size or position`)
  return Number(value)
}
