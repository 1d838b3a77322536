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
  /** Of a file; its bytes are at `path` of the other file system. */
  sizeBytes: number
  /** Relative to the root; of several names the first. */
  path: string
  /** Target of a symbolic link. */
  target?: Uint8Array
  /** Linux device number of a device. */
  device?: number
  /** Of a directory: without `.` and `..`, in byte order. */
  entries?: MetadataEntry[]
  /** Of a directory: number of the inode of its parent; the root is its own. */
  parent: number
}

export interface MetadataEntry {
  /** Bytes as latin1. */
  name: string
  inode: number
}
