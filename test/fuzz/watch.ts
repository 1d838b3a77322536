import { Worker } from 'node:worker_threads'
import type { FuzzReport } from './loop.ts'
import type { WorkerInput } from './worker.ts'

/** No input of a quarter of a megabyte is worth more, on a busy machine and counted by V8. */
const LONGEST_MS = 10_000
const LARGEST_BYTES = 1 << 18
const HEAP_MIB = 1024

export interface WatchOptions {
  seed: number
  milliseconds: number
  executions?: number
}

/** Fuzzes one target; an input that takes too long, or all memory, ends the run and is its last find. */
export function watchTarget(name: string, options: WatchOptions): Promise<FuzzReport> {
  const shared = new SharedArrayBuffer(8 + LARGEST_BYTES)
  const input: WorkerInput = { name, ...options, shared }
  const worker = new Worker(new URL('./worker.js', import.meta.url), {
    workerData: input,
    trackUnmanagedFds: false, // the addon opens some of those that are closed here
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB }
  })
  const state = new Uint32Array(shared, 0, 2)
  const lastInput = () => Buffer.from(new Uint8Array(shared, 8, Math.min(state[1], LARGEST_BYTES)))
  const ended = (fault: string): FuzzReport => ({
    target: name,
    executions: Atomics.load(state, 0),
    refused: 0,
    kept: 0,
    reached: 0,
    finds: [{ bytes: lastInput(), fault }]
  })
  return new Promise(resolve => {
    let [before, since] = [-1, performance.now()]
    const watch = setInterval(() => {
      const now = Atomics.load(state, 0)
      if (now !== before || now === 0) [before, since] = [now, performance.now()]
      else if (performance.now() - since > LONGEST_MS) {
        clearInterval(watch)
        resolve(ended(`still at it after ${LONGEST_MS} ms`))
        void worker.terminate()
      }
    }, 250)
    worker.on('message', (report: FuzzReport) => {
      clearInterval(watch)
      const finds = report.finds.map(find => ({ ...find, bytes: Buffer.from(find.bytes) }))
      resolve({ ...report, finds })
    })
    worker.on('error', error => {
      clearInterval(watch)
      resolve(ended(error.stack ?? error.message))
    })
  })
}
