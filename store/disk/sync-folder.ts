import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { makeFolders } from './make-folders.ts'

/** Makes new, renamed and removed names of a folder survive a loss of power. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Like mkdir -p, and syncs the parent of each new folder. */
export async function makeFolder(path: string): Promise<void> {
  for (const folder of makeFolders(path, 0o755).reverse()) await syncFolder(dirname(folder))
}
