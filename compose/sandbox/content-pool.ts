/**
 * Threads that unpack and write the larger files, while the main thread makes names. Work is handed over only where a
 * thread has room for it, else the main thread writes the file itself: nobody waits for anybody.
 */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { DataSource } from '../../store/object/content-reader.ts'
import type { LayerIndex } from '../../store/object/layer-index.ts'
import { DATA_SCHEMA } from '../../store/object/layer-index.ts'

/** An open, empty file, whose metadata but for the times is as it should be. The thread closes it. */
export interface ContentJob {
  inode: number
  fd: number
  layer: number
  content: number
  mtimeSeconds: number
  mtimeNanoseconds: number
}

export interface ContentDone {
  inode: number
  sizeBytes: number
  mtimeSeconds: number
  mtimeNanoseconds: number
}

export type ContentReply = { done: ContentDone } | { inode: number; failure: Error }

export type LayerData = Pick<LayerIndex, keyof typeof DATA_SCHEMA | 'profile'> & { source: DataSource }

export interface PoolData {
  layers: LayerData[]
  /** Jobs that this thread has finished, counted where the main thread can see it without being told. */
  finished: Int32Array
}

interface Lane {
  worker: Worker
  finished: Int32Array
  submitted: number
}

/** Each is an open descriptor; enough that a thread never runs dry while the main thread writes a file of its own. */
const JOBS_PER_LANE = 24
/** Above this, file systems gain nothing: names of one tree are made by one thread. */
const MOST_LANES = 4

export class ContentPool {
  readonly #layers: LayerData[]
  readonly #size: number
  readonly #lanes: Lane[] = []
  readonly #onDone: (done: ContentDone) => void
  #replies = 0
  #submitted = 0
  #failure: { inode: number; failure: Error } | undefined
  #settled: (() => void) | undefined

  /** Threads start when there is work for them. */
  constructor(
    layers: LayerData[],
    onDone: (done: ContentDone) => void,
    threads = Math.min(MOST_LANES, availableParallelism() - 1)
  ) {
    this.#layers = layers.map(layer => onlyData(layer))
    this.#onDone = onDone
    this.#size = threads
  }

  /** The first job that failed, as far as it is known yet. */
  get failure(): { inode: number; failure: Error } | undefined {
    return this.#failure
  }

  /** @returns false where no thread has room for it, and the file is still the caller's */
  submit(job: ContentJob): boolean {
    // Bytes in memory would be copied to each thread.
    if (typeof this.#layers[job.layer].source !== 'number') return false
    const lane = this.#freeLane()
    if (lane === undefined) return false
    lane.submitted++
    this.#submitted++
    lane.worker.postMessage(job)
    return true
  }

  /** Resolves when every job is done or has failed; see `failure`. */
  async finish(): Promise<void> {
    if (this.#replies < this.#submitted && !this.#isDead)
      await new Promise<void>(resolve => (this.#settled = resolve))
  }

  async close(): Promise<void> {
    await Promise.all(this.#lanes.map(({ worker }) => worker.terminate()))
  }

  #isDead = false

  #freeLane(): Lane | undefined {
    const free = this.#lanes.find(
      ({ submitted, finished }) => submitted - Atomics.load(finished, 0) < JOBS_PER_LANE
    )
    return free ?? (this.#lanes.length < this.#size ? this.#startLane() : undefined)
  }

  #startLane(): Lane {
    const finished = new Int32Array(new SharedArrayBuffer(4))
    const workerData: PoolData = {
      layers: this.#layers.map(layer => (typeof layer.source === 'number' ? layer : { ...layer, source: 0 })),
      finished
    }
    // A path, not a bare `./x.ts`: the compiler rewrites imports, not URLs.
    const worker = new Worker(new URL('./content-worker.js', import.meta.url), {
      workerData,
      trackUnmanagedFds: false // it closes files that the main thread opened
    })
    worker.on('message', (reply: ContentReply) => this.#take(reply))
    worker.on('error', failure => {
      this.#failure ??= { inode: 0, failure: failure as Error }
      this.#isDead = true
      this.#settled?.()
    })
    const lane = { worker, finished, submitted: 0 }
    this.#lanes.push(lane)
    return lane
  }

  #take(reply: ContentReply): void {
    this.#replies++
    if ('done' in reply) this.#onDone(reply.done)
    else this.#failure ??= reply
    if (this.#replies === this.#submitted) this.#settled?.()
  }
}

/** Without the tree: threads get a copy of what they are given. */
function onlyData(layer: LayerData): LayerData {
  const columns = Object.keys(DATA_SCHEMA) as (keyof typeof DATA_SCHEMA)[]
  const data = Object.fromEntries(columns.map(name => [name, layer[name].slice()]))
  return {
    ...(data as Pick<LayerIndex, keyof typeof DATA_SCHEMA>),
    profile: layer.profile,
    source: layer.source
  }
}
