import { constants } from 'node:fs'
import { lstat, open } from 'node:fs/promises'
import { dirname } from 'node:path'

/** What was made, renamed or removed in a folder survives a loss of power. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Folders that are in their parents' listings for good, as far as this process knows. */
const settled = new Set<string>()

/**
 * The same of a folder and all above it, up to `top`: another publisher may have made one of them and been killed
 * before it was flushed into its parent, and what lies in it would be lost with it.
 */
export async function syncFolders(path: string, top: string): Promise<void> {
  await syncFolder(path)
  const news: string[] = []
  for (let folder = path; folder !== top; folder = dirname(folder)) {
    const { dev, ino } = await lstat(folder)
    const identity = `${dev}:${ino}:${folder}`
    if (settled.has(identity)) break
    await syncFolder(dirname(folder))
    news.push(identity)
  }
  for (const identity of news) settled.add(identity)
}
