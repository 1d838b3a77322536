/**
 * The metadata of a tree as a folder in memory, for kernels without EROFS (spec/erofs.md#folder). Its files have their
 * sizes and no bytes, and the attributes by which an overlay finds the bytes.
 */
import { closeSync, ftruncateSync } from 'node:fs'
import {
  chmodAt,
  chownAt,
  constants,
  linkAt,
  mkdirAt,
  mknodAt,
  openBeneath,
  setXattr,
  symlinkAt,
  utimensAt
} from '../../native/index.ts'
import { Kind } from '../../store/object/index.ts'
import {
  isInDataLayer,
  METACOPY,
  type MetadataInode,
  type MetadataTree,
  pathOf,
  REDIRECT
} from '../erofs/index.ts'
import { deviceMajor, deviceMinor } from '../sandbox/index.ts'

const { O_RDONLY, O_WRONLY, O_DIRECTORY, O_PATH, O_NOFOLLOW } = constants
const TYPE: Record<number, number> = {
  [Kind.file]: constants.S_IFREG,
  [Kind.character]: constants.S_IFCHR,
  [Kind.block]: constants.S_IFBLK,
  [Kind.fifo]: constants.S_IFIFO,
  [Kind.socket]: constants.S_IFSOCK
}

/** @param root an open, empty folder that nobody else can enter */
export function writeMetadataFolder(tree: MetadataTree, root: number): void {
  const { inodes } = tree
  const isMade = new Uint8Array(inodes.length)
  for (const directory of inodes)
    if (directory.entries !== undefined)
      within(root, pathOf(directory), fd => {
        const { names, inodes: numbers } = directory.entries!
        for (const [i, inode] of numbers.entries()) {
          const name = names[i]
          if (isMade[inode] === 1) link(root, inodes[inode], fd, name)
          else make(tree, inodes[inode], fd, name)
          isMade[inode] = 1
        }
      })
  // Those inside before those outside, whose times they change.
  for (const directory of inodes.toReversed())
    if (directory.entries !== undefined)
      within(root, pathOf(directory), fd => describe(tree, directory, fd, ''))
}

function within(root: number, path: string, work: (fd: number) => void): void {
  const fd = openBeneath(root, path === '' ? '.' : path, O_RDONLY | O_DIRECTORY)
  try {
    work(fd)
  } finally {
    closeSync(fd)
  }
}

function link(root: number, first: MetadataInode, directory: number, name: string): void {
  within(root, first.folder, from => linkAt(from, first.name, directory, name))
}

function make(tree: MetadataTree, inode: MetadataInode, directory: number, name: string): void {
  if (inode.kind === Kind.directory) {
    mkdirAt(directory, name, 0o700)
    return
  }
  if (inode.kind === Kind.symlink) symlinkAt(Buffer.from(inode.target!), directory, name)
  else {
    const { device = 0 } = inode
    mknodAt(directory, name, TYPE[inode.kind] | 0o600, deviceMajor(device), deviceMinor(device))
  }
  if (isInDataLayer(inode)) lead(inode, directory, name)
  const fd = openBeneath(directory, name, O_PATH | O_NOFOLLOW)
  try {
    describe(tree, inode, fd, '')
  } finally {
    closeSync(fd)
  }
}

function lead(inode: MetadataInode, directory: number, name: string): void {
  const fd = openBeneath(directory, name, O_WRONLY)
  try {
    ftruncateSync(fd, inode.sizeBytes)
    setXattr(fd, '', METACOPY, new Uint8Array(0))
    setXattr(fd, '', REDIRECT, Buffer.from(`/${pathOf(inode)}`, 'latin1'))
  } finally {
    closeSync(fd)
  }
}

/** The owner first, since a change of owner takes set-id bits; then the mode, which an ACL follows. */
function describe(tree: MetadataTree, inode: MetadataInode, fd: number, name: string): void {
  chownAt(fd, name, inode.uid, inode.gid)
  if (inode.kind !== Kind.symlink) chmodAt(fd, name, inode.mode)
  for (const number of inode.attributes) {
    const { name: attribute, value } = tree.attributes.of(number)
    if (attribute !== METACOPY) setXattr(fd, name, attribute, value)
  }
  utimensAt(fd, name, inode.mtimeSeconds, inode.mtimeNanoseconds)
}
