/**
 * Which module an image of a registry became, so that a further build or run of the same image reads none of its layers.
 * Like everything in the cache folder, a note can be removed at any time.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { assertOwnEntry, ownCacheFolder } from '../../store/disk/index.ts'
import { DAG_JSON, formatCid, parseCid, StrataError } from '../../store/values/index.ts'

/** The number is raised when images become modules by other rules. */
const FOLDER = 'image-modules-1'

/** @param key a digest of the image, its name and the store */
export function findImported(key: string, host: NodeJS.ProcessEnv): CID | undefined {
  const path = join(ownCacheFolder(FOLDER, host), key)
  if (!assertOwnEntry(path, 'file')) return undefined
  try {
    return parseCid(readFileSync(path, 'latin1').trim(), DAG_JSON, path)
  } catch (error) {
    if (error instanceof StrataError) return undefined // cut off: the image is read again
    throw error
  }
}

export function noteImported(key: string, record: CID, host: NodeJS.ProcessEnv): void {
  try {
    writeFileSync(join(ownCacheFolder(FOLDER, host), key), `${formatCid(record)}\n`, { mode: 0o600 })
  } catch (error) {
    if (error instanceof StrataError) throw error
    // Without a note, the image is read again.
  }
}
