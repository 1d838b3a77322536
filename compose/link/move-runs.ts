import { type Copying, type CopyRange, cloneRange, copyRanges, type NativeError } from '../../native/index.ts'
import type { DataSource } from '../../store/object/index.ts'
import { StrataError } from '../../store/values/index.ts'
import type { StackLayer } from '../merge/index.ts'
import type { PlacedPart } from './data-part.ts'
import type { ImageFile } from './image-file.ts'
import { PAGE_BYTES, RUN_ALIGNED_BYTES, type Run } from './place-data.ts'

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
 * copied by its own thread while the caller goes on.
 */
export function moveRuns(
  part: PlacedPart,
  data: DataSource[],
  image: ImageFile,
  { onProgress = () => {}, sync = true }: MoveOptions = {}
): MovingRuns {
  let copying: Copying | undefined
  const move = async (): Promise<Moved> => {
    const { layers } = part
    const runs = part.placed.runs.flat()
    for (const run of runs) writeIfInMemory(data[run.layer], run, layers[run.layer].name, image)
    const { rest, clonedBytes } = cloneRuns(
      runs.filter(run => typeof data[run.layer] === 'number'),
      data,
      image
    )
    onProgress(clonedBytes)
    copying = copyRanges(
      rest.map(run => asRange(run, data, image)),
      { flushes: sync, onProgress }
    )
    const copied = await copying.done
    if (copied < totalBytes(rest)) throw cutOff(rest, copied, layers)
    return { clonedBytes, copiedBytes: totalBytes(runs) - clonedBytes }
  }
  const done = move()
  done.catch(() => {}) // reported where it is awaited
  return { done, stop: () => copying?.stop() }
}

const totalBytes = (runs: Run[]): number => runs.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0)

const asRange = (
  { layer, source, target, lengthBytes }: Run,
  data: DataSource[],
  image: ImageFile
): CopyRange => ({
  inFd: data[layer] as number,
  inOffset: source,
  outFd: image.fd,
  outOffset: target,
  lengthBytes
})

/**
 * Shares the blocks that the file system can share. Layers may lie in stores on several file systems, so each is
 * tried until it fails.
 */
function cloneRuns(runs: Run[], data: DataSource[], image: ImageFile): { rest: Run[]; clonedBytes: number } {
  const rest: Run[] = []
  const cannot = new Set<number>()
  let clonedBytes = 0
  for (const run of runs) {
    if (run.lengthBytes < RUN_ALIGNED_BYTES || cannot.has(run.layer)) {
      rest.push(run)
      continue
    }
    const cloned = cloneInterior(data[run.layer] as number, run, image.fd)
    if (cloned.lengthBytes === 0) cannot.add(run.layer)
    clonedBytes += cloned.lengthBytes
    const behind = cloned.source + cloned.lengthBytes
    const ends = [part(run, run.source, cloned.source), part(run, behind, run.source + run.lengthBytes)]
    rest.push(...ends.filter(({ lengthBytes }) => lengthBytes > 0))
  }
  return { rest, clonedBytes }
}

/** The bytes [from, to) of the source, as a run of their own. */
const part = (run: Run, from: number, to: number): Run => ({
  layer: run.layer,
  source: from,
  lengthBytes: to - from,
  target: run.target + from - run.source
})

/** Errors of file systems that cannot share blocks at all, between two of them, or of this size. */
const CANNOT_CLONE = new Set(['EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOSYS', 'EPERM', 'ETXTBSY'])

/** Shares the whole pages of a run. @returns the shared part, empty if sharing does not work */
function cloneInterior(source: number, run: Run, imageFd: number): Run {
  const from = Math.ceil(run.source / PAGE_BYTES) * PAGE_BYTES
  const to = Math.floor((run.source + run.lengthBytes) / PAGE_BYTES) * PAGE_BYTES
  const interior = part(run, from, to)
  try {
    cloneRange(source, from, imageFd, interior.target, interior.lengthBytes)
    return interior
  } catch (error) {
    if (CANNOT_CLONE.has((error as NativeError).code)) return part(run, run.source, run.source)
    throw error
  }
}

function writeIfInMemory(source: DataSource, run: Run, name: string, image: ImageFile): void {
  if (typeof source === 'number') return
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
