/**
 * Folders of the host that a program sees without a --bind: the home folder, the working folder, and those of the
 * settings.
 */
import { statSync } from 'node:fs'
import type { Bind } from './runtime.ts'

/** Folders that all runtimes show. */
const SHOWN = ['/tmp', '/dev', '/proc', '/sys']
/** Folders of the tree: a working folder there would hide programs of the modules. */
const TREE_FOLDERS = ['/bin', '/boot', '/etc', '/lib', '/lib32', '/lib64', '/sbin', '/usr', '/run']
/** As a whole these belong to the tree; a folder inside one may be a user's. */
const TOPS = ['/', '/home', '/mnt', '/media', '/opt', '/srv', '/var']

export const isBelow = (path: string, folder: string): boolean =>
  folder === '/' || path === folder || path.startsWith(`${folder}/`)

export interface UsualOptions {
  /** `HOME`; undefined if it is not wanted. */
  home?: string
  /** Undefined if it is not wanted. */
  workingFolder?: string
  others: Bind[]
}

/** A folder inside another bind is not listed again. */
export function usualBinds({ home, workingFolder, others }: UsualOptions): Bind[] {
  const binds: Bind[] = []
  for (const folder of [home, workingFolder])
    if (folder !== undefined && isUsers(folder) && !isShown(folder, [...binds, ...others]))
      binds.push({ source: folder, target: folder, isReadOnly: false })
  return binds
}

/** True if a folder of the host has the same name inside. */
export const isShown = (folder: string, binds: Bind[]): boolean =>
  SHOWN.some(shown => isBelow(folder, shown)) ||
  binds.some(({ source, target }) => source === target && isBelow(folder, source))

function isUsers(folder: string): boolean {
  if (!folder.startsWith('/') || TOPS.includes(folder)) return false
  if (TREE_FOLDERS.some(part => isBelow(folder, part))) return false
  return statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true
}
