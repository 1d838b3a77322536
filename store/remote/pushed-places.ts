/**
 * Repositories to which a user has sent a module, or a lock that names it. A later push to the same registry lets it take the
 * blobs from there (spec/registry.md#push-of-modules). It is a cache: without it, they are sent once more.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { cachePath, ownCacheFolder } from '../disk/index.ts'
import { type ImageReference, isRepositoryName } from '../registry/index.ts'
import { formatCid, StrataError } from '../values/index.ts'

type Place = Pick<ImageReference, 'host' | 'repository'>

const FOLDER = 'pushed'
/** Each is tried for each blob that is missing. */
const MOST_PLACES = 8

/** Other repositories of the same registry; the last one that was sent to comes first. */
export const pushedPlaces = (record: CID, { host, repository }: Place): string[] =>
  read(record).flatMap(line => {
    const other = line.slice(host.length + 1)
    return line.startsWith(`${host}/`) && other !== repository && isRepositoryName(other) ? [other] : []
  })

/** Notes that a registry has the module there. A cache that cannot be written is none. */
export function notePlace(record: CID, { host, repository }: Place): void {
  const line = `${host}/${repository}`
  const before = read(record)
  if (before[0] === line) return
  const lines = [line, ...before.filter(other => other !== line)].slice(0, MOST_PLACES)
  try {
    writeFileSync(join(ownCacheFolder(FOLDER), formatCid(record)), `${lines.join('\n')}\n`, { mode: 0o600 })
  } catch (error) {
    if (!(error instanceof StrataError) && (error as NodeJS.ErrnoException).code === undefined) throw error
  }
}

function read(record: CID): string[] {
  try {
    const text = readFileSync(join(cachePath(FOLDER), formatCid(record)), 'utf8')
    return text.split('\n').filter(line => line !== '')
  } catch {
    return []
  }
}
