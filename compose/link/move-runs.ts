import { closeSync } from 'node:fs'
import { type Copying, type CopyRange, cloneRange, copyRanges, type NativeError } from '../../native/index.ts'
import { descriptorLimit } from '../../store/disk/index.ts'
import {
  bytesToPage,
  type DataSource,
  isParted,
  type OpenPart,
  PAGE_BYTES,
  type PartedBytes
} from '../../store/object/index.ts'
import { StrataError } from '../../store/values/index.ts'
import type { StackLayer } from '../merge/index.ts'
import type { PlacedPart } from './data-part.ts'
import type { ImageFile } from './image-file.ts'
import { RUN_ALIGNED_BYTES, type Run } from './place-data.ts'

export interface Moved {
  /** Bytes that share disk blocks with the object. */
  clonedBytes: number
  copiedBytes: number
}

/** Blocks that are being copied into the image. */
export interface MovingRuns {
  /** @throws StrataError OBJECT_CORRUPT if a data file ends too early */
  done: Promise<Moved>
  /** Stops copying, because the image is given up. */
  stop(): void
}

export interface MoveOptions {
  /** Called with the number of bytes that were just copied. */
  onProgress?: (bytes: number) => void
  /** True (default) if the image is flushed in the end; then the disk starts writing while blocks are copied. */
  sync?: boolean
}

/**
 * Brings stored blocks into the image unchanged. Blocks that can be shared are shared when this returns; the rest is
 * copied by its own thread while the caller goes on. Both hold for as many parts as may be open at once; the following
 * ones are shared and copied after these.
 */
export function moveRuns(
  part: PlacedPart,
  data: DataSource[],
  image: ImageFile,
  { onProgress = () => {}, sync = true }: MoveOptions = {}
): MovingRuns {
  let copying: Copying | undefined
  let isStopped = false
  const move = async (): Promise<Moved> => {
    const { layers } = part
    const runs = part.placed.runs.flat()
    for (const run of runs) writeIfInMemory(data[run.layer], run, layers[run.layer].name, image)
    let clonedBytes = 0
    for (const pieces of batches(piecesOf(runs, data, layers))) {
      const files = new OpenFiles(data)
      try {
        const cloned = clonePieces(pieces, files, image)
        clonedBytes += cloned.clonedBytes
        onProgress(cloned.clonedBytes)
        copying = copyRanges(
          cloned.rest.map(piece => asRange(piece, files, image)),
          { flushes: sync, onProgress }
        )
        const copied = await copying.done
        if (isStopped) break
        if (copied < totalBytes(cloned.rest)) throw cutOff(cloned.rest, copied, layers)
      } finally {
        files.close()
      }
    }
    return { clonedBytes, copiedBytes: totalBytes(runs) - clonedBytes }
  }
  const done = move()
  done.catch(() => {}) // reported where it is awaited
  const stop = () => {
    isStopped = true
    copying?.stop()
  }
  return { done, stop }
}

const totalBytes = (runs: Run[]): number => runs.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0)

/** Bytes of a run that lie in one file. */
interface Piece extends Run {
  /** Number of the part, if the data file consists of parts. */
  part?: number
  /** True if the whole run is large enough to keep its offset within a page. */
  isAligned: boolean
}

/** @throws StrataError OBJECT_CORRUPT if a data file ends too early */
function* piecesOf(runs: Run[], data: DataSource[], layers: StackLayer[]): Generator<Piece> {
  for (const run of runs) {
    const source = data[run.layer]
    const isAligned = run.lengthBytes >= RUN_ALIGNED_BYTES
    if (typeof source === 'number') yield { ...run, isAligned }
    if (!isParted(source)) continue
    if (run.source + run.lengthBytes > source.lengthBytes)
      throw endsAt(layers[run.layer].name, source.lengthBytes)
    for (const { part, start, lengthBytes } of source.stretches(run.source, run.lengthBytes))
      yield { ...slice(run, start, start + lengthBytes), part, isAligned }
  }
}

/** Parts that are open at the same time. A process may usually open 1,024 files. */
const PARTS_AT_ONCE = Math.max(1, Math.min(256, Math.floor(descriptorLimit() / 4)))

function* batches(pieces: Iterable<Piece>): Generator<Piece[]> {
  let batch: Piece[] = []
  for (const piece of pieces) {
    if (batch.length === PARTS_AT_ONCE) {
      yield batch
      batch = []
    }
    batch.push(piece)
  }
  yield batch
}

