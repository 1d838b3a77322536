import { cloneRange, copyRange, type NativeError } from '../../native/index.ts'
import { StrataError } from '../../store/errors.ts'
import type { DataSource } from '../../store/object/content-reader.ts'
import type { StackLayer } from '../merge/index.ts'
import type { ImageFile } from './image-file.ts'
import { PAGE_BYTES, RUN_ALIGNED_BYTES, type Run } from './place-data.ts'

export interface Moved {
  /** Bytes that share their place on the disk with the object. */
  clonedBytes: number
  copiedBytes: number
}

/** Between two calls of `onProgress`; also what is copied when the file system can do it for us. */
const CHUNK_BYTES = 64 << 20

/**
 * Stored blocks into the image, as they are.
 * @throws StrataError OBJECT_CORRUPT where a data file ends too early
 */
export function copyRuns(
  runs: Run[],
  layers: StackLayer[],
  data: DataSource[],
  image: ImageFile,
  onProgress: (bytes: number) => void
): Moved {
  const moved: Moved = { clonedBytes: 0, copiedBytes: 0 }
  // Layers may lie in stores on other file systems: each is tried by itself, until it fails.
  const cloneable = data.map(source => typeof source === 'number')
  for (const run of runs) {
    const source = data[run.layer]
    const name = layers[run.layer].name
    if (typeof source !== 'number') writeFromMemory(source, run, name, image)
    else if (cloneable[run.layer] && run.lengthBytes >= RUN_ALIGNED_BYTES) {
      const cloned = cloneInterior(source, run, image.fd)
      cloneable[run.layer] = cloned.lengthBytes > 0
      moved.clonedBytes += cloned.lengthBytes
      const behind = cloned.source + cloned.lengthBytes
      copy(source, part(run, run.source, cloned.source), name, image.fd, onProgress)
      copy(source, part(run, behind, run.source + run.lengthBytes), name, image.fd, onProgress)
      onProgress(cloned.lengthBytes)
    } else copy(source, run, name, image.fd, onProgress)
  }
  moved.copiedBytes = runs.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0) - moved.clonedBytes
  return moved
}

/** The bytes [from, to) of the source, as a run of their own. */
const part = (run: Run, from: number, to: number): Run => ({
  layer: run.layer,
  source: from,
  lengthBytes: to - from,
  target: run.target + from - run.source
})

/** What is refused where blocks cannot be shared: by the file system, between two, or for its block size. */
const CANNOT_CLONE = new Set(['EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOSYS', 'EPERM', 'ETXTBSY'])

/** Share the whole pages of a run. @returns the part that is done, of no bytes when that does not work */
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

function copy(
  source: number,
  run: Run,
  name: string,
  imageFd: number,
  onProgress: (bytes: number) => void
): void {
  for (let done = 0; done < run.lengthBytes; ) {
    const wanted = Math.min(CHUNK_BYTES, run.lengthBytes - done)
    const copied = copyRange(source, run.source + done, imageFd, run.target + done, wanted)
    if (copied < wanted) throw cutOff(name, run.source + done + copied)
    done += copied
    onProgress(copied)
  }
}

function writeFromMemory(source: Uint8Array, run: Run, name: string, image: ImageFile): void {
  if (run.source + run.lengthBytes > source.length) throw cutOff(name, source.length)
  image.write(source.subarray(run.source, run.source + run.lengthBytes), run.target)
}

const cutOff = (name: string, position: number) =>
  new StrataError('OBJECT_CORRUPT', {
    message: `the data file of ${name} ends at byte ${position}, before the blocks that its index names`,
    facts: { module: name, position },
    hint: 'compose fsck'
  })
