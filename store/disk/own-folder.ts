import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathFromText, StrataError, showPath, systemWords, whenStopped } from '../values/index.ts'

/** A folder for temporary files of this command. */
export interface OwnFolder {
  path: string
  /** Removes the folder with all that is in it, without following links. Calling it twice is fine. */
  remove(): void
}

/**
 * Makes a new folder with a unique name, mode 0700. It is also removed when the command is stopped.
 * @param prefix beginning of the name
 * @throws StrataError IO, of the parent: its users know it by TMPDIR
 */
export function makeOwnFolder(parent: string, prefix: string): OwnFolder {
  const path = makeIn(parent, prefix)
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

function makeIn(parent: string, prefix: string): string {
  try {
    return mkdtempSync(join(parent, prefix))
  } catch (cause) {
    const shown = showPath(pathFromText(parent))
    throw new StrataError('IO', {
      message: `no temporary folder can be made in ${shown}: ${systemWords(cause as Error)}`,
      facts: { folder: shown, errno: (cause as NodeJS.ErrnoException).code ?? '' },
      hint: 'TMPDIR=FOLDER names a folder that you may write to',
      cause
    })
  }
}
