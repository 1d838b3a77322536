/** What killed commands left in tmp/: files, and folders in which databases and folders were made ready. */
import { lstat, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { TMP } from '../store-layout.ts'
import { LOCK } from './lock.ts'
import type { Amount } from './remover.ts'

/** An import may wait for its standard input for long, and write nothing to what it has begun. */
const LEFTOVER_NS = 86_400_000_000_000n

/** @param nowNs by the clock of the store; what was written within a day before stays, or within the grace period */
export async function removeLeftovers(
  root: string,
  { nowNs, graceNs, dryRun }: { nowNs: bigint; graceNs: bigint; dryRun: boolean }
): Promise<Amount> {
  const amount: Amount = { files: 0, bytes: 0 }
  const keptFromNs = nowNs - (graceNs > LEFTOVER_NS ? graceNs : LEFTOVER_NS)
  for (const name of await namesIn(join(root, TMP))) {
    const path = Buffer.from(join(root, TMP, name), 'latin1')
    const status = await lstat(path, { bigint: true }).catch(() => undefined)
    if (name === LOCK || status === undefined || status.mtimeNs >= keptFromNs) continue
    if (!dryRun && !(await removed(path))) continue
    amount.files++
    amount.bytes += status.isFile() ? Number(status.size) : 0
  }
  return amount
}

/** None where we may not look: then it is a dry run. */
const namesIn = (folder: string): Promise<string[]> =>
  readdir(folder, { encoding: 'latin1' }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EACCES') throw error
    return []
  })

/** Another user's, in a folder that is sticky, is his to remove. */
const removed = (path: Buffer): Promise<boolean> =>
  rm(path, { recursive: true, force: true }).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPERM' || error.code === 'EACCES') return false
      throw error
    }
  )
