import type { CID } from 'multiformats/cid'
import { type StorePath, storeFolder } from '../files/index.ts'
import type { ModuleName } from './name.ts'
import { idIn, notARef, readShortFile } from './short-file.ts'

export const MODULES = 'refs/modules'
export const HISTORY = 'refs/history'

export const refPath = ({ category, name, version }: ModuleName): StorePath =>
  `${MODULES}/${category}/${name}/${version}`

/**
 * @param root of the store
 * @returns undefined if nothing of that name is published there
 * @throws StrataError MANIFEST_INVALID that names a file that is not a ref; STORE_FOLDER, IO
 */
export const readRef = (root: string, name: ModuleName): CID | undefined => readRefFile(root, refPath(name))

/** @returns undefined if there is no such file; @throws as readRef */
export function readRefFile(root: string, path: StorePath): CID | undefined {
  const line = readShortFile(root, path)
  if (line === undefined) return undefined
  const shown = storeFolder(root).displayPath(path)
  if (!line.endsWith('\n')) throw notARef(shown, 'does not end with a newline')
  return idIn(line.slice(0, -1), shown)
}
