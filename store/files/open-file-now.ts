import type { HeldFile } from '../disk/index.ts'
import { storeFolder } from './held-folder.ts'
import { openFailure, untrustedFile } from './open-faults.ts'
import { faultOf } from './open-file.ts'
import type { StorePath } from './store-folder.ts'

/** Like `openStoreFile`, for readers that work without promises. @throws as openStoreFile */
export function openStoreFileNow(storeRoot: string, path: StorePath): HeldFile {
  const store = storeFolder(storeRoot)
  const file = openOrExplain(storeRoot, path)
  const fault = faultOf(store, file)
  if (fault === undefined) return file
  file.closeSync()
  throw untrustedFile(store.displayPath(path), fault)
}

function openOrExplain(storeRoot: string, path: StorePath): HeldFile {
  const store = storeFolder(storeRoot)
  try {
    return store.openFile(path)
  } catch (error) {
    throw openFailure(store, path, error as NodeJS.ErrnoException)
  }
}
