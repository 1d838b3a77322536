/** Checks that a packed layer matches its note, and is only open to those who may read its layers: a part of `fsck`. */

import { accessOfLayers } from '../access/index.ts'
import {
  isSameAccess,
  isWithin,
  openStoreFile,
  readAccess,
  type Store,
  type StorePath,
  showAccess,
  storeFolder
} from '../files/index.ts'
import { checkBlob, readCachedNote } from '../layer-cache/index.ts'
import { StrataError } from '../values/index.ts'

/**
 * @param path of the blob
 * @throws StrataError OBJECT_CORRUPT, STORE_ACCESS; as openStoreFile
 */
export async function checkCachedLayer(
  store: Store,
  path: StorePath,
  onBytes: (bytes: number) => void
): Promise<void> {
  const note = await readCachedNote(store.root, path)
  const file = await openStoreFile(store.root, path)
  const shown = storeFolder(store.root).displayPath(path)
  const { access, users } = readAccess(file.fd)
  try {
    await checkBlob(file, shown, note, onBytes)
  } finally {
    await file.close()
  }
  const wanted = await accessOfLayers(store, note.layers).catch(error => {
    // If layers are gone, `compose gc` removes the packed ones made from them.
    if (error instanceof StrataError && error.code === 'BLOB_MISSING') return undefined
    throw error
  })
  if (wanted === undefined || (isSameAccess(access, wanted) && users.length === 0)) return
  const isWider = users.length > 0 || !isWithin(access, wanted)
  throw new StrataError('STORE_ACCESS', {
    message: `${shown} is ${isWider ? 'open to more' : 'closed to some'}: readable by ${showAccess(access)}, its layers by ${showAccess(wanted)}`,
    facts: { file: shown }
  })
}
