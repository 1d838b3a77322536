/** Changes the access of a published file of the store, by its descriptor and not through a link. */
import { fstatAt } from '../../native/index.ts'
import { StrataError } from '../values/index.ts'
import { withFileBelow } from './content-file.ts'
import { type FileAccess, isWithin, readAccess, setAccess } from './file-access.ts'
import { storeFolder } from './held-folder.ts'
import { hasStrangeNames } from './open-file.ts'
import type { StorePath } from './store-folder.ts'

/**
 * @param path does nothing if it is not a file of the store
 * @throws StrataError STORE_ACCESS
 */
export function changeAccess(root: string, path: StorePath, access: FileAccess): void {
  const store = storeFolder(root)
  withFileBelow(root, path, fd => {
    const { nlink } = fstatAt(fd)
    const isWider = !isWithin(access, readAccess(fd).access)
    // The file may have another name, in the store or outside, that should keep its access.
    if (isWider ? nlink > 1 : hasStrangeNames(store, fd)) throw manyNames(store.displayPath(path), nlink)
    setAccess(fd, store.displayPath(path), access)
  })
}

const manyNames = (path: string, nlink: number): StrataError =>
  new StrataError('STORE_ACCESS', {
    message: `${path} has ${nlink} names (hard links), so its access is not changed`,
    facts: { file: path },
    hint: 'compose gc removes names that an interrupted command left in tmp/; then compose fsck --repair'
  })
