/** A file that is being written: beside its target under a name of its own, readable by its owner alone until it is whole. */
import { constants } from 'node:fs'
import { open, rename, unlink } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { assertReplaceable, siblingPath, syncFolder } from '../../store/disk/index.ts'
import { writeFully } from '../../store/object/index.ts'
import { outputError } from '../../store/values/index.ts'

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
 * @throws StrataError IO, OUTPUT_EXISTS, and whatever the chunks throw
 */
export async function writeOutputFile(
  target: string,
  chunks: AsyncIterable<Uint8Array>,
  { sync, admit }: OutputFileOptions
): Promise<number> {
  const absolute = resolve(target)
  assertReplaceable(absolute)
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
    throw outputError('tar', target, cause)
  }
}
