/**
 * Tells whether a folder of refs/ has changed. A ref is made, replaced and removed by link(2), rename(2) and unlink(2),
 * and each of them sets the folder's time of change. The time of modification is not used: a restored backup or `touch`
 * could set it back and make an old folder look like the one that was read.
 */
import { constants } from '../../native/index.ts'
import type { StoreFolder, StorePath } from '../files/index.ts'
import type { Stamp } from './modules-file.ts'

/**
 * Two changes may get the same time if they are nearer to each other than a tick of the file system's clock: 1 to 10 ms
 * in Linux' own file systems, 1 s or 2 s on some servers.
 */
const COARSEST_CLOCK_MS = 2000

/** @returns undefined if the folder does not exist */
export function readStamp(store: StoreFolder, folder: StorePath): NonNullable<Stamp> | undefined {
  const status = store.status(folder)
  if (status === undefined || (status.mode & constants.S_IFMT) !== constants.S_IFDIR) return undefined
  return [Number(status.ino), status.ctimeSeconds * 1000 + status.ctimeNanoseconds / 1e6]
}

export function isSameStamp(a: Stamp, b: Stamp | undefined): boolean {
  return a !== null && b != null && a[0] === b[0] && a[1] === b[1]
}

/**
 * The stamp if the next change will alter it, else null.
 * @param stamp read before the folder was
 * @param clockMs time of change of a file made before that on the same file system, whose clock may differ from this
 * host's
 */
export const settledStamp = (stamp: NonNullable<Stamp>, clockMs: number): Stamp =>
  stamp[1] < clockMs - COARSEST_CLOCK_MS ? stamp : null
