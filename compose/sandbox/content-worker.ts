import { closeSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { fstatAt, utimensAt } from '../../native/index.ts'
import { openParts } from '../../store/contents/index.ts'
import { ContentReader } from '../../store/object/index.ts'
import type { PoolData, ToldFailure } from './content-pool.ts'
import { writeContent } from './content-writer.ts'
import { type ContentJob, JobTaker } from './job-ring.ts'

const { layers, times, jobs }: PoolData = workerData
const readers = layers.map(
  ({ source, ...layer }) =>
    new ContentReader(typeof source === 'number' ? source : openParts(source), layer, layer.profile)
)

/** @returns bytes of the file */
function write({ inode, fd, layer, content }: ContentJob): number {
  try {
    writeContent(fd, readers[layer], layers[layer], content, layers[layer].profile.blockSize)
    utimensAt(fd, '', times.seconds[inode], times.nanoseconds[inode])
    const status = fstatAt(fd)
    times.seconds[inode] = status.mtimeSeconds
    times.nanoseconds[inode] = status.mtimeNanoseconds
    return status.size
  } finally {
    closeSync(fd)
  }
}

function writeOrTell(job: ContentJob): number {
  try {
    return write(job)
  } catch (failure) {
    const { code, syscall } = failure as NodeJS.ErrnoException
    const told: ToldFailure = { inode: job.inode, failure: failure as Error, system: { code, syscall } }
    parentPort?.postMessage(told)
    return 0
  }
}

const taker = new JobTaker(jobs)
for (let job = taker.take(); job !== undefined; job = taker.take()) taker.finished(writeOrTell(job))
