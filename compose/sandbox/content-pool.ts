/**
 * Threads that unpack and write file contents, while the main thread makes names. If no thread has room for a file,
 * the main thread writes it itself, so nobody waits.
 */
import { closeSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { descriptorLimit } from '../../store/disk/index.ts'
import {
  DATA_SCHEMA,
  type DataSource,
  isParted,
  type LayerIndex,
  type PartsPlace
} from '../../store/object/index.ts'
import { type ContentJob, JobSubmitter, type RingMemory, ringMemory } from './job-ring.ts'

/** Times of all inodes, in memory that all threads share. */
export interface SharedTimes {
  /** For a submitted file: the wanted time, and after the write the time that the file system kept. */
  seconds: Float64Array
  nanoseconds: Uint32Array
}

export interface ContentFailure {
  inode: number
  failure: Error
}

/** A failure in a message of a thread. Errors lose everything but their message on the way. */
export interface ToldFailure extends ContentFailure {
  system: Pick<NodeJS.ErrnoException, 'code' | 'syscall'>
}

export type LayerData = Pick<LayerIndex, keyof typeof DATA_SCHEMA | 'profile'> & { source: DataSource }

/** A layer for another thread, which opens the parts of its data file itself. */
export type ToldLayer = Omit<LayerData, 'source'> & { source: number | PartsPlace }

export interface PoolData {
  layers: ToldLayer[]
  times: SharedTimes
  jobs: RingMemory
}

interface Lane {
  jobs: JobSubmitter
  ended: Promise<void>
}

/** Each job holds an open descriptor. The number lets no thread run idle while the main thread writes a file. */
const JOBS_PER_LANE = 64
/** More threads gain nothing, because one thread makes all names of a tree. */
const MOST_LANES = 4

/** Descriptors of a thread beside its jobs, and those of everything else, such as deep trees. */
const FILES_OF_THREAD = 16
const FILES_BESIDE = 64

/** Number of threads that `ulimit -n` allows; 0 if the main thread itself is short of descriptors. */
const lanesWithin = (limit: number): number =>
  Math.max(0, Math.floor((limit - FILES_BESIDE) / (JOBS_PER_LANE + FILES_OF_THREAD)))

const isInMemory = (source: DataSource): boolean => typeof source !== 'number' && !isParted(source)

/** Threads get no jobs for layers in memory. */
const tellSource = (source: DataSource): ToldLayer['source'] =>
  isParted(source) ? source.place : typeof source === 'number' ? source : -1

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

  /** The first job that failed, as far as known. */
  get failure(): ContentFailure | undefined {
    return this.#failure
  }

  /** Bytes of the written files. */
  get bytes(): number {
    return this.#lanes.reduce((sum, { jobs }) => sum + jobs.bytes, 0)
  }

  /**
   * Hands a file to a thread.
   * @param job a file whose metadata except times are final; a thread closes it
   * @param wanted number of the thread that has unpacked a part of it
   * @returns number of the thread; undefined if none has room, and the caller has to write the file
   */
  submit(job: ContentJob, wanted?: number): number | undefined {
    // Contents in memory would be copied to each thread.
    if (isInMemory(this.#layers[job.layer].source)) return undefined
    if (wanted !== undefined && this.#lanes[wanted].jobs.submit(job)) return wanted
    const free = this.#lanes.findIndex(({ jobs }) => jobs.submit(job))
    if (free >= 0) return free
    if (this.#lanes.length === this.#size) return undefined
    this.#startLane().jobs.submit(job)
    return this.#lanes.length - 1
  }

  /** Makes all submitted jobs start. Call it before doing something else for a while. */
  wake(): void {
    for (const { jobs } of this.#lanes) jobs.wake()
  }

  /**
   * Resolves when every job is done or has failed (see `failure`) and all threads have ended. Takes no further jobs.
   */
  async finish(): Promise<void> {
    for (const { jobs } of this.#lanes) jobs.close()
    await Promise.all(this.#lanes.map(({ ended }) => ended))
  }

  #startLane(): Lane {
    const jobs = ringMemory(JOBS_PER_LANE)
    const workerData: PoolData = {
      layers: this.#layers.map(layer => ({ ...layer, source: tellSource(layer.source) })),
      times: this.#times,
      jobs
    }
    // A whole path and not just `./x.ts`, because the compiler rewrites imports but not URLs.
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
        // A thread that died may have closed its current file. A thread that never started had none.
        for (const { fd } of submitter.unfinished().slice(isOnline ? 1 : 0)) closeSync(fd)
        resolve()
      })
    )
    const lane = { jobs: submitter, ended }
    this.#lanes.push(lane)
    return lane
  }
}

/** The data without the tree, in memory that all threads share. */
function onlyData(layer: LayerData): LayerData {
  const columns = Object.keys(DATA_SCHEMA) as (keyof typeof DATA_SCHEMA)[]
  const data = Object.fromEntries(columns.map(name => [name, toSharedMemory(layer[name])]))
  return {
    ...(data as Pick<LayerIndex, keyof typeof DATA_SCHEMA>),
    profile: layer.profile,
    source: layer.source
  }
}

function toSharedMemory(column: Float64Array | Uint32Array): Float64Array | Uint32Array {
  const memory = new SharedArrayBuffer(column.byteLength)
  const copy = column instanceof Float64Array ? new Float64Array(memory) : new Uint32Array(memory)
  copy.set(column)
  return copy
}
