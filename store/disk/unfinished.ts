/**
 * Files and folders that must not outlive a command that is stopped by a signal. Whoever begins one says here how it is
 * taken back; `cli/stop-on-signals.ts` does so. An error is not our business: `finally` sees to it, where it happens.
 *
 * Taking back is synchronous, so that nothing of the command goes on meanwhile but system calls that were under way.
 */
export interface TakenBack {
  /** How many had been begun and were there. */
  removed: number
  /** What could not be removed, and why. */
  failures: Error[]
}

/** @returns false where there is nothing to take back, or nothing yet */
type TakeBack = () => unknown

const begun = new Set<TakeBack>()

/**
 * @param takeBack called again after it threw, or found nothing: a system call that was under way when the signal came may
 *   make a file yet
 * @returns forgets it; not needed where `takeBack` finds nothing once the work is done
 */
export function whenStopped(takeBack: TakeBack): () => void {
  const entry = () => takeBack()
  begun.add(entry)
  return () => begun.delete(entry)
}

/** Such a call takes microseconds, on a network file system milliseconds. */
const PAUSE_MS = 10
const ROUNDS = 20

/** What was begun last is taken back first: it may lie in what was begun before. */
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

/** Whole files that nothing needs yet, by store; and what was published, by which they are needed. */
const unneeded = new Set<string>()
const published = new Set<string>()

/** @param root of the store in which a file has its name now, which no module needs yet */
export const noteUnneeded = (root: string): unknown => unneeded.add(root)

/** @param what a module's name: the files that it needs are needed now */
export function notePublished(root: string, what: string): void {
  unneeded.delete(root)
  published.add(what)
}

export interface LeftInStores {
  /** Folders of stores. */
  unneeded: string[]
  /** Below the refs of a store. */
  published: string[]
}

export const leftInStores = (): LeftInStores => ({
  unneeded: [...unneeded],
  published: [...published]
})
