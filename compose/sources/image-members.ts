/** Turns the tree of a SquashFS image into members of a tar, each directory before its content, names in byte order. */
import {
  ACCESS_ATTRIBUTE,
  type Attributes,
  DEFAULT_ATTRIBUTE,
  decodeAcl,
  modeOf
} from '../../store/acl/index.ts'
import type { SkippedPath } from '../../store/import/index.ts'
import { Kind } from '../../store/object/index.ts'
import {
  type DataRun,
  type EntryKind,
  entryWith,
  type TarEntry,
  type TarMember
} from '../../store/tar/index.ts'
import { type Limits, type PathBytes, RATIO_FLOOR_BYTES, StrataError } from '../../store/values/index.ts'
import { ACL_ATTRIBUTE } from '../link/index.ts'
import { type ImageInode, type ImageReader, targetOf } from '../squashfs/index.ts'

const KIND_NAME = new Map<number, EntryKind>(
  (Object.keys(Kind) as (keyof typeof Kind)[]).flatMap(name =>
    name === 'socket' ? [] : [[Kind[name], name]]
  )
)

export interface ImageMembersOptions {
  /** Name of the image, for messages. */
  name: string
  /** True for paths to leave out, together with all below them. */
  leaveOut: (path: PathBytes) => boolean
  onSkip: (skipped: SkippedPath) => void
  limits: Pick<Limits, 'expansionRatio'>
  /** Receives the attributes and ACLs of each inode, under its first path. */
  attributes: Map<PathBytes, Attributes>
}

/**
 * Yields members; contents are unpacked one block at a time. An image that compose made has mode bits for its
 * audience; the stored ones follow from the ACL in its attributes (spec/squashfs.md#acl).
 * @throws StrataError IMAGE_INVALID, ACL_INVALID, LIMIT_EXCEEDED
 */
export function* imageMembers(reader: ImageReader, options: ImageMembersOptions): Generator<TarMember> {
  const firstPaths = new Map<number, PathBytes>()
  const checkExpansion = expansionCheck(reader, options)
  for (const { path, inode } of reader.walk()) {
    if (options.leaveOut(path)) continue
    const kind = KIND_NAME.get(inode.kind)
    if (kind === undefined) {
      options.onSkip({ path, reason: 'a socket exists only while its program runs' })
      continue
    }
    const first = kind === 'directory' ? undefined : firstPaths.get(inode.number)
    if (first !== undefined) {
      yield { entry: { ...entryOf(reader, path, inode, kind), ...LINK, linkTarget: first, runs: undefined } }
      continue
    }
    if (inode.links > 1 && kind !== 'directory') firstPaths.set(inode.number, path)
    const attributes = attributesOf(reader, inode)
    if (attributes.size > 0) options.attributes.set(path, attributes)
    const entry = { ...entryOf(reader, path, inode, kind), runs: runsOf(reader, inode) }
    checkExpansion(entry.sizeBytes)
    yield {
      entry: { ...entry, mode: storedMode(entry, attributes, options.name) },
      ...(kind === 'file' && { content: storedPieces(reader, inode) })
    }
  }
}

/** Files may share their blocks, and a block of zeros takes some bytes: the names of a small image can stand for terabytes. */
function expansionCheck(
  { superblock: { bytesUsed } }: ImageReader,
  { name, limits: { expansionRatio } }: ImageMembersOptions
): (sizeBytes: number) => void {
  let filesBytes = 0
  return sizeBytes => {
    filesBytes += sizeBytes
    if (filesBytes <= RATIO_FLOOR_BYTES || filesBytes <= expansionRatio * bytesUsed) return
    throw new StrataError('LIMIT_EXCEEDED', {
      message: `${name}: files of ${filesBytes} bytes and more in an image of ${bytesUsed}, over ${expansionRatio} times as many`,
      facts: { image: name },
      hint: 'if you trust this image, raise --max-ratio'
    })
  }
}

const LINK = { kind: 'hardlink', sizeBytes: 0 } as const

function entryOf(reader: ImageReader, path: PathBytes, inode: ImageInode, kind: EntryKind): TarEntry {
  const { device = 0 } = inode
  return entryWith({
    path,
    kind,
    mode: inode.mode,
    uid: reader.uid(inode),
    gid: reader.gid(inode),
    mtime: { seconds: inode.mtimeSeconds, nanoseconds: 0 },
    sizeBytes: inode.file?.sizeBytes ?? 0,
    linkTarget: kind === 'symlink' ? targetOf(inode) : '',
    // The inverse of `deviceNumber`.
    deviceMajor: (device >>> 8) & 0xfff,
    deviceMinor: (device & 0xff) | ((device >>> 12) & 0xfff00)
  })
}

/** Returns undefined for a file without holes. */
function runsOf({ superblock }: ImageReader, { file }: ImageInode): DataRun[] | undefined {
  if (file === undefined || !file.blocks.includes(0)) return undefined
  const { blockSize } = superblock
  const runs: DataRun[] = []
  const add = (offset: number, lengthBytes: number) => {
    const last = runs.at(-1)
    if (last !== undefined && last.offset + last.lengthBytes === offset) last.lengthBytes += lengthBytes
    else runs.push({ offset, lengthBytes })
  }
  file.blocks.forEach((stored, i) => {
    if (stored !== 0) add(i * blockSize, Math.min(blockSize, file.sizeBytes - i * blockSize))
  })
  const tailStart = file.blocks.length * blockSize
  if (tailStart < file.sizeBytes) add(tailStart, file.sizeBytes - tailStart)
  return runs
}

/** The bytes of a file without its holes. */
function* storedPieces(reader: ImageReader, inode: ImageInode): Generator<Uint8Array> {
  const { blocks } = inode.file!
  let block = 0
  for (const piece of reader.content(inode)) if (blocks[block++] !== 0) yield piece
}

const NAME_IN_LAYER = new Map<string, string>([
  [ACL_ATTRIBUTE.access, ACCESS_ATTRIBUTE],
  [ACL_ATTRIBUTE.default, DEFAULT_ATTRIBUTE]
])

const attributesOf = (reader: ImageReader, inode: ImageInode): Attributes =>
  new Map([...reader.attributes(inode)].map(([name, value]) => [NAME_IN_LAYER.get(name) ?? name, value]))

function storedMode({ mode, path }: TarEntry, attributes: Attributes, source: string): number {
  const access = attributes.get(ACCESS_ATTRIBUTE)
  return access === undefined ? mode : (mode & 0o7000) | modeOf(decodeAcl(access, { source, member: path }))
}
