import { Kind } from '../../store/object/index.ts'

/** Numbers of SquashFS 4.0, little endian throughout (spec/squashfs.md). */

export const MAGIC = 0x73717368 // "hsqs"
/** MAGIC as the characters at the start of an image. */
export const IMAGE_MAGIC = 'hsqs'
export const SUPERBLOCK_BYTES = 96
/** File data begins on a page boundary, so that whole pages can be shared with objects. */
export const DATA_START = 4096
/** The file is padded to this, because loop devices work on whole sectors. */
export const IMAGE_ALIGNMENT = 4096

/** Metadata block: u16 header, then at most this many bytes. */
export const METADATA_BYTES = 8192
export const METADATA_HEADER_BYTES = 2
export const METADATA_RAW = 0x8000
export const METADATA_LENGTH_MASK = 0x7fff
/** Distance of metadata blocks if every block except the last is raw and full. */
export const METADATA_STRIDE = METADATA_BYTES + METADATA_HEADER_BYTES

/** An inode reference holds the start of its metadata block in 32 bits. */
export const TABLE_LIMIT = 2 ** 32

export const NO_FRAGMENT = 0xffffffff
export const NO_ATTRIBUTES = 0xffffffff
/** Superblock field of a missing table. */
export const NO_TABLE = 0xffffffffffffffffn

/** Superblock flags. */
export const FLAG = {
  uncompressedInodes: 0x0001,
  uncompressedFragments: 0x0008,
  duplicates: 0x0040,
  exportable: 0x0080,
  uncompressedAttributes: 0x0100,
  noAttributes: 0x0200,
  compressorOptions: 0x0400,
  uncompressedIds: 0x0800
} as const

/** Inode types: basic types are the numbers of `Kind`; extended types are higher by EXTENDED. */
export const EXTENDED = 7

/** Most entries after one directory header. */
export const ENTRIES_PER_HEADER = 256
export const DIRECTORY_HEADER_BYTES = 12
export const DIRECTORY_ENTRY_BYTES = 8
/** The size field of a listing counts `.` and `..`, which are not stored. */
export const LISTING_EXTRA = 3

export const FRAGMENT_ENTRY_BYTES = 16
export const ATTRIBUTE_SET_BYTES = 16
/** Attribute type bit: the value is a reference to a value elsewhere. */
export const OUT_OF_LINE = 0x0100

/** Name prefixes that SquashFS can store; the index is the number in the format. */
export const ATTRIBUTE_PREFIXES = ['user.', 'trusted.', 'security.'] as const

/** Linux stores a link target in one page (fs/squashfs/inode.c). */
export const LINK_TARGET_LIMIT = 4095

export const isDevice = (kind: number): boolean => kind === Kind.block || kind === Kind.character
