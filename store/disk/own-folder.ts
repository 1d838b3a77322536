import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { whenStopped } from './unfinished.ts'

/** A folder for temporary files of this command. */
export interface OwnFolder {
  path: string
  /** Removes the folder with all that is in it, without following links. Calling it twice is fine. */
  remove(): void
}

/**
 * Makes a new folder with a unique name, mode 0700. It is also removed when the command is stopped.
 * @param prefix beginning of the name
 * @throws errors of mkdtemp(3)
 */
export function makeOwnFolder(parent: string, prefix: string): OwnFolder {
  const path = mkdtempSync(join(parent, prefix))
  const remove = () => rmSync(path, { recursive: true, force: true })
  const forget = whenStopped(remove)
  return {
    path,
    remove() {
      remove()
      forget()
    }
  }
}
