import { open, rename, unlink } from 'node:fs/promises'
import { OutputFolder, siblingPath } from '../../store/disk/index.ts'
import { nameFileInErrors } from '../../store/values/index.ts'

/** Writes a file of the user. Whatever happens, its name stands for the complete old or new text. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const folder = new OutputFolder(path)
  try {
    await replaceIn(folder, path, text)
    await folder.sync()
  } finally {
    folder.close()
  }
}

async function replaceIn({ target }: OutputFolder, path: string, text: string): Promise<void> {
  const partial = siblingPath(target)
  const file = nameFileInErrors(await open(partial, 'wx', 0o666), path)
  try {
    await file.writeFile(text)
    await file.sync()
    await rename(partial, target)
  } catch (error) {
    await unlink(partial).catch(() => {})
    throw error
  } finally {
    await file.close()
  }
}
