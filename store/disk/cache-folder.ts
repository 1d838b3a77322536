/**
 * The user's own folder for files that can be made again. Its contents are trusted, and images in it are run. So the
 * folder is used only if nobody else can have put something into it (spec/runtimes.md#cache).
 */
import { lstatSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathFromText, StrataError, showPath } from '../values/index.ts'
import { faultAbove } from './fault-above.ts'
import { makeFolders } from './make-folders.ts'
import { isWritableByOthers } from './writable-by-others.ts'

/**
 * Path of a name in the cache; the file need not exist. The XDG Base Directory specification says that relative paths
 * in the variable are invalid and must be ignored.
 */
export const cachePath = (name: string, host: NodeJS.ProcessEnv = process.env): string =>
  join(basePath(host), 'strata', name)

function basePath({ XDG_CACHE_HOME }: NodeJS.ProcessEnv): string {
  return XDG_CACHE_HOME?.startsWith('/') ? XDG_CACHE_HOME : join(homedir(), '.cache')
}

/**
 * Like `cachePath`, but makes the folder, and checks that only the user and root can have made or changed anything in
 * it.
 * @param name of a folder in the cache; without it, the cache itself
 * @throws StrataError CACHE_UNSAFE; IO if it cannot be made
 */
export function ownCacheFolder(name = '', host: NodeJS.ProcessEnv = process.env): string {
  const folder = cachePath('', host)
  try {
    assertWay(folder) // a link of another user must not choose where root makes a folder
    // Parent folders are made only for XDG_CACHE_HOME: a home that does not exist is left so.
    if (host.XDG_CACHE_HOME?.startsWith('/')) makeFolders(folder, 0o700)
    else for (const made of [dirname(folder), folder]) makeOne(made)
  } catch (cause) {
    if (cause instanceof StrataError) throw cause
    throw cannotBeMade(folder, cause as NodeJS.ErrnoException)
  }
  assertOwn(folder)
  if (name === '') return folder
  const path = join(folder, name)
  makeOne(path)
  assertOwnEntry(path, 'directory')
  // Packages unpacked below it may have files that are open to everyone.
  const { mode } = lstatSync(path)
  if ((mode & 0o077) !== 0) throw mayBeForged(path, mode)
  return path
}

function makeOne(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/**
 * True if the cache has this file or directory; false if nothing is there.
 * @throws StrataError CACHE_UNSAFE if it is of another kind, or another user's
 */
export function assertOwnEntry(path: string, kind: 'file' | 'directory'): boolean {
  const status = lstatSync(path, { throwIfNoEntry: false })
  if (status === undefined) return false
  const isKind = kind === 'file' ? status.isFile() : status.isDirectory()
  if (!isKind) throw cacheUnsafe(path, `is not a ${kind}`, `rm -r ${showFolder(path)}`)
  if (status.uid !== process.geteuid!())
    throw cacheUnsafe(path, `belongs to user ${status.uid}, not to you`, `rm -rf ${showFolder(path)}`)
  return true
}

const ELSEWHERE = 'XDG_CACHE_HOME=DIR names a folder of your own'

/** @throws StrataError CACHE_UNSAFE */
function assertOwn(folder: string): void {
  const status = lstatSync(folder)
  if (!status.isDirectory()) throw cacheUnsafe(folder, 'is not a directory, but a link or a file', ELSEWHERE)
  if (status.uid !== process.geteuid!())
    throw cacheUnsafe(folder, `belongs to user ${status.uid}, not to you`, ELSEWHERE)
  if (isWritableByOthers(status.mode)) throw mayBeForged(folder, status.mode)
  assertWay(folder)
}

/** @throws StrataError CACHE_UNSAFE if others could exchange a folder on the way */
function assertWay(folder: string): void {
  let above = dirname(folder)
  while (lstatSync(above, { throwIfNoEntry: false }) === undefined) above = dirname(above)
  const fault = faultAbove(above)
  if (fault === undefined) return
  const hint = fault.isOwn ? `chmod go-w ${showFolder(fault.folder)}` : ELSEWHERE
  throw cacheUnsafe(folder, `lies in ${showFolder(fault.folder)}, which ${fault.why}`, hint)
}

const showFolder = (path: string): string => showPath(pathFromText(path))

const mayBeForged = (folder: string, mode: number): StrataError =>
  cacheUnsafe(
    folder,
    `has mode ${(mode & 0o7777).toString(8).padStart(4, '0')}: others may have changed what is in it`,
    `rm -r ${showFolder(folder)}; the next command makes it again, for you alone`
  )

const cacheUnsafe = (path: string, fault: string, hint: string): StrataError =>
  new StrataError('CACHE_UNSAFE', {
    message: `the cache is not used: ${showFolder(path)} ${fault}`,
    facts: { path: showFolder(path) },
    hint
  })

const cannotBeMade = (folder: string, cause: NodeJS.ErrnoException): StrataError =>
  new StrataError('IO', {
    message: `the folder of the cache, ${showFolder(folder)}, cannot be made: ${cause.message}`,
    facts: { folder: showFolder(folder), errno: cause.code ?? '' },
    hint: 'XDG_CACHE_HOME=DIR names a folder that you may write to',
    cause
  })
