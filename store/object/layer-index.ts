/**
 * The tree index of a layer: everything an image needs of the layer except the file bytes, as sorted columns
 * (spec/object.md). Inode 0 is the root. Inodes are numbered in the order of the merged listing, parents first.
 *
 * Three tables are linked:
 *   entry (a name in a directory) -> inode -> content (the distinct bytes of a file) -> blocks and a fragment
 * Two names with one inode are hard links; two inodes with one content are equal files, stored once.
 */
import { createHash } from 'node:crypto'
import { type BlockForm, compressorOfId, IMAGE_COMPRESSOR_ID } from '../values/index.ts'
import { type Columns, decodeColumns, encodeColumns, plainColumns } from './column-codec.ts'

export const Kind = {
  directory: 1,
  file: 2,
  symlink: 3,
  block: 4,
  character: 5,
  fifo: 6,
  socket: 7,
  /** A hard link to a file in a lower layer of the same module; only the path is known here (spec/merge.md#lower). */
  hardlink: 8
} as const

/** No archive entry named this directory; it inherits what lies below (spec/merge.md). */
export const FLAG_IMPLICIT = 1
/** The directory held `.wh..wh..opq`, or it is made anew: the content of lower layers is hidden. */
export const FLAG_OPAQUE = 2
/**
 * A whiteout of its name stands beside it: an entry of a lower layer, even a link, is removed before the directory is
 * made.
 */
export const FLAG_ANEW = 4
/** An implicit directory that holds only whiteouts. It hides paths, but does not create itself or anything in it. */
export const FLAG_HOLLOW = 8

/** In `entryInode`: the name is a whiteout (`.wh.NAME`), which hides NAME of lower layers. Whiteouts have no inode. */
export const WHITEOUT = 0xffffffff
export const NONE = 0xffffffff
/** Flag in stored sizes, as in SquashFS: the block is not compressed. */
export const STORED_RAW = 1 << 24

/** The contents of a data file; the same table is in the index and in the recipe of the tarball. */
export const DATA_SCHEMA = {
  /** Bytes of the file. */
  contentSize: 'f64',
  /** Offset of its first block in the data file; its blocks follow each other without gaps. */
  contentStart: 'f64',
  /** Number of its first block in `blockStored`; `blocksOf` gives the number of blocks. */
  contentFirstBlock: 'u32',
  /** Fragment that holds the last size % blockSize bytes; NONE if that is 0, or they are a block of their own. */
  contentFragment: 'u32',
  contentFragmentOffset: 'u32',
  /** Stored bytes of each block, | STORED_RAW; 0 is a block of zeros that is not stored. */
  blockStored: 'u32',
  fragmentStart: 'f64',
  /** Stored bytes, | STORED_RAW. */
  fragmentStored: 'u32',
  /** Bytes when unpacked. */
  fragmentBytes: 'u32'
} as const

export const TREE_SCHEMA = {
  kind: 'u8',
  flags: 'u8',
  /** 0..0o7777. */
  mode: 'u16',
  uid: 'u32',
  gid: 'u32',
  mtimeSeconds: 'f64',
  mtimeNanoseconds: 'u32',
  /**
   * File: content. Symbolic link, hard link: number of its target in the strings table. Device: Linux device number
   * (minor & 0xff | major << 8 | (minor & ~0xff) << 12). Directory: first entry. Else 0.
   */
  payload: 'u32',
  /** Directory: entries in it. Else 0. */
  entryCount: 'u32',
  /** Attribute set + 1, 0 for none. */
  attributes: 'u32',
  /** ACL pair + 1, 0 for none. */
  acl: 'u32',
  /** One directory's entries stand together, in byte order of their names. */
  entryNameStart: 'u32',
  entryNameLength: 'u8',
  entryInode: 'u32',
  names: 'u8',
  /** The directories' inodes, ascending; for each, 32 bytes: a hash of all that is below it (spec/tree-digest.md). */
  directoryInode: 'u32',
  listingHash: 'u8',
  /** Strings (link targets, attribute names and values, ACLs): string i is pool[stringStart[i], stringStart[i + 1]). */
  stringStart: 'u32',
  stringPool: 'u8',
  /** Attribute set i is attribute pairs [attributeSetStart[i], attributeSetStart[i + 1]), sorted by name. */
  attributeSetStart: 'u32',
  attributeName: 'u32',
  attributeValue: 'u32',
  /** Numbers of the strings that hold the ACLs in the form of the kernel's attribute; NONE if there is no such ACL. */
  aclAccess: 'u32',
  aclDefault: 'u32',
  /** SHA-256 of each content, 32 bytes each. */
  contentHash: 'u8'
} as const

export const INDEX_SCHEMA = { ...TREE_SCHEMA, ...DATA_SCHEMA } as const

export type DataTables = Columns<typeof DATA_SCHEMA>
export type TreeTables = Columns<typeof TREE_SCHEMA>

export interface LayerIndex extends DataTables, TreeTables {
  profile: BlockForm
  /** SHA-256 and length of the data file this index points into. */
  dataSha256: Buffer
  dataBytes: number
}

