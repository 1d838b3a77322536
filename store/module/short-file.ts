/** Files in `refs`, read as what anybody who may publish could have put there. */

import { type PlainFile, readPlainFile, type StorePath, storeFolder } from '../files/index.ts'
import { StrataError } from '../values/index.ts'

/** The id of a record has 61 characters; what is much longer is no ref. */
const LONGEST_REF_BYTES = 128

/**
 * One line of a ref.
 * @param mostBytes that it may have
 * @returns undefined when there is no such file
 * @throws StrataError MANIFEST_INVALID naming the file; STORE_FOLDER, IO
 */
export const readShortFile = (
  root: string,
  path: StorePath,
  mostBytes = LONGEST_REF_BYTES
): string | undefined => readRefText(root, path, { mostBytes, refuse: notARef })?.toString('latin1')

/** @throws what `refuse` returns; StrataError STORE_FOLDER, IO */
export const readRefText = (root: string, path: StorePath, plain: PlainFile): Buffer | undefined =>
  readable(root, path, () => readPlainFile(storeFolder(root), path, plain))

/** Errors of the system become those of a file that cannot be read: a list goes on without it. */
export function readable<T>(root: string, path: StorePath, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).syscall === undefined) throw cause
    const shown = storeFolder(root).shown(path)
    throw new StrataError('IO', {
      message: `cannot read ${shown}: ${(cause as Error).message}`,
      facts: { file: shown },
      cause
    })
  }
}

export const notARef = (path: string, fault: string): StrataError =>
  new StrataError('MANIFEST_INVALID', {
    message: `${path} ${fault}, wanted one line with the id of a module record`,
    facts: { file: path },
    hint: 'compose fsck'
  })
