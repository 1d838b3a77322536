/** Whether a packed layer holds what its note says, for those who may read what it was made from: a part of `fsck`. */
import { accessOfPath, isSameAccess, isWithin, showAccess } from '../access/file-access.ts'
import { accessOfLayers } from '../access/layer-access.ts'
import { openStoreFile } from '../access/open-file.ts'
import { StrataError } from '../errors.ts'
import type { Store } from '../store.ts'
import { checkBlob, readCachedNote } from './cached-layer.ts'

/**
 * @param path of the blob
 * @throws StrataError OBJECT_CORRUPT, STORE_ACCESS; as openStoreFile
 */
export async function checkCachedLayer(
  store: Store,
  path: string,
  onBytes: (bytes: number) => void
): Promise<void> {
  const note = await readCachedNote(store.root, path)
  const file = await openStoreFile(store.root, path)
  try {
    await checkBlob(file, path, note, onBytes)
  } finally {
    await file.close()
  }
  const wanted = await accessOfLayers(store, note.layers).catch(error => {
    // Layers that are gone: `compose gc` takes what was made from them.
    if (error instanceof StrataError && error.code === 'BLOB_MISSING') return undefined
    throw error
  })
  const { access, users } = accessOfPath(path)
  if (wanted === undefined || (isSameAccess(access, wanted) && users.length === 0)) return
  const isWider = users.length > 0 || !isWithin(access, wanted)
  throw new StrataError('STORE_ACCESS', {
    message: `${path} is ${isWider ? 'open to more' : 'closed to some'}: readable by ${showAccess(access)}, what it was made from by ${showAccess(wanted)}`,
    facts: { file: path }
  })
}
