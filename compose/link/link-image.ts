import type { DataSource } from '../../store/object/index.ts'
import { outputError, type Profile, packingProfile } from '../../store/values/index.ts'
import type { MergedTree, StackLayer } from '../merge/index.ts'
import { DATA_START } from '../squashfs/index.ts'
import { type DataPart, type PlacedPart, placePart, planPart } from './data-part.ts'
import { encodeTables, type ImageTables } from './encode-tables.ts'
import { encodeTree } from './encode-tree.ts'
import { FilePlaces } from './file-places.ts'
import { ImageFile } from './image-file.ts'
import type { ModeOf } from './image-modes.ts'
import { type MoveOptions, type MovingRuns, moveRuns } from './move-runs.ts'
import { type PackedFragments, packFragments } from './pack-fragments.ts'

export interface BeginOptions extends MoveOptions {
  /** Path of the image. An existing file is replaced when the new one is complete. */
  target: string
  /** Where the image begins in the file; a multiple of 4096, so that blocks can be shared. Default: 0. */
  startInFile?: number
}

export interface FinishOptions {
  modeOf: ModeOf
  /** Terms of use, for an image without module records (store/module/terms.ts). */
  terms?: string
  /**
   * Sets mode and ACL of the finished file before it gets its name. Until then it is 0600. What lies around the image
   * is written here, too.
   */
  admit?: (fd: number, sizeBytes: number) => void | Promise<void>
}

export interface LinkReport {
  inodes: number
  /** Size of the image. */
  imageBytes: number
  /** Bytes of file data that share disk blocks with the objects, and bytes that were written. */
  clonedBytes: number
  copiedBytes: number
  /** Fragment blocks that were packed again, because the old ones held bytes of hidden files. */
  repackedFragments: number
  /** Inodes with a time outside 1970..2106, which was moved to the nearer end. */
  clampedTimes: number
}

/**
 * Writes a merged tree as one SquashFS image. Its bytes depend only on the tree, the data and `modeOf`. After a
 * failure there is no file; a crash leaves at most a file with a `.tmp` name and no magic.
 * @param data open file or memory for each layer of the tree, in its order
 * @throws StrataError IMAGE_LIMIT for data that SquashFS cannot hold, OBJECT_CORRUPT for data that does not fit its
 * index, IO for failures of the file system
 */
export async function linkImage(
  tree: MergedTree,
  data: DataSource[],
  options: BeginOptions & FinishOptions
): Promise<LinkReport> {
  return beginImage(tree, data, options).finish(tree, [], options)
}

/**
 * Like `linkImage`, in two steps: copying takes longest, so it begins as soon as the modules' tree is known.
 * Meanwhile the generated files (lock, digest of the tree) are computed.
 * @param tree of the layers whose data goes into the image first
 */
export function beginImage(tree: MergedTree, data: DataSource[], options: BeginOptions): ImageUnderWay {
  if (data.length !== tree.layers.length)
    throw new TypeError(`${tree.layers.length} layers, but data for ${data.length}`)
  checkProfiles(tree.layers)
  const part = placePart(tree, 0, DATA_START)
  return namingTarget(options.target, () => new ImageUnderWay(part, data, options))
}

/** The caller has to call `finish` or `abandon`. */
export class ImageUnderWay {
  readonly #image: ImageFile
  readonly #target: string
  readonly #sync: boolean
  readonly #profile: Profile
  readonly #part: DataPart
  readonly #moving: MovingRuns
  readonly #packing: Promise<PackedFragments>

  /** @throws an error of node:fs */
  constructor(
    part: PlacedPart,
    data: DataSource[],
    { target, startInFile, onProgress, sync = true }: BeginOptions
  ) {
    this.#target = target
    this.#sync = sync
    this.#image = new ImageFile(target, startInFile)
    this.#profile = packingProfile(part.layers[0].index.profile)
    this.#moving = moveRuns(part, data, this.#image, { onProgress, sync }) // a thread copies from here on
    this.#part = planPart(part, 0)
    this.#packing = packFragments(this.#part, data, this.#image) //           workers pack, if there is much to pack
    this.#packing.catch(() => {}) // reported where it is awaited
  }

  /**
   * @param tree the layers that `beginImage` was given, with further ones on top that hide nothing of them
   * @param data of the further layers
   */
  async finish(tree: MergedTree, data: DataSource[], options: FinishOptions): Promise<LinkReport> {
    const { modeOf, terms, admit = () => {} } = options
    try {
      const below = await this.#packing
      const { part, fragments } = await this.#addLayers(tree, data, below)
      const files = new FilePlaces(tree.layers, [this.#part, part])
      const encoded = encodeTree(tree, files, modeOf, terms) //          every inode has its place
      const tables = encodeTables(encoded, fragments, this.#profile) //  every table has its place
      writeTables(this.#image, tables, fragments.end)
      const moved = await this.#moving.done
      await this.#image.seal(tables.superblock, tables.bytesUsed, this.#sync, admit) // a torn image has no magic
      const repacked = this.#part.plan.repacked.length + part.plan.repacked.length
      return {
        inodes: tree.inodeKind.length,
        imageBytes: this.#image.sizeBytes,
        ...moved,
        copiedBytes: moved.copiedBytes + part.placed.end - below.end,
        repackedFragments: repacked,
        clampedTimes: encoded.clampedTimes
      }
    } catch (cause) {
      await this.abandon()
      throw asImageError(this.#target, cause)
    }
  }

  /** Removes the file as soon as nothing writes to it any more. After `finish` it does nothing. */
  async abandon(): Promise<void> {
    this.#moving.stop()
    await Promise.allSettled([this.#moving.done, this.#packing])
    this.#image.discard()
  }

  async #addLayers(
    tree: MergedTree,
    data: DataSource[],
    below: PackedFragments
  ): Promise<{ part: DataPart; fragments: PackedFragments }> {
    const first = this.#part.layers.length
    checkProfiles(tree.layers)
    const part = planPart(placePart(tree, first, below.end), below.start.length)
    await moveRuns(part, data, this.#image).done
    const { start, stored, end } = await packFragments(part, data, this.#image)
    return {
      part,
      fragments: { start: [...below.start, ...start], stored: [...below.stored, ...stored], end }
    }
  }
}

/** All blocks of an image share a compressor and a block size. The caller compiles layers that have others. */
function checkProfiles(layers: StackLayer[]): void {
  const { profile } = layers[0].index
  for (const { index, name } of layers)
    if (index.profile.compressor !== profile.compressor || index.profile.blockSize !== profile.blockSize)
      throw new TypeError(
        `the object of ${name} was compiled for another profile than that of ${layers[0].name}`
      )
}

function namingTarget<T>(target: string, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    throw asImageError(target, cause)
  }
}

const asImageError = (target: string, error: unknown): unknown => outputError('image', target, error)

function writeTables(image: ImageFile, { parts }: ImageTables, start: number): void {
  let position = start
  for (const part of parts) {
    image.write(part, position)
    position += part.length
  }
}
