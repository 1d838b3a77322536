import { EXTENDED, LISTING_EXTRA, NO_ATTRIBUTES, NO_FRAGMENT } from './format-numbers.ts'
import { blockStart, type MetadataStream, offsetInBlock, pair } from './metadata-stream.ts'

/** The first fields of every inode (spec/squashfs.md#inodes). */
export interface InodeHeader {
  /** Number of its kind, which is its basic type. */
  kind: number
  mode: number
  /** Numbers in the id table. */
  uid: number
  gid: number
  mtimeSeconds: number
  /** Inode number; 1 is the root. */
  number: number
  links: number
  /** Number of its attribute set, or NO_ATTRIBUTES. */
  attributes: number
}

const HEADER_BYTES = 16

function writeHeader(out: MetadataStream, header: InodeHeader, extended: boolean): void {
  const type = extended ? header.kind + EXTENDED : header.kind
  out.u32s(pair(type, header.mode), pair(header.uid, header.gid), header.mtimeSeconds, header.number)
}

export interface FilePlace {
  sizeBytes: number
  /** Position of the first block in the image; 0 if no block is stored. */
  start: number
  /** Bytes in blocks of zeros, which are not stored. */
  sparseBytes: number
  /** Fragment of the image with the tail, or NO_FRAGMENT. */
  fragment: number
  fragmentOffset: number
  /** Blocks [firstBlock, firstBlock + blocks): stored sizes as in a layer's index, which uses the format's own form. */
  blockStored: Uint32Array
  firstBlock: number
  blocks: number
}

const LARGE = 2 ** 32

export function writeFile(out: MetadataStream, header: InodeHeader, place: FilePlace): void {
  const extended =
    place.start >= LARGE ||
    place.sizeBytes >= LARGE ||
    place.sparseBytes > 0 ||
    header.links > 1 ||
    header.attributes !== NO_ATTRIBUTES
  out.reserve(HEADER_BYTES + 40 + 4 * place.blocks)
  writeHeader(out, header, extended)
  const offset = place.fragment === NO_FRAGMENT ? 0 : place.fragmentOffset
  if (extended) {
    out.u64(place.start)
    out.u64(place.sizeBytes)
    // Readers compute used blocks as size - sparse - 1, which must not become negative for a file without data.
    out.u64(Math.min(place.sparseBytes, Math.max(0, place.sizeBytes - 1)))
    out.u32s(header.links, place.fragment, offset, header.attributes)
  } else out.u32s(place.start, place.fragment, offset, place.sizeBytes)
  const end = place.firstBlock + place.blocks
  for (let i = place.firstBlock; i < end; i++) out.u32(place.blockStored[i])
}

/** A place in a listing that look-ups can jump to; its name is that of the first entry after the header there. */
export interface DirectoryIndex {
  /** Byte of the listing where the header begins. */
  offset: number
  /** Start of the metadata block of the directory table that holds this byte. */
  blockStart: number
  name: Uint8Array
}

export interface ListingPlace {
  /** Position in the directory stream. */
  position: number
  lengthBytes: number
  index: DirectoryIndex[]
}

/** Sizes of basic directories have 16 bits. */
const BASIC_LISTING_BYTES = 65535
/** The count has 16 bits. A listing with more index entries stays readable, because readers scan to its end. */
const INDEX_LIMIT = 65535

export function writeDirectory(
  out: MetadataStream,
  header: InodeHeader,
  listing: ListingPlace,
  parentNumber: number
): void {
  const index = listing.index.slice(0, INDEX_LIMIT)
  const sizeBytes = listing.lengthBytes + LISTING_EXTRA
  const extended = sizeBytes > BASIC_LISTING_BYTES || index.length > 0 || header.attributes !== NO_ATTRIBUTES
  out.reserve(HEADER_BYTES + 24)
  writeHeader(out, header, extended)
  const start = blockStart(listing.position)
  const offset = offsetInBlock(listing.position)
  if (extended) {
    out.u32s(header.links, sizeBytes, start, parentNumber)
    out.u32(pair(index.length, offset))
    out.u32(header.attributes)
    for (const entry of index) writeIndex(out, entry)
  } else out.u32s(start, header.links, pair(sizeBytes, offset), parentNumber)
}

function writeIndex(out: MetadataStream, { offset, blockStart: start, name }: DirectoryIndex): void {
  out.reserve(12 + name.length)
  out.u32(offset)
  out.u32(start)
  out.u32(name.length - 1)
  out.bytes(name)
}

export function writeSymlink(out: MetadataStream, header: InodeHeader, target: Uint8Array): void {
  const extended = header.attributes !== NO_ATTRIBUTES
  out.reserve(HEADER_BYTES + 12 + target.length)
  writeHeader(out, header, extended)
  out.u32(header.links)
  out.u32(target.length)
  out.bytes(target)
  if (extended) out.u32(header.attributes)
}

/** @param device Linux device number; undefined for fifos and sockets */
export function writeSpecial(out: MetadataStream, header: InodeHeader, device: number | undefined): void {
  const extended = header.attributes !== NO_ATTRIBUTES
  out.reserve(HEADER_BYTES + 12)
  writeHeader(out, header, extended)
  out.u32(header.links)
  if (device !== undefined) out.u32(device)
  if (extended) out.u32(header.attributes)
}