/** The files of some pieces, each opened once. */
class OpenFiles {
  readonly #data: DataSource[]
  readonly #parts = new Map<string, OpenPart>()

  constructor(data: DataSource[]) {
    this.#data = data
  }

  /** @returns the file, and where the first byte of the piece lies in it. @throws StrataError as DataParts.open */
  find({ layer, part, source }: Piece): OpenPart {
    const data = this.#data[layer]
    if (typeof data === 'number') return { fd: data, offset: source }
    const parts = data as PartedBytes
    const key = `${layer} ${part}`
    const open = this.#parts.get(key) ?? parts.open(part!)
    this.#parts.set(key, open)
    return { fd: open.fd, offset: open.offset + source - parts.place.parts[part!].start }
  }

  close(): void {
    for (const { fd } of this.#parts.values()) closeSync(fd)
  }
}

function asRange(piece: Piece, files: OpenFiles, image: ImageFile): CopyRange {
  const { fd, offset } = files.find(piece)
  return {
    inFd: fd,
    inOffset: offset,
    outFd: image.fd,
    outOffset: image.startInFile + piece.target,
    lengthBytes: piece.lengthBytes
  }
}

/**
 * Shares the blocks that the file system can share. Layers may lie in stores on several file systems, so each is
 * tried until it fails. A part that was first used at another place within a page cannot be shared.
 */
function clonePieces(
  pieces: Piece[],
  files: OpenFiles,
  image: ImageFile
): { rest: Piece[]; clonedBytes: number } {
  const rest: Piece[] = []
  const cannot = new Set<number>()
  let clonedBytes = 0
  for (const piece of pieces) {
    const file = piece.isAligned && !cannot.has(piece.layer) ? files.find(piece) : undefined
    if (file === undefined || file.offset % PAGE_BYTES !== piece.target % PAGE_BYTES) {
      rest.push(piece)
      continue
    }
    const cloned = cloneInterior(file, piece, image)
    if (cloned === undefined) cannot.add(piece.layer)
    const { source, lengthBytes } = cloned ?? { ...piece, lengthBytes: 0 }
    clonedBytes += lengthBytes
    const ends = [
      slice(piece, piece.source, source),
      slice(piece, source + lengthBytes, piece.source + piece.lengthBytes)
    ]
    rest.push(...ends.filter(end => end.lengthBytes > 0))
  }
  return { rest, clonedBytes }
}

/** The bytes [from, to) of the source. */
const slice = <R extends Run>(run: R, from: number, to: number): R => ({
  ...run,
  source: from,
  lengthBytes: to - from,
  target: run.target + from - run.source
})

/** Errors of file systems that cannot share blocks at all, between two of them, or of this size. */
const CANNOT_CLONE = new Set(['EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOSYS', 'EPERM', 'ETXTBSY'])

/** Shares the whole pages of a piece. @returns the shared ones; undefined if sharing does not work */
function cloneInterior({ fd, offset }: OpenPart, piece: Piece, image: ImageFile): Piece | undefined {
  const skipped = bytesToPage(offset)
  const pages = Math.floor((piece.lengthBytes - skipped) / PAGE_BYTES) * PAGE_BYTES
  if (pages <= 0) return slice(piece, piece.source, piece.source)
  const interior = slice(piece, piece.source + skipped, piece.source + skipped + pages)
  try {
    cloneRange(fd, offset + skipped, image.fd, image.startInFile + interior.target, pages)
    return interior
  } catch (error) {
    if (CANNOT_CLONE.has((error as NativeError).code)) return undefined
    throw error
  }
}

function writeIfInMemory(source: DataSource, run: Run, name: string, image: ImageFile): void {
  if (!(source instanceof Uint8Array)) return
  if (run.source + run.lengthBytes > source.length) throw endsAt(name, source.length)
  image.write(source.subarray(run.source, run.source + run.lengthBytes), run.target)
}

/** The error for the run that was cut off after `copied` bytes of all runs. */
function cutOff(runs: Run[], copied: number, layers: StackLayer[]): StrataError {
  let before = 0
  for (const { layer, source, lengthBytes } of runs) {
    if (before + lengthBytes > copied) return endsAt(layers[layer].name, source + copied - before)
    before += lengthBytes
  }
  throw new RangeError('all of the runs were copied')
}

const endsAt = (name: string, position: number) =>
  new StrataError('OBJECT_CORRUPT', {
    message: `the data file of ${name} ends at byte ${position}, before the blocks that its index names`,
    facts: { module: name, position },
    hint: 'compose fsck'
  })
