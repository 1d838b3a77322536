import { closeSync, readFileSync } from 'node:fs'
import { constants, fstatAt } from '../../native/index.ts'
import type { StoreFolder, StorePath } from './store-folder.ts'

export interface PlainFile {
  mostBytes: number
  /** Makes the error; `fault` continues the sentence after the name of the file: `is a symbolic link`. */
  refuse?(path: string, fault: string): Error
}

const plainFileError = (path: string, fault: string): Error => new Error(`${path} ${fault}`)

/**
 * Reads a small file whole. Any publisher could have put something else there: a link, a pipe, a folder, junk. The call
 * is synchronous, because handing each of 10,000 files of 60 bytes to a thread takes several times longer.
 * @returns undefined if it does not exist
 * @throws the error of `refuse` for a link, for something that is not a file, and for a file that is too large
 */
export function readPlainFile(
  store: StoreFolder,
  path: StorePath,
  { mostBytes, refuse = plainFileError }: PlainFile
): Buffer | undefined {
  const fault = (words: string) => refuse(store.displayPath(path), words)
  let fd: number
  try {
    fd = store.open(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw code === 'ELOOP' ? fault('is a symbolic link') : code === 'ENXIO' ? fault('is not a file') : error
  }
  try {
    const { mode, size } = fstatAt(fd)
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw fault('is not a file')
    if (size > mostBytes) throw fault(`has ${size} bytes`)
    return readFileSync(fd)
  } finally {
    closeSync(fd)
  }
}
