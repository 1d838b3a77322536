/**
 * What `compose run` keeps in the user's cache (spec/runtimes.md#cache): images under the digest of their lock, unpacked
 * images under that of their file, and beside them, by the same key, when each was used last.
 */
import { closeSync, lstatSync, openSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { constants, fstatAt, openBeneath, readDirAt } from '../../native/index.ts'
import { assertOwnEntry, ownCacheFolder } from '../../store/disk/index.ts'

export type KeptKind = 'images' | 'sandboxes'

export const KEPT_KINDS: readonly KeptKind[] = ['images', 'sandboxes']

/** Of each entry a file with its size in bytes; the time of its modification is that of the entry's last use. */
const USED = 'used'

/** Keys are digests. */
const NAME: Record<KeptKind, RegExp> = {
  images: /^([0-9a-f]{64})\.sqfs$/,
  sandboxes: /^([0-9a-f]{64})$/
}

/** An entry that a command uses. */
export interface KeptUse {
  key: string
  /** It was put there by this command. */
  isNew: boolean
}

/** @throws StrataError CACHE_UNSAFE for a folder that is not the user's own, IO */
export const keptPath = (kind: KeptKind, key: string, host: NodeJS.ProcessEnv): string =>
  join(ownCacheFolder(kind, host), kind === 'images' ? `${key}.sqfs` : key)

/** Whether the entry is there. @throws StrataError CACHE_UNSAFE for one that is not the user's own */
export const isKept = (kind: KeptKind, path: string): boolean =>
  assertOwnEntry(path, kind === 'images' ? 'file' : 'directory')

/** From now on it was used just now; to be called before it is looked for, so that nothing removes it in between. */
export function noteUse(key: string, host: NodeJS.ProcessEnv): void {
  const path = join(ownCacheFolder(USED, host), key)
  const now = new Date()
  try {
    utimesSync(path, now, now)
  } catch {
    try {
      writeFileSync(path, '', { mode: 0o600, flag: 'wx' })
    } catch {} // a full disk: the entry is as old as its files
  }
}

/** Once it is there: what it takes on disk, so that nobody has to look through it for that. */
export function noteSize(kind: KeptKind, key: string, host: NodeJS.ProcessEnv): void {
  try {
    const bytes = bytesOnDisk(keptPath(kind, key, host))
    writeFileSync(join(ownCacheFolder(USED, host), key), `${bytes}\n`, { mode: 0o600 })
  } catch {} // it is measured when it is asked for
}

const BEAT_MS = 60 * 60 * 1000

/** A program may run for weeks: as long as this one waits for it, what it runs from counts as used. */
export function keepNoted(uses: KeptUse[], host: NodeJS.ProcessEnv, beatMs = BEAT_MS): { stop(): void } {
  const beat = setInterval(() => {
    for (const { key } of uses) noteUse(key, host)
  }, beatMs).unref()
  return { stop: () => clearInterval(beat) }
}

export interface KeptEntry {
  kind: KeptKind
  key: string
  path: string
  bytes: number
  usedSeconds: number
}

/** @throws StrataError CACHE_UNSAFE */
export function listKept(host: NodeJS.ProcessEnv): KeptEntry[] {
  const used = ownCacheFolder(USED, host)
  return KEPT_KINDS.flatMap(kind => {
    const folder = ownCacheFolder(kind, host)
    return readdirSync(folder).flatMap(name => {
      const key = NAME[kind].exec(name)?.[1]
      return key === undefined ? [] : entryOf(kind, key, join(folder, name), join(used, key))
    })
  })
}

function entryOf(kind: KeptKind, key: string, path: string, usedPath: string): KeptEntry[] {
  const status = lstatSync(path, { throwIfNoEntry: false })
  if (status === undefined) return [] // gone since
  const note = readNote(usedPath)
  // The times of modification are those that were stored; change times are of this disk.
  const usedSeconds = note?.usedSeconds ?? status.ctimeMs / 1000
  return [{ kind, key, path, bytes: note?.bytes ?? bytesOnDisk(path), usedSeconds }]
}

function readNote(path: string): { usedSeconds: number; bytes?: number } | undefined {
  try {
    const text = readFileSync(path, 'latin1').trim()
    const bytes = /^\d{1,15}$/.test(text) ? { bytes: Number(text) } : {}
    return { usedSeconds: lstatSync(path).mtimeMs / 1000, ...bytes }
  } catch {
    return undefined
  }
}

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY, S_IFDIR, S_IFMT } = constants
const SECTOR_BYTES = 512

/** Of a file, or a directory and all in it. */
function bytesOnDisk(path: string): number {
  const status = lstatSync(path)
  if (!status.isDirectory()) return status.blocks * SECTOR_BYTES
  const fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  try {
    return status.blocks * SECTOR_BYTES + bytesBelow(fd)
  } finally {
    closeSync(fd)
  }
}

function bytesBelow(fd: number): number {
  let bytes = 0
  for (const name of readDirAt(fd).names) {
    const { mode, blocks } = fstatAt(fd, name)
    bytes += blocks * SECTOR_BYTES
    if ((mode & S_IFMT) === S_IFDIR) bytes += bytesIn(fd, name)
  }
  return bytes
}

function bytesIn(fd: number, name: string): number {
  let inner: number
  try {
    inner = openBeneath(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  } catch {
    return 0 // closed to its own owner: then it is less than it could be
  }
  try {
    return bytesBelow(inner)
  } finally {
    closeSync(inner)
  }
}
