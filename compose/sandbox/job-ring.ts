/**
 * A queue of jobs for a thread, as numbers in shared memory, because a message for each job would cost as much as
 * making its file. One thread submits and one takes.
 */

/** The data that a thread needs to fill and close an open, empty file. */
export interface ContentJob {
  inode: number
  fd: number
  layer: number
  content: number
}

/** Memory of a ring, to be handed to the other thread. */
export interface RingMemory {
  counters: Int32Array
  slots: Int32Array
  /** One number: bytes of the written files. Only the taker writes it. */
  bytes: Float64Array
}

const SUBMITTED = 0
const FINISHED = 1
/** Counts all events that a waiting taker has to look at. */
const EVENTS = 2
const CLOSED = 3
const COUNTERS = 4
const NUMBERS_PER_JOB = 4

export function ringMemory(jobs: number): RingMemory {
  return {
    counters: new Int32Array(new SharedArrayBuffer(4 * COUNTERS)),
    slots: new Int32Array(new SharedArrayBuffer(4 * NUMBERS_PER_JOB * jobs)),
    bytes: new Float64Array(new SharedArrayBuffer(8))
  }
}

/** Waking a thread costs as much as making a small file, and the thread works faster than the main thread. */
const JOBS_PER_WAKE = 16

export class JobSubmitter {
  readonly #memory: RingMemory
  /** Submitted jobs that a waiting taker does not know of yet. */
  #unannounced = 0

  constructor(memory: RingMemory) {
    this.#memory = memory
  }

  /**
   * Submits a job. A waiting taker is woken only after several jobs, so the last ones before a pause need a `wake`.
   * @returns false if there is no room
   */
  submit({ inode, fd, layer, content }: ContentJob): boolean {
    const { counters, slots } = this.#memory
    const submitted = Atomics.load(counters, SUBMITTED)
    if ((submitted - Atomics.load(counters, FINISHED)) * NUMBERS_PER_JOB >= slots.length) {
      this.wake()
      return false
    }
    slots.set([inode, fd, layer, content], (submitted * NUMBERS_PER_JOB) % slots.length)
    Atomics.add(counters, SUBMITTED, 1)
    if (++this.#unannounced === JOBS_PER_WAKE) this.wake()
    return true
  }

  /** No more jobs will come: the taker ends after the last one. */
  close(): void {
    Atomics.store(this.#memory.counters, CLOSED, 1)
    this.#tell()
  }

  /**
   * Jobs that the taker has not finished, its current one first. If its thread died, they belong to the submitter
   * again.
   */
  unfinished(): ContentJob[] {
    const { counters, slots } = this.#memory
    const jobs: ContentJob[] = []
    for (let job = Atomics.load(counters, FINISHED); job < Atomics.load(counters, SUBMITTED); job++)
      jobs.push(jobAt(slots, job))
    return jobs
  }

  get bytes(): number {
    return this.#memory.bytes[0]
  }

  /** Wakes the taker for the submitted jobs. */
  wake(): void {
    if (this.#unannounced > 0) this.#tell()
  }

  #tell(): void {
    this.#unannounced = 0
    Atomics.add(this.#memory.counters, EVENTS, 1)
    Atomics.notify(this.#memory.counters, EVENTS)
  }
}

function jobAt(slots: Int32Array, job: number): ContentJob {
  const at = (job * NUMBERS_PER_JOB) % slots.length
  return { inode: slots[at], fd: slots[at + 1], layer: slots[at + 2], content: slots[at + 3] }
}

export class JobTaker {
  readonly #memory: RingMemory
  #taken = 0

  constructor(memory: RingMemory) {
    this.#memory = memory
  }

  /** Waits for the next job. @returns undefined if there will be none */
  take(): ContentJob | undefined {
    const { counters, slots } = this.#memory
    for (;;) {
      const events = Atomics.load(counters, EVENTS) // read first, so that a later event ends the wait below
      if (this.#taken < Atomics.load(counters, SUBMITTED)) {
        return jobAt(slots, this.#taken++)
      }
      if (Atomics.load(counters, CLOSED) === 1) return undefined
      Atomics.wait(counters, EVENTS, events)
    }
  }

  /** Marks the job that was taken last as ended, successfully or not. */
  finished(bytes: number): void {
    this.#memory.bytes[0] += bytes
    Atomics.add(this.#memory.counters, FINISHED, 1)
  }
}
