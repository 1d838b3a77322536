/** Reads small files in `refs`. Any publisher can have put something else in their place. */

import type { CID } from 'multiformats/cid'
import { type PlainFile, readPlainFile, type StorePath, storeFolder } from '../files/index.ts'
import { DAG_JSON, parseCid, StrataError, systemWords, typedPath } from '../values/index.ts'

/** Limit on refs: the id of a record has 61 characters. */
const LONGEST_REF_BYTES = 128

/**
 * Reads one line of a ref.
 * @param mostBytes limit on its length
 * @returns undefined if there is no such file
 * @throws StrataError MANIFEST_INVALID that names the file; STORE_FOLDER, IO
 */
export const readShortFile = (
  root: string,
  path: StorePath,
  mostBytes = LONGEST_REF_BYTES
): string | undefined => readRefText(root, path, { mostBytes, refuse: notARef })?.toString('latin1')

/** @throws the error of `refuse`; StrataError STORE_FOLDER, IO */
export const readRefText = (root: string, path: StorePath, plain: PlainFile): Buffer | undefined =>
  nameReadFaults(root, path, () => readPlainFile(storeFolder(root), path, plain))

/** Turns errors of the system into errors that name the file, which a list reports and then goes on. */
export function nameReadFaults<T>(root: string, path: StorePath, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).syscall === undefined) throw cause
    const shown = storeFolder(root).displayPath(path)
    throw new StrataError('IO', {
      message: `${shown} cannot be read: ${systemWords(cause as Error)}`,
      facts: { file: shown },
      cause
    })
  }
}

/** The id that a file says by its content or its name. @throws StrataError MANIFEST_INVALID */
export function idIn(text: string, path: string): CID {
  try {
    return parseCid(text, DAG_JSON, path)
  } catch (cause) {
    if (!(cause instanceof StrataError)) throw cause
    const { code, message, facts } = cause
    throw new StrataError(code, { message, facts, hint: awayWith(path), cause })
  }
}

const awayWith = (path: string): string => `mv ${typedPath(path)} ~; then publish the module again`

export const notARef = (path: string, fault: string): StrataError =>
  new StrataError('MANIFEST_INVALID', {
    message: `${path} ${fault}, wanted one line with the id of a module record`,
    facts: { file: path },
    hint: awayWith(path)
  })
