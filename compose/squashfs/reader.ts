/**
 * A strict reader of SquashFS 4.0, for looking into images without mounting them. It checks every
 * position against its table, every size against its content, and every name, and it enters a directory only once.
 * Faults are IMAGE_INVALID errors with structure and byte.
 */
import { Kind } from '../../store/object/index.ts'
import {
  IMAGE_COMPRESSOR_ID,
  type ImageCompressor,
  type PathBytes,
  pathFromBuffer,
  showPath,
  WorkLimit
} from '../../store/values/index.ts'
import { AttributeReader } from './attribute-reader.ts'
import { ByteSource, type FileRange } from './byte-source.ts'
import { FileReader } from './file-reader.ts'
import { NO_ATTRIBUTES, SUPERBLOCK_BYTES } from './format-numbers.ts'
import { type ImageInode, readInode } from './inode-reader.ts'
import { type ListingEntry, ListingReader } from './listing-reader.ts'
import { type MetadataCursor, MetadataReader } from './metadata-reader.ts'
import { decodeSuperblock, type Superblock } from './superblock.ts'
import { TableReader } from './table-reader.ts'

export interface ImagePath {
  /** Relative to the root; '' is the root. */
  path: PathBytes
  /** Of its entry; '' is the root. */
  name: PathBytes
  /** Names in its path; 0 for the root. */
  depth: number
  inode: ImageInode
}

/** As long as tarballs have them by default; Linux takes 4095. */
const LONGEST_PATH_BYTES = 65_536
/** Bytes of listings: of any image, and for each byte of the table. Real ones are packed to a tenth at best. */
const LISTING_BYTES = 1 << 20
const UNPACKED_TIMES = 64

export class ImageReader {
  readonly superblock: Superblock
  readonly compressor: ImageCompressor
  readonly #source: ByteSource
  readonly #metadata: MetadataReader
  /** In the inode table. */
  #inodes: MetadataCursor | undefined
  readonly #ids: number[] = []
  readonly #files: FileReader
  readonly #attributes: AttributeReader | undefined

