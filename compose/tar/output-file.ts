/**
 * An output file that is being written. Until it is complete it has a temporary name beside its target and is
 * readable only by its owner.
 */
import { constants } from 'node:fs'
import { open, rename, unlink } from 'node:fs/promises'
import { assertReplaceable, OutputFolder, siblingPath } from '../../store/disk/index.ts'
import { writeFully } from '../../store/object/index.ts'
import { outputError } from '../../store/values/index.ts'

const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

export interface OutputFileOptions {
  /** True if the file must be on the disk when the promise resolves. */
  sync: boolean
  /** Sets the access of the finished file, which still has its temporary name. */
  admit: (fd: number) => void
}

/**
 * Writes a file, complete or not at all; an existing file is replaced.
 * @returns bytes written
 * @throws StrataError IO, OUTPUT_EXISTS, and errors of the chunks
 */
export async function writeOutputFile(
  target: string,
  chunks: AsyncIterable<Uint8Array>,
  { sync, admit }: OutputFileOptions
): Promise<number> {
  assertReplaceable(target)
  let folder: OutputFolder | undefined
  try {
    folder = new OutputFolder(target)
    const temporary = siblingPath(folder.target)
    const file = await open(temporary, FLAGS, 0o600)
    try {
      let position = 0
      for await (const chunk of chunks) {
        await writeFully(file, chunk, position)
        position += chunk.length
      }
      admit(file.fd)
      if (sync) await file.sync()
      await rename(temporary, folder.target)
      if (sync) await folder.sync()
      return position
    } catch (error) {
      await unlink(temporary).catch(() => {}) // the first error is the one to report
      throw error
    } finally {
      await file.close()
    }
  } catch (cause) {
    throw outputError('tar', target, cause)
  } finally {
    folder?.close()
  }
}
