/** The SquashFS format: encoders for our images, and a reader for images of any program (spec/squashfs.md). */
export { type Attribute, AttributeTable } from './attribute-table.ts'
export type { FileRange } from './byte-source.ts'
export {
  ATTRIBUTE_SET_BYTES,
  DATA_START,
  FLAG,
  FRAGMENT_ENTRY_BYTES,
  IMAGE_ALIGNMENT,
  IMAGE_MAGIC,
  isDevice,
  LINK_TARGET_LIMIT,
  MAGIC,
  NO_ATTRIBUTES,
  NO_FRAGMENT
} from './format-numbers.ts'
export { IdTable } from './id-table.ts'
export {
  type FilePlace,
  type InodeHeader,
  type ListingPlace,
  writeDirectory,
  writeFile,
  writeSpecial,
  writeSymlink
} from './inode.ts'
export type { ImageInode } from './inode-reader.ts'
export { ListingWriter } from './listing.ts'
export { encodeLookupTable } from './lookup-table.ts'
export { MetadataStream, referenceOf } from './metadata-stream.ts'
export { ImageReader, targetOf } from './reader.ts'
export { encodeSuperblock } from './superblock.ts'
