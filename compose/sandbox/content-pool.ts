/**
 * Threads that unpack and write files, while the main thread makes names. Work is handed over only where a thread has
 * room for it, else the main thread writes the file itself: nobody waits for anybody.
 */
import { closeSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { descriptorLimit } from '../../store/disk/index.ts'
import { DATA_SCHEMA, type DataSource, type LayerIndex } from '../../store/object/index.ts'
import { type ContentJob, JobSubmitter, type RingMemory, ringMemory } from './job-ring.ts'

/** Times of all inodes, in memory that the threads share. */
export interface SharedTimes {
  /** Of a file that is submitted: as wanted, and when it is done as the file system kept it. */
  seconds: Float64Array
  nanoseconds: Uint32Array
}

export interface ContentFailure {
  inode: number
  failure: Error
}

/** What a thread says: an error loses all but its message on the way. */
export interface ToldFailure extends ContentFailure {
  system: Pick<NodeJS.ErrnoException, 'code' | 'syscall'>
}

export type LayerData = Pick<LayerIndex, keyof typeof DATA_SCHEMA | 'profile'> & { source: DataSource }

export interface PoolData {
  layers: LayerData[]
  times: SharedTimes
  jobs: RingMemory
}

interface Lane {
  jobs: JobSubmitter
  ended: Promise<void>
}

/** Each is an open descriptor; enough that a thread never runs dry while the main thread writes a file of its own. */
const JOBS_PER_LANE = 64
/** Above this, file systems gain nothing: names of one tree are made by one thread. */
const MOST_LANES = 4

/** What a thread has open beside its jobs, and what all else needs, deep trees among it. */
const FILES_OF_THREAD = 16
const FILES_BESIDE = 64

/** Threads for which there is room in `ulimit -n`; none where the main thread has to be sparing by itself. */
const lanesWithin = (limit: number): number =>
  Math.max(0, Math.floor((limit - FILES_BESIDE) / (JOBS_PER_LANE + FILES_OF_THREAD)))

export class ContentPool {
  readonly #layers: LayerData[]
  readonly #times: SharedTimes
  readonly #size: number
  readonly #lanes: Lane[] = []
  #failure: ContentFailure | undefined

  /** Threads start when there is work for them. */
  constructor(
    layers: LayerData[],
    times: SharedTimes,
    threads = Math.min(MOST_LANES, availableParallelism() - 1, lanesWithin(descriptorLimit()))
  ) {
    this.#layers = layers.map(layer => onlyData(layer))
    this.#times = times
    this.#size = threads
  }

  /** The first job that failed, as far as it is known yet. */
  get failure(): ContentFailure | undefined {
    return this.#failure
  }

  /** Of the files that are written. */
  get bytes(): number {
    return this.#lanes.reduce((sum, { jobs }) => sum + jobs.bytes, 0)
  }

  /**
   * @param job of a file whose metadata but for the times are as they should be; a thread closes it
   * @param wanted number of the thread that has something of it at hand
   * @returns number of the thread; undefined where none has room for it, and the file is still the caller's
   */
  submit(job: ContentJob, wanted?: number): number | undefined {
    // Bytes in memory would be copied to each thread.
    if (typeof this.#layers[job.layer].source !== 'number') return undefined
    if (wanted !== undefined && this.#lanes[wanted].jobs.submit(job)) return wanted
    const free = this.#lanes.findIndex(({ jobs }) => jobs.submit(job))
    if (free >= 0) return free
    if (this.#lanes.length === this.#size) return undefined
    this.#startLane().jobs.submit(job)
    return this.#lanes.length - 1
  }

  /** Before the caller does something else for a while: every job that was submitted is begun. */
  wake(): void {
    for (const { jobs } of this.#lanes) jobs.wake()
  }

  /** Resolves when every job is done or has failed (see `failure`), and no thread is left. Nothing is taken any more. */
  async finish(): Promise<void> {
    for (const { jobs } of this.#lanes) jobs.close()
    await Promise.all(this.#lanes.map(({ ended }) => ended))
  }

  #startLane(): Lane {
    const jobs = ringMemory(JOBS_PER_LANE)
    const workerData: PoolData = {
      layers: this.#layers.map(layer => (typeof layer.source === 'number' ? layer : { ...layer, source: 0 })),
      times: this.#times,
      jobs
    }
    // A path, not a bare `./x.ts`: the compiler rewrites imports, not URLs.
    const worker = new Worker(new URL('./content-worker.js', import.meta.url), {
      workerData,
      trackUnmanagedFds: false // it closes files that the main thread opened
    })
    worker.on('message', ({ inode, failure, system }: ToldFailure) => {
      this.#failure ??= {
        inode,
        failure: system.code === undefined ? failure : Object.assign(failure, system)
      }
    })
    worker.on('error', failure => {
      this.#failure ??= { inode: 0, failure: failure as Error }
    })
    const submitter = new JobSubmitter(jobs)
    let isOnline = false
    worker.on('online', () => {
      isOnline = true
    })
    const ended = new Promise<void>(resolve =>
      worker.on('exit', () => {
        // A thread that died may have closed the file it was at; one that never began had none.
        for (const { fd } of submitter.unfinished().slice(isOnline ? 1 : 0)) closeSync(fd)
        resolve()
      })
    )
    const lane = { jobs: submitter, ended }
    this.#lanes.push(lane)
    return lane
  }
}

/** Without the tree, and in memory that all threads share. */
function onlyData(layer: LayerData): LayerData {
  const columns = Object.keys(DATA_SCHEMA) as (keyof typeof DATA_SCHEMA)[]
  const data = Object.fromEntries(columns.map(name => [name, shared(layer[name])]))
  return {
    ...(data as Pick<LayerIndex, keyof typeof DATA_SCHEMA>),
    profile: layer.profile,
    source: layer.source
  }
}

function shared(column: Float64Array | Uint32Array): Float64Array | Uint32Array {
  const memory = new SharedArrayBuffer(column.byteLength)
  const copy = column instanceof Float64Array ? new Float64Array(memory) : new Uint32Array(memory)
  copy.set(column)
  return copy
}
