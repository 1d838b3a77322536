import { mkdtempSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathFromText, StrataError, showPath, systemWords, whenStopped } from '../values/index.ts'
import { faultAbove } from './fault-above.ts'
import { removeTree } from './remove-contents.ts'

/** A folder for temporary files of this command. */
export interface OwnFolder {
  path: string
  /** Removes the folder with all that is in it, without following links. Calling it twice is fine. */
  remove(): void
}

/**
 * Makes a new folder with a unique name, mode 0700. It is also removed when the command is stopped.
 * @param prefix beginning of the name
 * @throws StrataError IO, of the parent: its users know it by TMPDIR; FOLDER_UNSAFE if others could exchange the folder
 */
export function makeOwnFolder(parent: string, prefix: string): OwnFolder {
  const path = makeIn(parent, prefix)
  const remove = () => removeTree(path)
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
    assertOwnNames(resolve(parent))
    return mkdtempSync(join(parent, prefix))
  } catch (cause) {
    if (cause instanceof StrataError) throw cause
    const shown = showPath(pathFromText(parent))
    throw new StrataError('IO', {
      message: `no temporary folder can be made in ${shown}: ${systemWords(cause as Error)}`,
      facts: { folder: shown, errno: (cause as NodeJS.ErrnoException).code ?? '' },
      hint: 'TMPDIR=FOLDER names a folder that you may write to',
      cause
    })
  }
}

/** The files are read again by their paths: another folder in the place of the new one would be taken for it. */
function assertOwnNames(parent: string): void {
  const fault = faultAbove(parent)
  if (fault === undefined) return
  const [shown, folder] = [parent, fault.folder].map(path => showPath(pathFromText(path)))
  const elsewhere = 'TMPDIR=FOLDER, or --work-dir, with a folder of your own'
  throw new StrataError('FOLDER_UNSAFE', {
    message: `no temporary folder is made in ${shown}: others could exchange it in ${folder}, which ${fault.why}`,
    facts: { folder },
    hint: fault.isOwn ? `chmod go-w ${folder}, or chmod +t ${folder}` : elsewhere
  })
}
