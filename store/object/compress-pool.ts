/**
 * Packs blocks on all cores. Results are promises, and the writer awaits them in the order of the requests, so the
 * output does not depend on which worker was faster.
 *
 * A block that may have been packed before takes two steps. The worker hashes it and keeps it; the main thread looks the
 * hash up; the worker then copies the packed form, or packs the block. Meanwhile the worker packs other blocks.
 */
import { createHash } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { type Packing, packBlock } from './block-codec.ts'
import { type BlockPlace, type FoundBlock, type KnownBlocks, readKnownBlock } from './known-block.ts'
import { STORED_RAW } from './layer-index.ts'

export interface PackRequest {
  buffer: ArrayBuffer
  lengthBytes: number
  packing: Packing
}

export type WorkerRequest =
  | { do: 'pack'; id: number; block: PackRequest; isHashed: boolean }
  /** Hash the block and keep it. */
  | { do: 'hash'; id: number; block: PackRequest }
  /** Copy the packed form of the block that was kept, or pack it. */
  | { do: 'finish'; id: number; place?: BlockPlace }

/** With `packed`, the request is done. */
export interface WorkerReply {
  id: number
  hash?: Uint8Array<ArrayBuffer>
  packed?: { buffer: ArrayBuffer; stored: number; isKnown: boolean }
}

export interface PackedBlock {
  /** Bytes to store. They lie in the buffer of the request, or in a transferred copy of it. */
  bytes: Uint8Array
  /** Length of `bytes`, | STORED_RAW. */
  stored: number
}

export interface HashedBlock extends PackedBlock {
  /** SHA-256 of the raw bytes. */
  hash: Uint8Array<ArrayBuffer>
  /** True if it was copied, not packed. */
  isKnown: boolean
}

export interface Packer {
  /** Number of requests that keep it busy; callers wait when far more are under way. */
  readonly depth: number
  /** Packs the first `lengthBytes` of `buffer`, which the caller may not use any more. */
  pack(buffer: ArrayBuffer, lengthBytes: number, packing: Packing): Promise<PackedBlock>
  /** Like `pack`, and hashes the raw bytes. @param known saves packing a block; a packer may ignore it */
  packHashed(
    buffer: ArrayBuffer,
    lengthBytes: number,
    packing: Packing,
    known?: KnownBlocks
  ): Promise<HashedBlock>
}

interface Task {
  block: PackRequest
  isHashed: boolean
  known?: KnownBlocks
  found?: FoundBlock
  resolve(block: HashedBlock): void
  reject(error: Error): void
}

interface Lane {
  worker: Worker
  tasks: Map<number, Task>
}

/** Requests queued in each worker, so that it is never idle while the main thread is busy. */
const TASKS_PER_LANE = 3

/**
 * Bytes that are packed in the calling thread before the first worker starts. Starting one takes as long as packing four
 * times as many at level 15. Without workers, an import of a small file takes 160
 * instead of 200 ms of a processor (medians of 15 in turns, 2 cores, Node 20.20).
 */
const INLINE_BYTES = 128 << 10

/** Hash of a block whose caller did not ask for it. */
const NO_HASH = new Uint8Array(0)

export class CompressPool implements Packer {
  readonly #lanes: Lane[] = []
  readonly #waiting: Task[] = []
  readonly #size: number
  readonly #inline = new InlinePacker()
  /** Bytes that may still be packed without a worker. */
  #inlineBytes: number
  #lastId = 0
  #isClosed = false
  #failure: Error | undefined

  /** Workers start when there is more work than `inlineBytes`. */
  constructor(workers = availableParallelism(), inlineBytes = INLINE_BYTES) {
    this.#size = Math.max(1, workers)
    this.#inlineBytes = inlineBytes
  }

  get depth(): number {
    return this.#size * TASKS_PER_LANE
  }

  /** The buffer may move to a worker. */
  pack(buffer: ArrayBuffer, lengthBytes: number, packing: Packing): Promise<PackedBlock> {
    if (this.#isForThisThread(lengthBytes)) return this.#inline.pack(buffer, lengthBytes, packing)
    return this.#request({ block: { buffer, lengthBytes, packing }, isHashed: false })
  }

  packHashed(
    buffer: ArrayBuffer,
    lengthBytes: number,
    packing: Packing,
    known?: KnownBlocks
  ): Promise<HashedBlock> {
    if (this.#isForThisThread(lengthBytes))
      return this.#inline.packHashed(buffer, lengthBytes, packing, known)
    return this.#request({ block: { buffer, lengthBytes, packing }, isHashed: true, known })
  }

  /** Once a worker has started, everything goes to workers. */
  #isForThisThread(lengthBytes: number): boolean {
    this.#inlineBytes -= lengthBytes
    return this.#lanes.length === 0 && this.#inlineBytes >= 0
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(this.#lanes.map(lane => lane.worker.terminate()))
    for (const task of this.#underWay()) task.found?.release()
  }

  #request(request: Pick<Task, 'block' | 'isHashed' | 'known'>): Promise<HashedBlock> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...request, resolve, reject })
      this.#dispatch()
    })
  }

