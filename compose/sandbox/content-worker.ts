import { closeSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { fstatAt, utimensAt } from '../../native/index.ts'
import { ContentReader } from '../../store/object/content-reader.ts'
import type { ContentDone, ContentJob, ContentReply, PoolData } from './content-pool.ts'
import { writeContent } from './content-writer.ts'

const { layers, finished }: PoolData = workerData
const readers = layers.map(layer => new ContentReader(layer.source, layer, layer.profile))

function write({ inode, fd, layer, content, mtimeSeconds, mtimeNanoseconds }: ContentJob): ContentDone {
  try {
    writeContent(fd, readers[layer], layers[layer], content, layers[layer].profile.blockSize)
    utimensAt(fd, '', mtimeSeconds, mtimeNanoseconds)
    const status = fstatAt(fd)
    return {
      inode,
      sizeBytes: status.size,
      mtimeSeconds: status.mtimeSeconds,
      mtimeNanoseconds: status.mtimeNanoseconds
    }
  } finally {
    closeSync(fd)
  }
}

function replyTo(job: ContentJob): ContentReply {
  try {
    return { done: write(job) }
  } catch (failure) {
    return { inode: job.inode, failure: failure as Error }
  }
}

parentPort?.on('message', (job: ContentJob) => {
  parentPort?.postMessage(replyTo(job))
  Atomics.add(finished, 0, 1)
})
