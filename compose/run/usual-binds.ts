/** What of the host a program sees besides what was asked for: home, the working folder, and what settings name. */
import { statSync } from 'node:fs'
import type { Bind } from './runtime.ts'

/** What all runtimes show anyway. */
const SHOWN = ['/tmp', '/dev', '/proc', '/sys']
/** Where the tree has its own: a working folder there hides programs of the modules. */
const OF_THE_TREE = ['/bin', '/boot', '/etc', '/lib', '/lib32', '/lib64', '/sbin', '/usr', '/run']
/** As a whole they are the tree's; a folder in one of them may be a user's. */
const TOPS = ['/', '/home', '/mnt', '/media', '/opt', '/srv', '/var']

export const isBelow = (path: string, folder: string): boolean =>
  folder === '/' || path === folder || path.startsWith(`${folder}/`)

export interface UsualOptions {
  /** `HOME`; undefined: none is wanted. */
  home?: string
  /** Undefined: it is not wanted. */
  workingFolder?: string
  others: Bind[]
}

/** A folder that another one brings is not named once more. */
export function usualBinds({ home, workingFolder, others }: UsualOptions): Bind[] {
  const binds: Bind[] = []
  for (const folder of [home, workingFolder])
    if (folder !== undefined && isUsers(folder) && !isShown(folder, [...binds, ...others]))
      binds.push({ source: folder, target: folder, isReadOnly: false })
  return binds
}

/** Whether a folder of the host has the same name inside. */
export const isShown = (folder: string, binds: Bind[]): boolean =>
  SHOWN.some(shown => isBelow(folder, shown)) ||
  binds.some(({ source, target }) => source === target && isBelow(folder, source))

function isUsers(folder: string): boolean {
  if (!folder.startsWith('/') || TOPS.includes(folder)) return false
  if (OF_THE_TREE.some(part => isBelow(folder, part))) return false
  return statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true
}
