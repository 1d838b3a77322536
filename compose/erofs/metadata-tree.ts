import type { AttributeNumbers, SharedAttributes } from './shared-attributes.ts'

/** A tree without the contents of its files, which lie in another file system (spec/erofs.md). */
export interface MetadataTree {
  /** The first one is the root. */
  inodes: MetadataInode[]
  attributes: SharedAttributes
}

export interface MetadataInode {
  /** A `Kind`. */
  kind: number
  /** 0..0o7777 */
  mode: number
  uid: number
  gid: number
  mtimeSeconds: number
  mtimeNanoseconds: number
  /** Number of names; for a directory 2 plus the number of its subdirectories. */
  links: number
  attributes: AttributeNumbers
  /** Of a file; its bytes are at its path (`pathOf`) of the other file system. */
  sizeBytes: number
  /** Path of its directory; of several names that of the first. Inodes of one directory share the text, so that a tree is small. */
  folder: string
  /** In this directory, bytes as latin1; '' is the root. */
  name: string
  /** Target of a symbolic link. */
  target?: Uint8Array
  /** Linux device number of a device. */
  device?: number
  /** Of a directory: without `.` and `..`, in byte order. */
  entries?: MetadataEntries
  /** Of a directory: number of the inode of its parent; the root is its own. */
  parent: number
}

/** Names and inodes of a directory, in two lists of one length. */
export interface MetadataEntries {
  /** Bytes as latin1. */
  names: string[]
  inodes: number[]
}

/** Relative to the root. */
export const pathOf = ({ folder, name }: Pick<MetadataInode, 'folder' | 'name'>): string =>
  folder === '' ? name : `${folder}/${name}`
