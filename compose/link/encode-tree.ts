/**
 * Encodes the merged tree as an inode table and a directory table (spec/squashfs.md#inodes, #listings). Directories
 * are taken from last to first, so that inner ones come before outer ones. The inodes of one directory's children are
 * written side by side, so that one header serves many entries.
 */

import { TERMS_ATTRIBUTE } from '../../store/module/index.ts'
import { Kind, type LayerIndex, stringAt } from '../../store/object/index.ts'
import { StrataError, showPath } from '../../store/values/index.ts'
import { type MergedTree, walk } from '../merge/index.ts'
import {
  IdTable,
  type InodeHeader,
  isDevice,
  LINK_TARGET_LIMIT,
  type ListingPlace,
  ListingWriter,
  MetadataStream,
  NO_ATTRIBUTES,
  writeDirectory,
  writeFile,
  writeSpecial,
  writeSymlink
} from '../squashfs/index.ts'
import type { FilePlaces } from './file-places.ts'
import { ImageModes, type ModeOf } from './image-modes.ts'
import { InodeAttributes } from './inode-attributes.ts'

export interface EncodedTree {
  inodes: MetadataStream
  listings: MetadataStream
  ids: IdTable
  attributes: InodeAttributes
  /** Position of each merged inode in the inode stream. */
  position: Uint32Array
  newestSeconds: number
  /** Number of inodes with a time before 1970 or after 2106, which was moved to that limit. */
  clampedTimes: number
}

/** @throws StrataError IMAGE_LIMIT for data that SquashFS cannot hold, with the path if it is about one */
/** @param terms an attribute of the root (store/module/terms.ts) */
export function encodeTree(tree: MergedTree, files: FilePlaces, modeOf: ModeOf, terms?: string): EncodedTree {
  return new TreeEncoder(tree, files, modeOf, terms).run()
}

const UNWRITTEN = 0xffffffff
const TIME_LIMIT = 0xffffffff
/** Typical sizes of an inode and an entry, to begin with a buffer that fits. */
const INODE_BYTES = 40
const ENTRY_BYTES = 24

