/**
 * Whether a folder of refs/ still is what it was. A ref is made, replaced and removed by link(2), rename(2) and
 * unlink(2), and each of them sets the folder's time of change. The time of change rather than of modification:
 * nothing can set it back, so neither a restored backup nor `touch` makes an old folder look like the one we read.
 */
import { constants } from '../../native/index.ts'
import type { StoreFolder, StorePath } from '../files/index.ts'
import type { Stamp } from './modules-file.ts'

/**
 * Two changes may bear the same time when they are nearer to each other than the file system's clock ticks: 1 to
 * 10 ms on Linux' own, 1 s or 2 s on some servers.
 */
const COARSEST_CLOCK_MS = 2000

/** @returns undefined when there is no such folder (any more) */
export function readStamp(store: StoreFolder, folder: StorePath): NonNullable<Stamp> | undefined {
  const status = store.status(folder)
  if (status === undefined || (status.mode & constants.S_IFMT) !== constants.S_IFDIR) return undefined
  return [Number(status.ino), status.ctimeSeconds * 1000 + status.ctimeNanoseconds / 1e6]
}

export function isSameStamp(a: Stamp, b: Stamp | undefined): boolean {
  return a !== null && b != null && a[0] === b[0] && a[1] === b[1]
}

/**
 * The stamp if it will differ after the next change, else null.
 * @param stamp read before the folder was
 * @param clockMs time of change of a file made on the same file system before that: its clock, not this host's
 */
export const settled = (stamp: NonNullable<Stamp>, clockMs: number): Stamp =>
  stamp[1] < clockMs - COARSEST_CLOCK_MS ? stamp : null
