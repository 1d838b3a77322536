/**
 * Jobs on their way to a thread, as numbers in shared memory: a message for each would cost as much as making the file
 * that it is about. One thread submits, one takes.
 */

/** What a thread has to know of an open, empty file to fill and close it. */
export interface ContentJob {
  inode: number
  fd: number
  layer: number
  content: number
}

/** Both ends of a ring, to be handed to the other thread. */
export interface RingMemory {
  counters: Int32Array
  slots: Int32Array
  /** One number: bytes of files that are written. Only the taker writes it. */
  bytes: Float64Array
}

const SUBMITTED = 0
const FINISHED = 1
/** Changes with everything that a waiting taker should look at. */
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

/** Waking a thread costs as much as making a small file, and it is quicker at its work than we at ours. */
const JOBS_PER_WAKE = 16

export class JobSubmitter {
  readonly #memory: RingMemory
  /** Jobs that a waiting taker does not know of. */
  #untold = 0

  constructor(memory: RingMemory) {
    this.#memory = memory
  }

  /**
   * A taker that waits is woken for some jobs at once: the last ones before a pause need a `wake`.
   * @returns false where there is no room
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
    if (++this.#untold === JOBS_PER_WAKE) this.wake()
    return true
  }

  /** Nothing more comes: the taker ends when it has taken everything. */
  close(): void {
    Atomics.store(this.#memory.counters, CLOSED, 1)
    this.#tell()
  }

  /** Jobs that the taker has not finished, the one it was at first: when it is gone, they are whose they were. */
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

  /** Tell of the jobs that were submitted. */
  wake(): void {
    if (this.#untold > 0) this.#tell()
  }

  #tell(): void {
    this.#untold = 0
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

  /** Waits for the next job. @returns undefined when there will be none */
  take(): ContentJob | undefined {
    const { counters, slots } = this.#memory
    for (;;) {
      const events = Atomics.load(counters, EVENTS) // first: what comes after it ends the wait below
      if (this.#taken < Atomics.load(counters, SUBMITTED)) {
        return jobAt(slots, this.#taken++)
      }
      if (Atomics.load(counters, CLOSED) === 1) return undefined
      Atomics.wait(counters, EVENTS, events)
    }
  }

  /** The job that was taken last has ended, well or not. */
  finished(bytes: number): void {
    this.#memory.bytes[0] += bytes
    Atomics.add(this.#memory.counters, FINISHED, 1)
  }
}