class TreeEncoder {
  readonly #tree: MergedTree
  readonly #files: FilePlaces
  readonly #modes: ImageModes
  readonly #out: EncodedTree
  readonly #listing: ListingWriter
  readonly #terms: string | undefined
  /** Reused for each inode: half a million objects would cost more time than the writing. */
  readonly #header: InodeHeader = {
    kind: 0,
    mode: 0,
    uid: 0,
    gid: 0,
    mtimeSeconds: 0,
    number: 0,
    links: 0,
    attributes: NO_ATTRIBUTES
  }
  /** Listings whose directory's inode is not written yet. */
  readonly #listingOf = new Map<number, ListingPlace>()

  constructor(tree: MergedTree, files: FilePlaces, modeOf: ModeOf, terms: string | undefined) {
    this.#tree = tree
    this.#terms = terms
    this.#files = files
    this.#modes = new ImageModes(tree.layers, modeOf)
    const count = tree.inodeKind.length
    this.#out = {
      inodes: new MetadataStream('inode table', INODE_BYTES * count + 4096),
      listings: new MetadataStream('directory table', ENTRY_BYTES * tree.entryInode.length + 4096),
      ids: new IdTable(),
      attributes: new InodeAttributes(tree.layers),
      position: new Uint32Array(count).fill(UNWRITTEN),
      newestSeconds: 0,
      clampedTimes: 0
    }
    this.#listing = new ListingWriter(this.#out.listings)
  }

  run(): EncodedTree {
    const { directories } = this.#tree
    for (let i = directories.length - 1; i >= 0; i--) this.#writeDirectory(directories[i])
    this.#writeInode(0)
    return this.#out
  }

  #writeDirectory(directory: number): void {
    const {
      directoryFirst,
      directoryCount,
      entryInode,
      entryLayer,
      entryNameStart,
      entryNameLength,
      inodeKind,
      layers
    } = this.#tree
    const { position } = this.#out
    const first = directoryFirst[directory]
    const end = first + directoryCount[directory]
    for (let entry = first; entry < end; entry++)
      if (position[entryInode[entry]] === UNWRITTEN) this.#writeInode(entryInode[entry])
    this.#listing.begin()
    for (let entry = first; entry < end; entry++) {
      const inode = entryInode[entry]
      const { names } = layers[entryLayer[entry]].index
      this.#listing.add(
        names,
        entryNameStart[entry],
        entryNameLength[entry],
        inodeKind[inode],
        inode + 1,
        position[inode]
      )
    }
    this.#listingOf.set(directory, this.#listing.end())
  }

  #writeInode(inode: number): void {
    const tree = this.#tree
    const { inodes, position } = this.#out
    const { index } = tree.layers[tree.inodeLayer[inode]]
    const source = tree.inodeSource[inode]
    const header = this.#fillHeader(inode, index, source)
    position[inode] = inodes.length
    if (header.kind === Kind.file)
      writeFile(inodes, header, this.#files.of(tree.inodeLayer[inode], index.payload[source]))
    else if (header.kind === Kind.directory) {
      writeDirectory(inodes, header, this.#listingOf.get(inode)!, this.#parentNumber(inode))
      this.#listingOf.delete(inode)
    } else if (header.kind === Kind.symlink) writeSymlink(inodes, header, this.#target(inode))
    else writeSpecial(inodes, header, isDevice(header.kind) ? index.payload[source] : undefined)
  }

  #fillHeader(inode: number, index: LayerIndex, source: number): InodeHeader {
    const tree = this.#tree
    const layer = tree.inodeLayer[inode]
    const header = this.#header
    header.kind = tree.inodeKind[inode]
    header.mode = this.#modes.of(layer, source)
    header.uid = this.#out.ids.numberOf(index.uid[source])
    header.gid = this.#out.ids.numberOf(index.gid[source])
    header.mtimeSeconds = this.#time(index.mtimeSeconds[source])
    header.number = inode + 1
    header.links = tree.inodeLinks[inode]
    header.attributes = this.#attributes(inode, index, layer, source)
    return header
  }

  #time(seconds: number): number {
    const kept = Math.min(Math.max(seconds, 0), TIME_LIMIT)
    if (kept !== seconds) this.#out.clampedTimes++
    if (kept > this.#out.newestSeconds) this.#out.newestSeconds = kept
    return kept
  }

  #attributes(inode: number, index: LayerIndex, layer: number, source: number): number {
    const terms = inode === 0 ? this.#terms : undefined
    if (index.attributes[source] === 0 && index.acl[source] === 0 && terms === undefined) return NO_ATTRIBUTES
    try {
      if (terms !== undefined)
        return this.#out.attributes.withOneMore(layer, source, [
          Buffer.from(TERMS_ATTRIBUTE),
          Buffer.from(terms)
        ])
      return this.#out.attributes.of(layer, source)
    } catch (error) {
      if (!(error instanceof StrataError)) throw error
      const { code, message, facts, hint } = error
      const path = this.#pathOf(inode)
      throw new StrataError(code, {
        message: `${path}: ${message}`,
        facts: { path, ...facts },
        hint,
        cause: error
      })
    }
  }

  /** The root is its own neighbour, because Linux wants a number there that no inode has. */
  #parentNumber(directory: number): number {
    return directory === 0 ? this.#tree.inodeKind.length + 1 : this.#tree.directoryParent[directory] + 1
  }

  #target(inode: number): Uint8Array {
    const { index } = this.#tree.layers[this.#tree.inodeLayer[inode]]
    const target = stringAt(index, index.payload[this.#tree.inodeSource[inode]])
    if (target.length <= LINK_TARGET_LIMIT) return target
    const path = this.#pathOf(inode)
    throw new StrataError('IMAGE_LIMIT', {
      message: `${path}: the link target has ${target.length} bytes, but readers of SquashFS take at most ${LINK_TARGET_LIMIT}`,
      facts: { path, lengthBytes: target.length }
    })
  }

  /** Searches the whole tree, because it is only for messages. */
  #pathOf(inode: number): string {
    for (const entry of walk(this.#tree)) if (entry.inode === inode) return `/${showPath(entry.path)}`
    return `inode ${inode}`
  }
}