const MAGIC = 'STRATAIX'
const VERSION = 2
export const HEADER_BYTES = 64
/** Length of a SHA-256. */
export const HASH_BYTES = 32

export function encodeIndex(index: LayerIndex): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.write(MAGIC, 'latin1')
  header.writeUInt16LE(VERSION, 8)
  header.writeUInt8(IMAGE_COMPRESSOR_ID[index.profile.compressor], 10)
  header.writeUInt8(index.profile.level, 11)
  header.writeUInt32LE(index.profile.blockSize, 12)
  header.writeDoubleLE(index.dataBytes, 16)
  index.dataSha256.copy(header, DATA_SHA256.start)
  const body = Buffer.concat([header, encodeColumns(INDEX_SCHEMA, index)])
  return Buffer.concat([body, createHash('sha256').update(body).digest()])
}

/** Place of the data file's SHA-256. */
const DATA_SHA256 = { start: 24, end: 24 + HASH_BYTES } as const

/** The data file's SHA-256 from the start of an index that was not checked yet. @param bytes at least a header */
export const dataSha256Of = (bytes: Buffer): Buffer =>
  Buffer.from(bytes.subarray(DATA_SHA256.start, DATA_SHA256.end))

/** The hash at the end of an index file. */
export const hashOfIndex = (bytes: Buffer): Buffer => bytes.subarray(bytes.length - HASH_BYTES)

/**
 * @param bytes a whole index file, starting at a multiple of 8 in its ArrayBuffer
 * @throws RangeError that says which part is wrong; the caller names the object
 */
export function decodeIndex(bytes: Buffer): LayerIndex {
  if (bytes.length < HEADER_BYTES + HASH_BYTES || bytes.toString('latin1', 0, 8) !== MAGIC)
    throw new RangeError('it does not begin like an index')
  const body = bytes.subarray(0, bytes.length - HASH_BYTES)
  const found = createHash('sha256').update(body).digest()
  if (!found.equals(hashOfIndex(bytes))) throw new RangeError('its bytes do not match the hash at its end')
  if (bytes.readUInt16LE(8) !== VERSION)
    throw new RangeError(`version ${bytes.readUInt16LE(8)} is not ${VERSION}`)
  const profile = {
    compressor: compressorOfId(bytes[10]),
    level: bytes[11],
    blockSize: bytes.readUInt32LE(12)
  }
  return layerIndex(decodeColumns(INDEX_SCHEMA, body.subarray(HEADER_BYTES)), profile, {
    dataBytes: bytes.readDoubleLE(16),
    dataSha256: dataSha256Of(bytes)
  })
}

/** Makes all indexes with one shape in memory. With several shapes, V8 would compile the same code again. */
export function layerIndex(
  tables: TreeTables & DataTables,
  profile: BlockForm,
  { dataBytes, dataSha256 }: Pick<LayerIndex, 'dataBytes' | 'dataSha256'>
): LayerIndex {
  return { ...plainColumns(INDEX_SCHEMA, tables), profile, dataBytes, dataSha256 }
}

/** False for a whiteout, and for a directory that only holds whiteouts: such an entry creates nothing. */
export const createsPath = ({ flags }: Pick<TreeTables, 'flags'>, inode: number): boolean =>
  inode !== WHITEOUT && (flags[inode] & FLAG_HOLLOW) === 0

/** Bytes of string `i`: a view, not a copy. */
export const stringAt = (tree: Pick<TreeTables, 'stringStart' | 'stringPool'>, i: number): Uint8Array =>
  tree.stringPool.subarray(tree.stringStart[i], tree.stringStart[i + 1])

/** An inode's ACL in the form of the kernel's attribute: a view. */
export function aclAt(
  tree: Pick<TreeTables, 'acl' | 'aclAccess' | 'aclDefault' | 'stringStart' | 'stringPool'>,
  inode: number,
  which: 'access' | 'default'
): Uint8Array | undefined {
  const acl = tree.acl[inode]
  if (acl === 0) return undefined
  const string = (which === 'access' ? tree.aclAccess : tree.aclDefault)[acl - 1]
  return string === NONE ? undefined : stringAt(tree, string)
}

/** Number of blocks of a content: the whole ones, and a shorter last one if the rest is not in a fragment. */
export function blocksOf(
  { contentSize, contentFragment }: Pick<DataTables, 'contentSize' | 'contentFragment'>,
  content: number,
  blockSize: number
): number {
  const blocks = contentSize[content] / blockSize
  return contentFragment[content] === NONE ? Math.ceil(blocks) : Math.floor(blocks)
}

/** Bytes of a content that lie in its fragment. */
export const tailBytes = (
  tables: Pick<DataTables, 'contentSize' | 'contentFragment'>,
  content: number,
  blockSize: number
): number =>
  tables.contentFragment[content] === NONE
    ? 0
    : tables.contentSize[content] - blocksOf(tables, content, blockSize) * blockSize

/** Length of blocks [first, end) in a data file. */
export function storedBytes(blockStored: Uint32Array, first: number, end: number): number {
  let sum = 0
  for (let i = first; i < end; i++) sum += blockStored[i] & ~STORED_RAW
  return sum
}
