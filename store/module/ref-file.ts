import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { DAG_JSON, parseCid } from '../digest.ts'
import type { ModuleName } from './name.ts'
import { isFolder, notARef, readShortFile } from './short-file.ts'

export { isFolder, unreadable } from './short-file.ts'

export const MODULES = 'refs/modules'
export const HISTORY = 'refs/history'

/**
 * @returns undefined when there is no such file
 * @throws StrataError MANIFEST_INVALID naming the file; IO
 */
export function readRefFile(path: string): CID | undefined {
  const line = readShortFile(path)
  if (line === undefined) return undefined
  if (!line.endsWith('\n')) throw notARef(path, 'does not end with a newline')
  return parseCid(line.slice(0, -1), DAG_JSON, path)
}

/** Folders on the way to the versions of a name, from the top. */
export const refFolders = (root: string, area: string, { category, name }: ModuleName): string[] => [
  join(root, 'refs'),
  join(root, area),
  join(root, area, category),
  join(root, area, category, name)
]

export const refPath = (root: string, { category, name, version }: ModuleName): string =>
  join(root, MODULES, category, name, version)

/**
 * @param root of the store
 * @returns undefined when nothing of that name is published there
 * @throws StrataError MANIFEST_INVALID naming a file that is no ref, or a link where a folder should be; IO
 */
export function readRef(root: string, name: ModuleName): CID | undefined {
  return refFolders(root, MODULES, name).every(isFolder) ? readRefFile(refPath(root, name)) : undefined
}
