import type { DataSource } from '../../store/object/index.ts'
import { outputError, type Profile } from '../../store/values/index.ts'
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
  /** Path of the image; what is there is replaced when the new one is whole. */
  target: string
}

export interface FinishOptions {
  modeOf: ModeOf
  /** For whom the image is, where no records lie in it (store/module/terms.ts). */
  terms?: string
  /** Sets mode and ACL of the finished file before it gets its name. Until then it is 0600. */
  admit?: (fd: number) => void | Promise<void>
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
 * @param data of each layer of the tree, in its order: an open file, or memory
 * @throws StrataError IMAGE_LIMIT for what SquashFS cannot hold, OBJECT_CORRUPT for data that its index does not fit,
 *   IO for what the file system refused
 */
export async function linkImage(
  tree: MergedTree,
  data: DataSource[],
  options: BeginOptions & FinishOptions
): Promise<LinkReport> {
  return beginImage(tree, data, options).finish(tree, [], options)
}

/**
 * As `linkImage`, in two steps: copying takes longest, and begins when the modules' tree is known. What goes on top
 * of them (their lock, the digest of their tree) is computed meanwhile.
 * @param tree of the layers whose data goes into the image first
 */
export function beginImage(tree: MergedTree, data: DataSource[], options: BeginOptions): ImageUnderWay {
  if (data.length !== tree.layers.length)
    throw new TypeError(`${tree.layers.length} layers, but data for ${data.length}`)
  checkProfiles(tree.layers)
  const part = placePart(tree, 0, DATA_START)
  return namingTarget(options.target, () => new ImageUnderWay(part, data, options))
}

/** Either `finish` or `abandon` has to be called. */
export class ImageUnderWay {
  readonly #image: ImageFile
  readonly #target: string
  readonly #sync: boolean
  readonly #profile: Profile
  readonly #part: DataPart
  readonly #moving: MovingRuns
  readonly #packing: Promise<PackedFragments>

  /** @throws an error of node:fs */
  constructor(part: PlacedPart, data: DataSource[], { target, onProgress, sync = true }: BeginOptions) {
    this.#target = target
    this.#sync = sync
    this.#image = new ImageFile(target)
    this.#profile = part.layers[0].index.profile
    this.#moving = moveRuns(part, data, this.#image, { onProgress, sync }) // a thread copies from here on
    this.#part = planPart(part, 0)
    this.#packing = packFragments(this.#part, data, this.#image) //           workers pack, if there is much to pack
    this.#packing.catch(() => {}) // reported where it is awaited
  }

  /**
   * @param tree of the layers that `beginImage` was given, which hide and replace nothing of each other that they did
   *   not then, and of further ones on top
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

  /** Leave nothing behind: the file is removed when nothing writes to it any more. After `finish` it does nothing. */
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

/** Blocks of one image share a compressor and a block size; the caller compiles layers that have another. */
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
