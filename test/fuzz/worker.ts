/** One target in a thread of its own, so that an input that never ends, or takes all memory, can be named. */
import { parentPort, workerData } from 'node:worker_threads'
import { fuzz } from './loop.ts'
import { targets } from './targets/index.ts'

const { name, seed, milliseconds, executions, shared } = workerData as WorkerInput

export interface WorkerInput {
  name: string
  seed: number
  milliseconds: number
  executions?: number
  /** u32 number of the input, u32 its length, the input. */
  shared: SharedArrayBuffer
}

const state = new Uint32Array(shared, 0, 2)
const room = new Uint8Array(shared, 8)
const target = targets.find(known => known.name === name)!
const report = await fuzz(target, {
  seed,
  milliseconds,
  executions,
  onInput(bytes) {
    room.set(bytes.subarray(0, room.length))
    state[1] = bytes.length
    Atomics.add(state, 0, 1)
  }
})
parentPort!.postMessage(report)
