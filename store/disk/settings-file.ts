/**
 * Files of settings of the user. The environment says where they lie, and `sudo -E` or `su` without `-` leaves root with that
 * of another user. So root writes one only where no other user can have placed a link, or exchange a folder: otherwise that
 * user would choose which file is written; and believes one only if that user did not write it
 * (spec/registry.md#settings-of-another-user).
 */
import { chmodSync, lstatSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { pathFromText, StrataError, showPath, typedPath, whenStopped } from '../values/index.ts'
import { type Fault, faultAbove } from './fault-above.ts'
import { makeFolders } from './make-folders.ts'
import { siblingPath } from './sibling-path.ts'

/**
 * Ordinary users chose their environment, and can do no more than they may.
 * @throws StrataError FOLDER_UNSAFE if another user could decide where root writes this file
 */
export function assertOwnSettings(path: string): void {
  if (process.geteuid!() !== 0) return
  let above = dirname(resolve(path))
  while (lstatSync(above, { throwIfNoEntry: false }) === undefined) above = dirname(above)
  const fault = faultAbove(above)
  if (fault !== undefined)
    throw chosenByOthers(path, fault, 'is not written as root: others could choose the file that is')
}

/**
 * @param path of a file or folder that is there
 * @throws StrataError FOLDER_UNSAFE if another user could decide what it says to root
 */
export function assertOwnWords(path: string): void {
  if (process.geteuid!() !== 0) return
  const fault = faultAbove(resolve(path))
  if (fault !== undefined)
    throw chosenByOthers(path, fault, 'is not believed as root: others could choose what it says')
}

function chosenByOthers(path: string, fault: Fault, why: string): StrataError {
  const [shown, folder] = [path, fault.folder].map(name => showPath(pathFromText(name)))
  return new StrataError('FOLDER_UNSAFE', {
    message: `${shown} ${why}, in ${folder}, which ${fault.why}`,
    facts: { file: shown, folder },
    hint: fault.isOwn
      ? `chmod go-w ${typedPath(folder)}`
      : 'type it as that user; or after sudo -i, which leaves the HOME and XDG_… of that user behind'
  })
}

/**
 * Readable by the user alone, and whole at every moment. A link of this name is replaced, not followed.
 * @throws StrataError FOLDER_UNSAFE; the system's error
 */
export function writeSettings(path: string, text: string): void {
  assertOwnSettings(path)
  makeFolders(dirname(path), 0o700)
  const partial = siblingPath(path)
  const remove = () => rmSync(partial, { force: true })
  const forget = whenStopped(remove)
  try {
    writeFileSync(partial, text, { mode: 0o600, flag: 'wx' })
    chmodSync(partial, 0o600)
    renameSync(partial, path)
  } catch (error) {
    remove()
    throw error
  } finally {
    forget()
  }
}
