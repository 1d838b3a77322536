/** Gives files their names in the store, and replaces damaged ones. */
import {
  type FileAccess,
  openStoreFile,
  type StorePath,
  showUser,
  storeFolder,
  type TemporaryFile
} from '../files/index.ts'
import { hashFile } from '../object/index.ts'
import { isDenied, StrataError } from '../values/index.ts'

/**
 * Gives a file its name. If another file has the name, that one stays if it is intact.
 * @throws StrataError OBJECT_CORRUPT if the name has other bytes, and only their owner or root may replace them
 */
export async function publishOrHeal(
  storeRoot: string,
  file: TemporaryFile,
  path: StorePath,
  access: FileAccess,
  isIntact: () => Promise<boolean>
): Promise<void> {
  if (storeFolder(storeRoot).status(path) === undefined || (await isIntact())) {
    await file.publish(path, access)
    return
  }
  try {
    await file.replace(path, access)
  } catch (cause) {
    if (!['EPERM', 'EACCES'].includes((cause as NodeJS.ErrnoException).code ?? '')) throw cause
    const shown = storeFolder(storeRoot).displayPath(path)
    const uid = storeFolder(storeRoot).status(path)?.uid
    throw new StrataError('OBJECT_CORRUPT', {
      message: `${shown} holds other bytes than it should, and belongs to ${uid === undefined ? 'another user' : showUser(uid)}`,
      facts: { file: shown },
      hint: 'the owner of the store or root can type compose fsck --repair, which removes it',
      cause
    })
  }
}

/** False if the file has other bytes, or is something that readers refuse. */
export async function hasHash(storeRoot: string, path: StorePath, wanted: Buffer): Promise<boolean> {
  try {
    const file = await openStoreFile(storeRoot, path)
    const { sha256 } = await hashFile(file).finally(() => file.close())
    return sha256.equals(wanted)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true // it is gone by now
    if (!(error instanceof StrataError)) throw error
    return isDenied(error) // a file for other groups is theirs to check
  }
}
