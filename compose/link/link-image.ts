import { StrataError } from '../../store/errors.ts'
import type { DataSource } from '../../store/object/content-reader.ts'
import type { Profile } from '../../store/object/profile.ts'
import { pathFromText, showPath } from '../../store/path-bytes.ts'
import type { MergedTree } from '../merge/index.ts'
import { copyRuns } from './copy-runs.ts'
import { encodeTables, type ImageTables } from './encode-tables.ts'
import { encodeTree } from './encode-tree.ts'
import { FilePlaces } from './file-places.ts'
import { ImageFile } from './image-file.ts'
import type { ModeOf } from './image-modes.ts'
import { findLiveData } from './live-data.ts'
import { placeData } from './place-data.ts'
import { placeFragments } from './repack-fragments.ts'

export interface LinkOptions {
  /** Path of the image; what is there is replaced when the new one is whole. */
  target: string
  /** Data of each layer of the tree, in its order: an open file, or memory. */
  data: DataSource[]
  modeOf: ModeOf
  /** Whether the image has reached the disk when the promise resolves. Default true. */
  sync?: boolean
  /** Sets mode and ACL of the finished file before it gets its name. Until then it is 0600. */
  admit?: (fd: number) => void | Promise<void>
  /** Called with bytes that are in their place, as they get there; they add up to the image's file data. */
  onProgress?: (bytes: number) => void
}

export interface LinkReport {
  inodes: number
  /** Size of the image file. */
  imageBytes: number
  /** Of the file data: shared with the objects, and written. */
  clonedBytes: number
  copiedBytes: number
  /** Fragment blocks that were packed anew, because the old ones held bytes of hidden files. */
  repackedFragments: number
  /** Inodes whose time lies outside 1970..2106 and was moved to the nearer end. */
  clampedTimes: number
}

/**
 * Write a merged tree as one SquashFS image. The bytes depend on the tree, the data and `modeOf`, and on nothing else.
 * Whole or absent: a failure leaves no file, a crash at most one with a `.tmp` name and no magic.
 * @throws StrataError IMAGE_LIMIT for what SquashFS cannot hold, OBJECT_CORRUPT for data that its index does not fit,
 *   IO for what the file system refused
 */
export async function linkImage(tree: MergedTree, options: LinkOptions): Promise<LinkReport> {
  const { layers } = tree
  const { target, data, modeOf, sync = true, admit = () => {}, onProgress = () => {} } = options
  const profile = commonProfile(tree, data)
  const live = findLiveData(tree) //            nothing hidden is seen after this line
  const placed = placeData(tree, live) //       every run of blocks has its place
  return withImage(target, async image => {
    const gathering = placeFragments(layers, data, live, placed, image) // workers pack while runs are copied
    const copying = inPromise(() => copyRuns(placed.runs, layers, data, image, onProgress))
    const [moved, fragments] = await bothEnded(copying, gathering) // every block and tail has its place
    const files = new FilePlaces(layers, live, placed, fragments)
    const encoded = encodeTree(tree, files, modeOf) // every inode has its place
    const tables = encodeTables(encoded, fragments, profile, fragments.end)
    writeTables(image, tables, fragments.end)
    await image.seal(tables.superblock, tables.bytesUsed, sync, admit) // a torn image has no magic
    return {
      inodes: tree.inodeKind.length,
      imageBytes: image.sizeBytes,
      ...moved,
      repackedFragments: fragments.repacked,
      clampedTimes: encoded.clampedTimes
    }
  })
}

const inPromise = <T>(work: () => T): Promise<T> => new Promise(resolve => resolve(work()))

/** Neither may write to the image any more when the other has failed, and the image is given up. */
async function bothEnded<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([a, b])
  return Promise.all([a, b])
}

/** Blocks of one image share a compressor and a block size; the caller compiles layers that have another. */
function commonProfile({ layers }: MergedTree, data: DataSource[]): Profile {
  if (data.length !== layers.length)
    throw new TypeError(`${layers.length} layers, but data for ${data.length}`)
  const { profile } = layers[0].index
  for (const { index, name } of layers)
    if (index.profile.compressor !== profile.compressor || index.profile.blockSize !== profile.blockSize)
      throw new TypeError(
        `the object of ${name} was compiled for another profile than that of ${layers[0].name}`
      )
  return profile
}

async function withImage<T>(target: string, work: (image: ImageFile) => Promise<T>): Promise<T> {
  let image: ImageFile | undefined
  try {
    image = new ImageFile(target)
    return await work(image)
  } catch (cause) {
    if (cause instanceof StrataError || (cause as NodeJS.ErrnoException).syscall === undefined) throw cause
    const shown = showPath(pathFromText(target))
    throw new StrataError('IO', {
      message: `image ${shown} cannot be written: ${(cause as Error).message}`,
      facts: { image: shown, errno: (cause as NodeJS.ErrnoException).code ?? '' },
      cause
    })
  } finally {
    image?.discard()
  }
}

function writeTables(image: ImageFile, { parts }: ImageTables, start: number): void {
  let position = start
  for (const part of parts) {
    image.write(part, position)
    position += part.length
  }
}
