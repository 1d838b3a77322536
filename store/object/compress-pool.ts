/**
 * Packs blocks on all cores. Results are promises, and the writer awaits them in the order of the requests, so the
 * output does not depend on which worker was faster.
 */
import { createHash } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { type Packing, packBlock } from './block-codec.ts'
import { STORED_RAW } from './layer-index.ts'

export interface PackRequest {
  buffer: ArrayBuffer
  lengthBytes: number
  packing: Packing
  isHashed: boolean
}

export interface PackReply {
  buffer: ArrayBuffer
  stored: number
  /** If it was asked for. */
  hash?: Uint8Array
}

export interface PackedBlock {
  /** Bytes to store. They lie in the buffer of the request, or in a transferred copy of it. */
  bytes: Uint8Array
  /** Length of `bytes`, | STORED_RAW. */
  stored: number
}

export interface HashedBlock extends PackedBlock {
  /** SHA-256 of the raw bytes. */
  hash: Uint8Array
}

export interface Packer {
  /** Number of requests that keep it busy; callers wait when far more are under way. */
  readonly depth: number
  /** Packs the first `lengthBytes` of `buffer`, which the caller may not use any more. */
  pack(buffer: ArrayBuffer, lengthBytes: number, packing: Packing): Promise<PackedBlock>
  /** Like `pack`, and hashes the raw bytes. */
  packHashed(buffer: ArrayBuffer, lengthBytes: number, packing: Packing): Promise<HashedBlock>
}

interface Task {
  request: PackRequest
  resolve(block: HashedBlock): void
  reject(error: Error): void
}

interface Lane {
  worker: Worker
  tasks: Task[]
}

/** Requests queued in each worker, so that it is never idle while the main thread is busy. */
const TASKS_PER_LANE = 3

/** Hash of a block whose caller did not ask for it. */
const NO_HASH = new Uint8Array(0)

export class CompressPool implements Packer {
  readonly #lanes: Lane[] = []
  readonly #waiting: Task[] = []
  readonly #size: number
  #failure: Error | undefined

  /** Workers start when there is work for them. */
  constructor(workers = availableParallelism()) {
    this.#size = Math.max(1, workers)
  }

  get depth(): number {
    return this.#size * TASKS_PER_LANE
  }

  /** The buffer moves to a worker. */
  pack(buffer: ArrayBuffer, lengthBytes: number, packing: Packing): Promise<PackedBlock> {
    return this.#request({ buffer, lengthBytes, packing, isHashed: false })
  }

  packHashed(buffer: ArrayBuffer, lengthBytes: number, packing: Packing): Promise<HashedBlock> {
    return this.#request({ buffer, lengthBytes, packing, isHashed: true })
  }

  async close(): Promise<void> {
    await Promise.all(this.#lanes.map(lane => lane.worker.terminate()))
  }

  #request(request: PackRequest): Promise<HashedBlock> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject })
      this.#dispatch()
    })
  }

  #dispatch(): void {
    while (this.#waiting.length > 0) {
      const lane = this.#idlestLane()
      if (lane === undefined) return
      const task = this.#waiting.shift()!
      lane.tasks.push(task)
      lane.worker.postMessage(task.request, [task.request.buffer])
    }
  }

  #idlestLane(): Lane | undefined {
    const free = this.#lanes.filter(lane => lane.tasks.length < TASKS_PER_LANE)
    const idle = free.find(lane => lane.tasks.length === 0)
    if (idle !== undefined) return idle
    if (this.#lanes.length < this.#size) return this.#startLane()
    return free.sort((a, b) => a.tasks.length - b.tasks.length)[0]
  }

  #startLane(): Lane {
    // A full path and not `./x.ts`, because the compiler rewrites imports but not URLs.
    const worker = new Worker(new URL('./compress-worker.js', import.meta.url))
    const lane: Lane = { worker, tasks: [] }
    worker.on('message', ({ buffer, stored, hash = NO_HASH }: PackReply) => {
      const task = lane.tasks.shift()!
      task.resolve({ bytes: new Uint8Array(buffer, 0, stored & ~STORED_RAW), stored, hash })
      this.#dispatch()
    })
    worker.on('error', error => this.#fail(error as Error))
    this.#lanes.push(lane)
    return lane
  }

  /** Called when a worker died: all requests under way are rejected. */
  #fail(error: Error): void {
    this.#failure = error
    for (const task of [...this.#lanes.flatMap(lane => lane.tasks), ...this.#waiting]) task.reject(error)
    this.#waiting.length = 0
  }
}

/** Packs in the calling thread. For a few small files, starting workers costs more than they save. */
export class InlinePacker implements Packer {
  readonly depth = 1

  pack(buffer: ArrayBuffer, lengthBytes: number, packing: Packing): Promise<PackedBlock> {
    const raw = new Uint8Array(buffer, 0, lengthBytes)
    const room = new Uint8Array(2 * lengthBytes + 1024)
    const stored = packBlock(raw, room, packing)
    return Promise.resolve({ bytes: stored < lengthBytes ? room.subarray(0, stored) : raw, stored })
  }

  async packHashed(buffer: ArrayBuffer, lengthBytes: number, packing: Packing): Promise<HashedBlock> {
    const hash = createHash('sha256')
      .update(new Uint8Array(buffer, 0, lengthBytes))
      .digest()
    return { ...(await this.pack(buffer, lengthBytes, packing)), hash }
  }
}