  #dispatch(): void {
    while (this.#waiting.length > 0) {
      // As many blocks again are being looked up.
      const most = this.#waiting[0].known === undefined ? TASKS_PER_LANE : 2 * TASKS_PER_LANE
      const lane = this.#idlestLane(most)
      if (lane === undefined) return
      this.#send(lane, this.#waiting.shift()!)
    }
  }

  #send({ worker, tasks }: Lane, task: Task): void {
    const { block, isHashed, known } = task
    const id = ++this.#lastId
    tasks.set(id, task)
    const request: WorkerRequest =
      known === undefined ? { do: 'pack', id, block, isHashed } : { do: 'hash', id, block }
    worker.postMessage(request, [block.buffer])
  }

  #idlestLane(most: number): Lane | undefined {
    const free = this.#lanes.filter(lane => lane.tasks.size < most)
    const idle = free.find(lane => lane.tasks.size === 0)
    if (idle !== undefined) return idle
    if (this.#lanes.length < this.#size) return this.#startLane()
    return free.sort((a, b) => a.tasks.size - b.tasks.size)[0]
  }

  #startLane(): Lane {
    // A full path and not `./x.ts`, because the compiler rewrites imports but not URLs.
    const worker = new Worker(new URL('./compress-worker.js', import.meta.url))
    const lane: Lane = { worker, tasks: new Map() }
    worker.on('message', (reply: WorkerReply) => this.#receive(lane, reply))
    worker.on('error', error => this.#fail(error as Error))
    this.#lanes.push(lane)
    return lane
  }

  #receive(lane: Lane, { id, hash = NO_HASH, packed }: WorkerReply): void {
    const task = lane.tasks.get(id)!
    if (packed === undefined) {
      this.#lookUp(lane, id, hash)
      return
    }
    lane.tasks.delete(id)
    task.found?.release()
    const { buffer, stored, isKnown } = packed
    task.resolve({ bytes: new Uint8Array(buffer, 0, stored & ~STORED_RAW), stored, hash, isKnown })
    this.#dispatch()
  }

  async #lookUp({ worker, tasks }: Lane, id: number, hash: Uint8Array<ArrayBuffer>): Promise<void> {
    const task = tasks.get(id)!
    const found = await task.known!.find(hash)
    if (this.#isClosed) return found?.release()
    task.found = found
    const place = found && { fd: found.fd, position: found.position, stored: found.stored }
    worker.postMessage({ do: 'finish', id, place } satisfies WorkerRequest)
  }

  /** Called when a worker died: all requests under way are rejected. */
  #fail(error: Error): void {
    this.#failure = error
    for (const task of [...this.#underWay(), ...this.#waiting]) task.reject(error)
    this.#waiting.length = 0
  }

  #underWay(): Task[] {
    return this.#lanes.flatMap(({ tasks }) => [...tasks.values()])
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

  async packHashed(
    buffer: ArrayBuffer,
    lengthBytes: number,
    packing: Packing,
    known?: KnownBlocks
  ): Promise<HashedBlock> {
    const raw = new Uint8Array(buffer, 0, lengthBytes)
    // As those of workers, which arrive as plain bytes.
    const hash = new Uint8Array(createHash('sha256').update(raw).digest())
    const copied = known && (await copyKnown(raw, hash, packing, known))
    if (copied !== undefined) return { ...copied, hash, isKnown: true }
    return { ...(await this.pack(buffer, lengthBytes, packing)), hash, isKnown: false }
  }
}

async function copyKnown(
  raw: Uint8Array,
  hash: Uint8Array,
  packing: Packing,
  known: KnownBlocks
): Promise<PackedBlock | undefined> {
  const found = await known.find(hash)
  if (found === undefined) return undefined
  const rooms = { stored: new Uint8Array(raw.length), unpacked: new Uint8Array(2 * raw.length + 1024) }
  try {
    const bytes = readKnownBlock(raw, found, packing, rooms)
    return bytes && { bytes, stored: found.stored }
  } finally {
    found.release()
  }
}
