/**
 * Presents an image as a layer. Its blocks and fragments lie in the image file as they would in a data file, so code
 * for layers (sandboxes, comparisons, content readers) also reads images. Modes are the stored ones, which follow
 * from the ACLs that the image keeps.
 */
import { createHash } from 'node:crypto'
import { decodeAcl, modeOf } from '../../store/acl/index.ts'
import { TERMS_ATTRIBUTE } from '../../store/module/index.ts'
import {
  buildIndex,
  DATA_SCHEMA,
  ENTRY_KIND,
  type FinishedData,
  growingColumns,
  type Inode,
  Kind,
  type LayerIndex,
  LayerTree,
  type Marks,
  NONE,
  u8Column,
  viewColumns
} from '../../store/object/index.ts'
import { entryWith, type TarEntry } from '../../store/tar/index.ts'
import type { PathBytes } from '../../store/values/index.ts'
import { ACL_ATTRIBUTE } from '../link/index.ts'
import { type ImageInode, targetOf } from '../squashfs/index.ts'
import type { OpenImage } from './open-image.ts'

/**
 * @param leaveOut selects paths to leave out, such as `/.compose`
 * @throws StrataError IMAGE_INVALID
 */
export function imageAsLayer(image: OpenImage, leaveOut: (path: PathBytes) => boolean): LayerIndex {
  const { reader, path: name } = image
  const tree = new LayerTree(name)
  const contents = new ImageContents(image)
  const marks = new Map<Inode, Marks>()
  const firstPath = new Map<number, PathBytes>()
  for (const { path, inode } of reader.walk()) {
    if (inode.kind === Kind.socket || leaveOut(path)) continue
    const first = firstPath.get(inode.number)
    if (first !== undefined && inode.kind !== Kind.directory) {
      tree.add({ ...entryOf(image, path, inode), kind: 'hardlink', linkTarget: first }, path, NONE)
      continue
    }
    firstPath.set(inode.number, path)
    const mark = marksOf(image, inode)
    const content = inode.kind === Kind.file ? contents.add(inode) : NONE
    tree.add(storedEntry(entryOf(image, path, inode), mark), path, content)
    if (mark !== undefined) marks.set(tree.find(path)!, mark)
  }
  tree.finish()
  const { compressor, superblock } = reader
  const profile = { compressor, level: 1, blockSize: superblock.blockSize }
  return buildIndex(tree, marks, contents.finish(), profile)
}

function entryOf({ reader }: OpenImage, path: PathBytes, inode: ImageInode): TarEntry {
  const { device = 0 } = inode
  return entryWith({
    path,
    kind: ENTRY_KIND[inode.kind],
    mode: inode.mode,
    uid: reader.uid(inode),
    gid: reader.gid(inode),
    mtime: { seconds: inode.mtimeSeconds, nanoseconds: 0 },
    sizeBytes: inode.file?.sizeBytes ?? 0,
    linkTarget: inode.kind === Kind.symlink ? targetOf(inode) : '',
    // The inverse of `deviceNumber`.
    deviceMajor: (device >>> 8) & 0xfff,
    deviceMinor: (device & 0xff) | ((device >>> 12) & 0xfff00)
  })
}

/** An image has mode bits for its audience; the stored ones follow from the ACL. */
function storedEntry(entry: TarEntry, mark: Marks | undefined): TarEntry {
  if (mark?.access === undefined) return entry
  return { ...entry, mode: (entry.mode & 0o7000) | modeOf(decodeAcl(mark.access)) }
}

function marksOf({ reader }: OpenImage, inode: ImageInode): Marks | undefined {
  const attributes = reader.attributes(inode)
  if (attributes.size === 0) return undefined
  const access = attributes.get(ACL_ATTRIBUTE.access)
  const defaults = attributes.get(ACL_ATTRIBUTE.default)
  attributes.delete(ACL_ATTRIBUTE.access)
  attributes.delete(ACL_ATTRIBUTE.default)
  attributes.delete(TERMS_ATTRIBUTE)
  return { attributes, access, default: defaults }
}

/** Data tables with positions in the image file. Equal contents are recognised by their position. */
class ImageContents {
  readonly #image: OpenImage
  readonly #tables = growingColumns(DATA_SCHEMA)
  readonly #hash = u8Column()

  readonly #fragments: { start: number; stored: number; bytes: number }[]

  constructor(image: OpenImage) {
    this.#image = image
    this.#fragments = image.reader
      .fragmentPlaces()
      .map(({ start, stored }) => ({ start: image.startInFile + start, stored, bytes: 0 }))
  }

  add(inode: ImageInode): number {
    const { reader } = this.#image
    const file = inode.file!
    const hash = createHash('sha256')
    for (const piece of reader.content(inode)) hash.update(piece)
    const { blockSize } = reader.superblock
    this.#tables.contentFirstBlock.push(this.#tables.blockStored.length)
    this.#tables.contentStart.push(this.#image.startInFile + file.start)
    for (const stored of file.blocks) this.#tables.blockStored.push(stored)
    const isInBlocks = file.blocks.length * blockSize >= file.sizeBytes
    this.#tables.contentFragment.push(isInBlocks ? NONE : this.#noteFragment(file.fragment))
    this.#tables.contentFragmentOffset.push(isInBlocks ? 0 : file.fragmentOffset)
    this.#hash.append(hash.digest())
    return this.#tables.contentSize.push(file.sizeBytes)
  }

  /** The fragment may be longer than the tails of its files: tails that are stored elsewhere, too, may follow them. */
  #noteFragment(fragment: number): number {
    const row = this.#fragments[fragment]
    if (row.bytes === 0) row.bytes = this.#image.reader.fragmentBytes(fragment)
    return fragment
  }

  finish(): FinishedData {
    return {
      tables: {
        ...viewColumns(this.#tables),
        fragmentStart: Float64Array.from(this.#fragments, ({ start }) => start),
        fragmentStored: Uint32Array.from(this.#fragments, ({ stored }) => stored),
        fragmentBytes: Uint32Array.from(this.#fragments, ({ bytes }) => bytes)
      },
      contentHash: this.#hash.view(),
      dataBytes: this.#image.sizeBytes,
      dataSha256: Buffer.alloc(32)
    }
  }
}
