/** Writes `index/modules.json` after reading refs/, if this process may write. */
import { debuglog } from 'node:util'
import { INDEX, MODULES_FILE, type Store, storeFolder, TemporaryFile } from '../files/index.ts'
import { encodeModules, type ModuleList, type ModulesFile } from './modules-file.ts'
import { scanRefs } from './scan-refs.ts'

const debug = debuglog('strata')

export interface RefreshOptions {
  /** An earlier index whose summaries are reused; without it every record is read. */
  known?: ModulesFile
  /**
   * False for readers: in another user's store they must not make the folder, least of all root, because its owner
   * could not write there.
   */
  mayMakeFolder: boolean
}

export interface Refreshed extends ModuleList {
  /** True if the file now agrees with the list. */
  isWritten: boolean
}

/** @throws StrataError IO if refs/ cannot be read; never because the index cannot be written */
export async function refreshModules(
  store: Store,
  { known, mayMakeFolder }: RefreshOptions
): Promise<Refreshed> {
  const file = openForIndex(store.root, mayMakeFolder)
  try {
    const clockMs = file && (await file.handle.stat()).ctimeMs
    const list = await scanRefs(store, { known: known?.modules, clockMs })
    if (file === undefined) return { ...list, isWritten: false }
    const bytes = encodeModules(list.modules)
    const isSame = known !== undefined && bytes.equals(known.bytes)
    const isWritten = isSame || (await write(file, bytes, store.root))
    return { ...list, isWritten }
  } finally {
    await file?.discard()
  }
}

/** Makes a file on the store's file system before anything is read: its time is the clock for stamps. */
function openForIndex(root: string, mayMakeFolder: boolean): TemporaryFile | undefined {
  try {
    const store = storeFolder(root)
    const isOurs = store.status('')?.uid === process.geteuid?.()
    if (mayMakeFolder || isOurs || store.status(INDEX) !== undefined) return TemporaryFile.create(root)
  } catch (error) {
    debug('index of %s is not written: %o', root, error)
  }
}

async function write(file: TemporaryFile, bytes: Uint8Array, root: string): Promise<boolean> {
  try {
    await file.handle.writeFile(bytes)
    await file.replace(MODULES_FILE)
    return true
  } catch (error) {
    debug('%s of %s is not written: %o', MODULES_FILE, root, error)
    return false
  }
}
