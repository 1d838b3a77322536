import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { whenStopped } from './unfinished.ts'

/** For files that nobody else sees and nobody keeps. */
export interface OwnFolder {
  path: string
  /** With all that is in it, links as links. Calling it twice is fine. */
  remove(): void
}

/**
 * A new folder of a name of its own, mode 0700; it goes as well when the command is stopped.
 * @param prefix the name begins so
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
