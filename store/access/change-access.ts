/** Giving a file of the store that has its name another access, as itself and not through a link. */
import { join } from 'node:path'
import { fstatAt } from '../../native/index.ts'
import { StrataError } from '../errors.ts'
import { withFileBelow } from './content-file.ts'
import { type FileAccess, isWithin, readAccess, setAccess } from './file-access.ts'

/**
 * @param path relative to the store; what is no file of it is left alone
 * @throws StrataError STORE_ACCESS
 */
export function changeAccess(root: string, path: string, access: FileAccess): void {
  withFileBelow(root, path, fd => {
    if (!isWithin(access, readAccess(fd).access)) assertOneName(fd, join(root, path))
    setAccess(fd, join(root, path), access)
  })
}

/** A file of two names would be opened under the other one as well, which may stand for something else. */
function assertOneName(fd: number, path: string): void {
  const { nlink } = fstatAt(fd)
  if (nlink === 1) return
  throw new StrataError('STORE_ACCESS', {
    message: `${path} has ${nlink} names, and is not opened to more`,
    facts: { file: path },
    hint: 'compose gc removes names that an interrupted command left in tmp/; then compose fsck --repair'
  })
}
