import { lstatSync } from 'node:fs'
import { pathFromText, StrataError, showPath } from '../values/index.ts'

/**
 * Refuses a target that a finished file must not replace. Only a file or a link may be replaced: a device would be
 * gone.
 * @throws StrataError OUTPUT_EXISTS
 */
export function assertReplaceable(target: string): void {
  const status = lstatSync(target, { throwIfNoEntry: false })
  if (status === undefined || status.isFile() || status.isSymbolicLink()) return
  const shown = showPath(pathFromText(target))
  const kind = status.isDirectory() ? 'a directory' : 'a device, pipe or socket'
  throw new StrataError('OUTPUT_EXISTS', {
    message: `${shown} is ${kind}, and only a file is replaced`,
    facts: { path: shown },
    hint: status.isDirectory() ? `name a file, as ${shown}/stack.sqfs` : 'name a new file'
  })
}
