/** A file that is being written: beside its target under a name of its own, readable by its owner alone until it is whole. */
import { constants } from 'node:fs'
import { open, rename, unlink } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { StrataError } from '../../store/errors.ts'
import { writeFully } from '../../store/object/hashed-file.ts'
import { pathFromText, showPath } from '../../store/path-bytes.ts'
import { siblingPath } from '../../store/sibling-path.ts'
import { syncFolder } from '../../store/temporary-file.ts'

const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

export interface OutputFileOptions {
  /** Whether the file has reached the disk when the promise resolves. */
  sync: boolean
  /** Sets access of the finished file, which still has its temporary name. */
  admit: (fd: number) => void
}

/**
 * Whole or absent; what was there under the name is replaced.
 * @returns bytes written
 * @throws StrataError IO, and whatever the chunks throw
 */
export async function writeOutputFile(
  target: string,
  chunks: AsyncIterable<Uint8Array>,
  { sync, admit }: OutputFileOptions
): Promise<number> {
  const absolute = resolve(target)
  const temporary = siblingPath(absolute)
  try {
    const file = await open(temporary, FLAGS, 0o600)
    try {
      let position = 0
      for await (const chunk of chunks) {
        await writeFully(file, chunk, position)
        position += chunk.length
      }
      admit(file.fd)
      if (sync) await file.sync()
      await rename(temporary, absolute)
      if (sync) await syncFolder(dirname(absolute))
      return position
    } catch (error) {
      await unlink(temporary).catch(() => {}) // the first error is the one to tell
      throw error
    } finally {
      await file.close()
    }
  } catch (cause) {
    if (cause instanceof StrataError || (cause as NodeJS.ErrnoException).syscall === undefined) throw cause
    const shown = showPath(pathFromText(target))
    throw new StrataError('IO', {
      message: `${shown} cannot be written: ${(cause as Error).message}`,
      facts: { file: shown, errno: (cause as NodeJS.ErrnoException).code ?? '' },
      cause
    })
  }
}
