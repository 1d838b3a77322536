/** The tree of an image with owners, modes and ACLs as stored, whatever the audience of the image (spec/erofs.md). */
import {
  ACCESS_ATTRIBUTE,
  type Acl,
  DEFAULT_ATTRIBUTE,
  decodeAcl,
  encodeAcl,
  modeOf
} from '../../store/acl/index.ts'
import { TERMS_ATTRIBUTE } from '../../store/module/index.ts'
import { Kind } from '../../store/object/index.ts'
import {
  type AttributeNumbers,
  type MetadataInode,
  type MetadataTree,
  SharedAttributes
} from '../erofs/index.ts'
import type { OpenImage } from '../inspect/index.ts'
import { ACL_ATTRIBUTE } from '../link/index.ts'
import type { ImageInode } from '../squashfs/index.ts'

/** Names that overlayfs takes for its own; with one more `overlay.` it hands them on (Linux 6.7). */
const OVERLAY = 'trusted.overlay.'

export interface ImageMetadata {
  tree: MetadataTree
  /** Paths that an overlay cannot show: a device 0:0 means to it that a name is deleted. */
  hidden: string[]
}

/**
 * @param limitRoot who may enter the tree at all; undefined for everybody whom the root itself admits
 * @throws StrataError IMAGE_INVALID, LIMIT_EXCEEDED, IMAGE_LIMIT
 */
export function metadataOfImage(image: OpenImage, limitRoot?: LimitRoot): ImageMetadata {
  const { reader } = image
  const inodes: MetadataInode[] = []
  const attributes = new SharedAttributes()
  const marks = new MarksOfImage(image, attributes)
  const hidden: string[] = []
  // Of those with several names; an image that conceals some shows a file for each.
  const known = new Map<number, number>()
  // The directories on the way to the path, and their paths.
  const way = [{ number: 0, path: '' }]
  for (const { path, name, depth, inode } of reader.walk()) {
    if (inode.kind === Kind.character && inode.device === 0) {
      hidden.push(path)
      continue
    }
    const parent = way[Math.max(depth - 1, 0)]
    const mayBeKnown = inode.links > 1 && inode.kind !== Kind.directory
    let number = mayBeKnown ? known.get(inode.number) : undefined
    if (number === undefined) {
      number = inodes.length
      if (mayBeKnown) known.set(inode.number, number)
      inodes.push(inodeOf(reader, inode, name, parent, marks))
    }
    if (depth === 0) continue
    const above = inodes[parent.number]
    const entries = above.entries!
    entries.names.push(name)
    entries.inodes.push(number)
    // Counted anew, because the image may say anything, and some of its names may be hidden.
    if (inode.kind === Kind.directory) {
      way[depth] = { number, path }
      above.links++
    } else inodes[number].links++
  }
  if (limitRoot !== undefined) limit(inodes[0], marks.withAccess(reader.root(), limitRoot))
  return { tree: { inodes, attributes }, hidden }
}

/** The access of the root instead of the stored one, which is given. The root then belongs to root. */
export type LimitRoot = (stored: { mode: number; uid: number; gid: number; access?: Acl }) => Acl

function limit(root: MetadataInode, { rights, attributes }: InodeMarks): void {
  Object.assign(root, { uid: 0, gid: 0, mode: (root.mode & 0o7000) | rights!, attributes })
}

function inodeOf(
  reader: OpenImage['reader'],
  inode: ImageInode,
  name: string,
  parent: { number: number; path: string },
  marks: MarksOfImage
): MetadataInode {
  const { rights, attributes } = marks.of(inode)
  const isDirectory = inode.kind === Kind.directory
  return {
    kind: inode.kind,
    mode: rights === undefined ? inode.mode : (inode.mode & 0o7000) | rights,
    uid: reader.uid(inode),
    gid: reader.gid(inode),
    mtimeSeconds: inode.mtimeSeconds,
    mtimeNanoseconds: 0,
    links: isDirectory ? 2 : 0,
    attributes,
    sizeBytes: inode.file === undefined ? 0 : inode.file.sizeBytes,
    folder: parent.path,
    name,
    target: inode.target,
    device: inode.device,
    entries: isDirectory ? { names: [], inodes: [] } : undefined,
    parent: parent.number
  }
}

interface InodeMarks {
  /** Permission bits that follow from the ACL. */
  rights?: number
  /** ACLs among them. */
  attributes: AttributeNumbers
}

const NONE: InodeMarks = { attributes: [] }

/** ACLs and attributes, encoded once for all inodes that share them. */
class MarksOfImage {
  readonly #image: OpenImage
  readonly #shared: SharedAttributes
  readonly #known = new Map<number, InodeMarks>()

  constructor(image: OpenImage, shared: SharedAttributes) {
    this.#image = image
    this.#shared = shared
  }

  of(inode: ImageInode): InodeMarks {
    const known = this.#known.get(inode.attributes)
    if (known !== undefined) return known
    const marks = this.#read(inode)
    this.#known.set(inode.attributes, marks)
    return marks
  }

  withAccess(inode: ImageInode, limitRoot: LimitRoot): InodeMarks {
    const { reader } = this.#image
    const read = reader.attributes(inode)
    const stored = read.get(ACL_ATTRIBUTE.access)
    const owner = { uid: reader.uid(inode), gid: reader.gid(inode) }
    const access = limitRoot({
      ...owner,
      mode: inode.mode,
      ...(stored !== undefined && { access: decodeAcl(stored) })
    })
    return this.#encode(read.set(ACL_ATTRIBUTE.access, encodeAcl(access)))
  }

  #read(inode: ImageInode): InodeMarks {
    const read = this.#image.reader.attributes(inode)
    return read.size === 0 ? NONE : this.#encode(read)
  }

  #encode(read: Map<string, Uint8Array>): InodeMarks {
    read.delete(TERMS_ATTRIBUTE)
    const access = read.get(ACL_ATTRIBUTE.access)
    const attributes = [...read]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => this.#shared.numberOf(KERNEL_NAME[name] ?? escaped(name), value))
    return { attributes, ...(access && { rights: modeOf(decodeAcl(access)) }) }
  }
}

const KERNEL_NAME: Record<string, string> = {
  [ACL_ATTRIBUTE.access]: ACCESS_ATTRIBUTE,
  [ACL_ATTRIBUTE.default]: DEFAULT_ATTRIBUTE
}

/** An attribute of the tree must not lead the overlay to other files. */
const escaped = (name: string): string =>
  name.startsWith(OVERLAY) ? `${OVERLAY}overlay.${name.slice(OVERLAY.length)}` : name