  /**
   * @param from an open file or a part of one, which the caller closes, or the bytes of an image
   * @param name for messages
   * @throws StrataError IMAGE_INVALID
   */
  constructor(from: number | FileRange | Uint8Array, name: string) {
    this.#source = new ByteSource(from, name)
    this.superblock = this.#readSuperblock()
    this.compressor = this.#compressor()
    this.#metadata = new MetadataReader(this.#source, this.compressor)
    const { idTable, ids, attributeTable } = this.superblock
    const idRows = new TableReader(this.#metadata, idTable, ids, 4, 'id table')
    for (let i = 0; i < ids; i++) this.#ids.push(idRows.row(i).readUInt32LE(0))
    this.#files = new FileReader(this.#metadata, this.compressor, this.superblock)
    if (attributeTable !== undefined) this.#attributes = new AttributeReader(this.#metadata, attributeTable)
  }

  /** The root directory. */
  root(): ImageInode {
    const inode = this.inodeAt(
      Number(this.superblock.rootReference >> 16n),
      Number(this.superblock.rootReference & 0xffffn)
    )
    if (inode.kind !== Kind.directory)
      this.#source.refuse('superblock', 32, 'the root inode is not a directory')
    return inode
  }

  /** @param blockStart start of its metadata block within the inode table */
  inodeAt(blockStart: number, offset: number): ImageInode {
    const { inodeTable, directoryTable, blockSize, inodes } = this.superblock
    const position = inodeTable + blockStart
    if (this.#inodes === undefined)
      this.#inodes = this.#metadata.cursor(position, offset, directoryTable, 'inode table')
    else this.#inodes.moveTo(position, offset)
    const cursor = this.#inodes
    const inode = readInode(cursor, blockSize)
    if (inode.number === 0 || inode.number > inodes)
      cursor.refuse(`inode number ${inode.number} is not 1..${inodes}`)
    if (Math.max(inode.uidNumber, inode.gidNumber) >= this.#ids.length)
      cursor.refuse(
        `owner ${inode.uidNumber}:${inode.gidNumber} is not in the id table, which has ${this.#ids.length}`
      )
    return inode
  }

  uid(inode: ImageInode): number {
    return this.#ids[inode.uidNumber]
  }

  gid(inode: ImageInode): number {
    return this.#ids[inode.gidNumber]
  }

  /** Names in a directory, in byte order. @throws TypeError if it is not a directory */
  entries({ directory, number }: ImageInode): ListingReader {
    if (directory === undefined) throw new TypeError(`inode ${number} is not a directory`)
    const { blockStart, offset, lengthBytes } = directory
    const { directoryTable, bytesUsed } = this.superblock
    const begin = () =>
      this.#metadata.cursor(directoryTable + blockStart, offset, bytesUsed, 'directory table')
    return new ListingReader(begin, lengthBytes)
  }

  /** The inode of an entry. */
  inodeOf({ blockStart, offset, number, kind, name }: ListingEntry): ImageInode {
    const inode = this.inodeAt(blockStart, offset)
    if (inode.number !== number || inode.kind !== kind)
      this.#source.refuse(
        'inode table',
        this.superblock.inodeTable + blockStart,
        `entry ${showPath(name)} names inode ${number} of type ${kind}, but its place holds ${inode.number} of type ${inode.kind}`
      )
    return inode
  }

  /**
   * Everything in the image, each directory before what is in it, names in byte order.
   * @throws StrataError IMAGE_INVALID; LIMIT_EXCEEDED for paths that are too long, or listings that directories share
   */
  *walk(): Generator<ImagePath> {
    const root = this.root()
    const entered = new Set([root.number])
    const enter = this.beginWalk()
    const open = [{ path: '', entries: enter('', root) }]
    yield { path: '', name: '', depth: 0, inode: root }
    for (let at = open.at(-1); at !== undefined; at = open.at(-1)) {
      const entry = at.entries.next()
      if (entry === undefined) {
        open.pop()
        continue
      }
      const inode = this.inodeOf(entry)
      const { name } = entry
      const path = at.path + name
      yield { path, name, depth: open.length, inode }
      if (inode.directory === undefined) continue
      if (entered.has(inode.number))
        this.#source.refuse(
          'directory table',
          this.superblock.directoryTable,
          `${showPath(path)} is a directory with two names`
        )
      entered.add(inode.number)
      open.push({ path: `${path}/`, entries: enter(path, inode) })
    }
  }

  /**
   * Begins a look at all directories: the entries of each, as long as their paths are of a length that can be, and no
   * listing belongs to many. If a thousand directories had the same one, it would be read a thousand times.
   * @throws StrataError LIMIT_EXCEEDED, from what is returned
   */
  beginWalk(): (path: PathBytes, directory: ImageInode) => ListingReader {
    const { bytesUsed, directoryTable } = this.superblock
    const listings = new WorkLimit(LISTING_BYTES + UNPACKED_TIMES * (bytesUsed - directoryTable), () =>
      this.#source.tooMuch('directory table', 'many directories share their listings')
    )
    return (path, inode) => {
      if (path.length > LONGEST_PATH_BYTES)
        throw this.#source.tooMuch('directory table', `a path of more than ${LONGEST_PATH_BYTES} bytes`)
      listings.spend(inode.directory?.lengthBytes)
      return this.entries(inode)
    }
  }

  /** The inode of a path, without following symbolic links; undefined if there is none. */
  find(path: PathBytes): ImageInode | undefined {
    let inode = this.root()
    for (const name of path.split('/').filter(part => part !== '')) {
      if (inode.directory === undefined) return undefined
      let found: ListingEntry | undefined
      for (const entry of this.entries(inode)) {
        if (entry.name >= name) {
          if (entry.name === name) found = entry
          break
        }
      }
      if (found === undefined) return undefined
      inode = this.inodeOf(found)
    }
    return inode
  }

  /** Bytes of a file, in pieces of at most a block; each is valid until the next one is taken. */
  content({ file, number }: ImageInode): Generator<Uint8Array> {
    if (file === undefined) throw new TypeError(`inode ${number} is not a file`)
    return this.#files.read(file)
  }

  /** Position of each fragment block, and its stored size as in the table. */
  fragmentPlaces(): { start: number; stored: number }[] {
    return this.#files.fragmentPlaces()
  }

  /** Unpacked size of a fragment block. The block has to be unpacked, because the image does not hold this size. */
  fragmentBytes(fragment: number): number {
    return this.#files.fragment(fragment).length
  }

  /** Extended attributes by full name, including ACLs under their names in the image. */
  attributes({ attributes }: ImageInode): Map<string, Buffer> {
    if (attributes === NO_ATTRIBUTES) return new Map()
    if (this.#attributes === undefined)
      this.#source.refuse(
        'superblock',
        56,
        `attribute set ${attributes} is used, but there is no attribute table`
      )
    return this.#attributes.read(attributes)
  }

  #readSuperblock(): Superblock {
    const lengthBytes = Math.min(SUPERBLOCK_BYTES, this.#source.sizeBytes)
    try {
      return decodeSuperblock(this.#source.read(0, lengthBytes, 'superblock'), this.#source.sizeBytes)
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause
      return this.#source.refuse('superblock', 0, cause.message, cause)
    }
  }

  #compressor(): ImageCompressor {
    const names = Object.keys(IMAGE_COMPRESSOR_ID) as ImageCompressor[]
    const { compressorId } = this.superblock
    const found = names.find(name => IMAGE_COMPRESSOR_ID[name] === compressorId)
    return (
      found ??
      this.#source.refuse('superblock', 20, `compressor ${compressorId}, wanted one of ${names.join(', ')}`)
    )
  }
}

/** Bytes of a link target as a path. */
export const targetOf = ({ target }: ImageInode): PathBytes => pathFromBuffer(target ?? Buffer.alloc(0))
