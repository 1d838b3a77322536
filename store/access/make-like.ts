/**
 * A new folder with the mode and the group of the one that it lies in, from its first moment on: made ready in tmp/,
 * then moved. Made in its place, it would have what the umask leaves of its mode until chmod(2); another publisher
 * could not write to it, and after a kill in between never could.
 */
import { randomBytes } from 'node:crypto'
import { chmod, chown, lstat, mkdir, rename, rmdir } from 'node:fs/promises'
import { join } from 'node:path'

const SETGID = 0o2000
const MODE_BITS = 0o7777

/**
 * Make `parent`'s folder `path`, if it is not there.
 * @param staging where it is made ready
 * @returns whether this call made it
 */
export async function makeLike(parent: string, path: string, staging: string): Promise<boolean> {
  const { mode, gid } = await lstat(parent)
  const own = join(staging, randomBytes(16).toString('hex'))
  await mkdir(own, 0o700)
  try {
    // A folder without set-gid gives its group to nothing.
    if (mode & SETGID) await takeGroup(own, gid)
    await chmod(own, mode & MODE_BITS)
    await rename(own, path)
    return true
  } catch (error) {
    await rmdir(own).catch(() => undefined)
    if (await isFolder(path)) return false
    throw error
  }
}

async function takeGroup(folder: string, gid: number): Promise<void> {
  if ((await lstat(folder)).gid !== gid) await chown(folder, -1, gid)
}

/** EEXIST, ENOTEMPTY, EPERM below a sticky folder, or ENOENT when it was done and the answer lost: all the same. */
const isFolder = (path: string): Promise<boolean> =>
  lstat(path).then(
    status => status.isDirectory(),
    () => false
  )
