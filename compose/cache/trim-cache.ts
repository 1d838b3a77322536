/** Keeps the user's cache within bounds of age and size. Removed entries are made again when they are needed. */
import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cachePath, removeAbandoned, removeTree, siblingPath } from '../../store/disk/index.ts'
import { KEPT_KINDS, type KeptEntry, listKept } from './kept.ts'

export interface CacheBounds {
  /** Entries that were not used for so long are removed. */
  olderThanSeconds: number
  /** Then the entries used longest ago are removed, until the rest takes no more than this. */
  mostBytes: number
  /** Entries used within this time are kept whatever the other bounds say, because something may run from them. */
  graceSeconds: number
}

const DAY = 86_400

export const USUAL_BOUNDS: CacheBounds = {
  olderThanSeconds: 30 * DAY,
  mostBytes: 10 * 2 ** 30,
  graceSeconds: DAY
}

export interface CacheReport {
  cache: string
  dryRun: boolean
  /** Least recently used first. */
  removed: KeptEntry[]
  /** Sum of the removed entries. */
  bytes: number
  kept: { entries: number; bytes: number }
  /** Entries that a bound would remove, but that may still be in use. */
  young: { entries: number; bytes: number }
}

/**
 * @param host environment variables, which say where the cache is
 * @throws StrataError CACHE_UNSAFE, IO
 */
export function trimCache(
  bounds: CacheBounds,
  { dryRun = false, host = process.env }: { dryRun?: boolean; host?: NodeJS.ProcessEnv } = {}
): CacheReport {
  const cache = cachePath('', host)
  const entries = listKept(host).sort((a, b) => a.usedSeconds - b.usedSeconds)
  const { removed, young } = plan(entries, bounds, Date.now() / 1000)
  if (!dryRun) {
    for (const kind of KEPT_KINDS) removeAbandoned(cachePath(kind, host))
    for (const entry of removed) removeKept(entry, join(cache, 'used', entry.key))
  }
  const rest = entries.filter(entry => !removed.includes(entry))
  return {
    cache,
    dryRun,
    removed,
    bytes: bytesOf(removed),
    kept: { entries: rest.length, bytes: bytesOf(rest) },
    young: { entries: young.length, bytes: bytesOf(young) }
  }
}

const bytesOf = (entries: KeptEntry[]): number => entries.reduce((sum, { bytes }) => sum + bytes, 0)

/** @param entries least recently used first */
function plan(
  entries: KeptEntry[],
  { olderThanSeconds, mostBytes, graceSeconds }: CacheBounds,
  nowSeconds: number
): { removed: KeptEntry[]; young: KeptEntry[] } {
  const removed: KeptEntry[] = []
  const young: KeptEntry[] = []
  let bytes = bytesOf(entries)
  for (const entry of entries) {
    const age = nowSeconds - entry.usedSeconds
    if (age < olderThanSeconds && bytes <= mostBytes) break
    if (age < graceSeconds) {
      young.push(entry)
      continue
    }
    removed.push(entry)
    bytes -= entry.bytes
  }
  return { removed, young }
}

/** The entry is renamed first, because half of an unpacked image could be taken for the whole. */
function removeKept({ path }: KeptEntry, usedPath: string): void {
  const temporary = siblingPath(path)
  renameSync(path, temporary)
  rmSync(usedPath, { force: true })
  try {
    removeTree(temporary)
  } catch {} // NFS keeps open files; the next command that trims the cache removes the rest
}
