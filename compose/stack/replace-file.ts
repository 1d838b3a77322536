import { open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { siblingPath, syncFolder } from '../../store/disk/index.ts'
import { nameFileInErrors } from '../../store/values/index.ts'

/** Writes a file of the user. Whatever happens, its name stands for the complete old or new text. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const partial = siblingPath(path)
  const file = nameFileInErrors(await open(partial, 'wx', 0o666), path)
  try {
    await file.writeFile(text)
    await file.sync()
    await rename(partial, path)
  } catch (error) {
    await unlink(partial).catch(() => {})
    throw error
  } finally {
    await file.close()
  }
  await syncFolder(dirname(path))
}
