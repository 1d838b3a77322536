import { mkdirSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/**
 * Like `mkdir -p`. Node's `recursive` never ends if the system says ENOENT although the parent exists, as in /proc.
 * @returns the folders that were made, from the top
 * @throws the system's error: EEXIST, ENOTDIR, EACCES and others
 */
export function makeFolders(path: string, mode = 0o777): string[] {
  const missing: string[] = []
  for (let folder = resolve(path); !isThere(folder); folder = dirname(folder)) missing.unshift(folder)
  if (missing.length === 0 && !isFolder(path)) mkdirSync(path) // for its error
  return missing.filter(folder => makeOne(folder, mode))
}

const isThere = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true

/** @returns false if another process was faster */
function makeOne(folder: string, mode: number): boolean {
  try {
    mkdirSync(folder, { mode })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST' && isFolder(folder)) return false
    throw error
  }
}
