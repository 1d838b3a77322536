/**
 * Removes unfinished files and folders when a signal stops the command. The code that begins one registers here how to
 * take it back, and `cli/stop-on-signals.ts` does so. Errors are not handled here: a `finally` cleans up after them.
 *
 * Taking back is synchronous, so that no other code of the command runs meanwhile; only system calls that had begun go
 * on.
 */

/** Signals that ask a program to end. */
export const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
export type StopSignal = (typeof STOP_SIGNALS)[number]

export interface TakenBack {
  /** Number of unfinished things that were found and removed. */
  removed: number
  /** Errors of those that could not be removed. */
  failures: Error[]
}

/** @returns false if there is nothing to take back, or not yet */
type TakeBack = () => unknown

const begun = new Set<TakeBack>()

/**
 * @param takeBack is called again after it threw or found nothing: a system call that had begun before the signal may
 * still make a file
 * @returns forgets the entry; not needed if `takeBack` finds nothing once the work is done
 */
export function whenStopped(takeBack: TakeBack): () => void {
  const entry = () => takeBack()
  begun.add(entry)
  return () => begun.delete(entry)
}

/** Time for such a system call: it takes microseconds, on a network file system milliseconds. */
const PAUSE_MS = 10
const ROUNDS = 20

/** Takes back the latest first, because it may lie in an earlier one. */
export function takeBackAll(): TakenBack {
  let pending = [...begun].reverse()
  let failures: Error[] = []
  const all = pending.length
  for (let round = 0; round < 2 || (failures.length > 0 && round < ROUNDS); round++) {
    if (round > 0) pause()
    failures = []
    pending = pending.filter(takeBack => !isTakenBack(takeBack, failures))
  }
  return { removed: all - pending.length, failures }
}

function isTakenBack(takeBack: TakeBack, failures: Error[]): boolean {
  try {
    return takeBack() !== false
  } catch (error) {
    failures.push(error as Error)
    return false
  }
}

const pause = (): unknown => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS)

/** Stores with complete files that no module needs yet, and names that were published, whose files are needed. */
const unneeded = new Set<string>()
const published = new Set<string>()

/** @param root of a store in which a file has its name, but no module needs it yet */
export const noteUnneeded = (root: string): unknown => unneeded.add(root)

/** @param what name of a module that now needs the files */
export function notePublished(root: string, what: string): void {
  unneeded.delete(root)
  published.add(what)
}

export interface LeftInStores {
  /** Roots of stores. */
  unneeded: string[]
  /** Names that were published. */
  published: string[]
}

export const leftInStores = (): LeftInStores => ({
  unneeded: [...unneeded],
  published: [...published]
})
