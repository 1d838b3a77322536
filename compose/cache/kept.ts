/**
 * The user's cache (spec/runtimes.md#cache): images by the digest of their lock, unpacked images by the digest of their
 * file, trees behind steps of definitions by what they depend on, and beside them, by the same key, the time of last use.
 */
import { closeSync, lstatSync, openSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { constants, fstatAt, openBeneath, readDirAt } from '../../native/index.ts'
import { assertOwnEntry, ownCacheFolder } from '../../store/disk/index.ts'

export type KeptKind = 'images' | 'sandboxes' | 'steps'

export const KEPT_KINDS: readonly KeptKind[] = ['images', 'sandboxes', 'steps']

/** A file per entry that holds the entry's size in bytes. Its modification time is the time of last use. */
const USED = 'used'

/** Keys are digests. */
const NAME: Record<KeptKind, RegExp> = {
  images: /^([0-9a-f]{64})\.sqfs$/,
  sandboxes: /^([0-9a-f]{64})$/,
  steps: /^([0-9a-f]{64})$/
}

/** An entry that a command uses. */
export interface KeptUse {
  key: string
  /** True if this command put the entry there. */
  isNew: boolean
}

/** @throws StrataError CACHE_UNSAFE for a folder that is not the user's own, IO */
export const keptPath = (kind: KeptKind, key: string, host: NodeJS.ProcessEnv): string =>
  join(ownCacheFolder(kind, host), kind === 'images' ? `${key}.sqfs` : key)

/** True if the cache has the entry. @throws StrataError CACHE_UNSAFE for an entry that is not the user's own */
export const isKept = (kind: KeptKind, path: string): boolean =>
  assertOwnEntry(path, kind === 'images' ? 'file' : 'directory')

/** The file whose time says when the entry was used last. */
export const usedFile = (key: string, host: NodeJS.ProcessEnv): string =>
  join(ownCacheFolder(USED, host), key)

/** Notes that an entry is used now. Call it before looking for the entry, so that nothing removes it in between. */
export function noteUse(key: string, host: NodeJS.ProcessEnv): void {
  const path = usedFile(key, host)
  const now = new Date()
  try {
    utimesSync(path, now, now)
  } catch {
    try {
      writeFileSync(path, '', { mode: 0o600, flag: 'wx' })
    } catch {} // on a full disk, the entry counts as old as its files
  }
}

/** Notes the size of a finished entry on disk, so that nobody has to measure it again. */
export function noteSize(kind: KeptKind, key: string, host: NodeJS.ProcessEnv): void {
  try {
    const bytes = bytesOnDisk(keptPath(kind, key, host))
    writeFileSync(usedFile(key, host), `${bytes}\n`, { mode: 0o600 })
  } catch {} // without a note, the size is measured when needed
}

const BEAT_MS = 60 * 60 * 1000

/** A program may run for weeks. While this command waits for it, the image it runs from counts as used. */
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
  if (status === undefined) return [] // removed meanwhile
  const note = readNote(usedPath)
  // Modification times come from the image; change times are from this disk.
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

/** Size of a file, or of a directory with all in it. */
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
    return 0 // even its owner cannot read it, so the size is a lower bound
  }
  try {
    return bytesBelow(inner)
  } finally {
    closeSync(inner)
  }
}
