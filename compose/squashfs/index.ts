export type { ImageInode } from './inode-reader.ts'
export type { ListingEntry } from './listing-reader.ts'
export { type ImagePath, ImageReader, targetOf } from './reader.ts'
export type { Superblock } from './superblock.ts'
