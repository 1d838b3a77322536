/** Removes remains of killed commands in tmp/: files, and folders in which databases and folders were prepared. */
import { constants, type FileStatus, type NativeError } from '../../native/index.ts'
import { mtimeOf, type StoreFolder, type StorePath, storeFolder, TMP } from '../files/index.ts'
import { LOCK } from './gc-lock.ts'
import type { Amount } from './remover.ts'

/** Files younger than a day stay: an import may wait long for its standard input, and not write to its files meanwhile. */
const LEFTOVER_NS = 86_400_000_000_000n

/** @param nowNs by the clock of the store; files written within a day before it stay, or within a longer grace period */
export function removeLeftovers(
  root: string,
  { nowNs, graceNs, dryRun }: { nowNs: bigint; graceNs: bigint; dryRun: boolean }
): Amount {
  const store = storeFolder(root)
  const amount: Amount = { files: 0, bytes: 0 }
  const keptFromNs = nowNs - (graceNs > LEFTOVER_NS ? graceNs : LEFTOVER_NS)
  for (const path of pathsInTmp(store)) {
    const status = path === LOCK ? undefined : ifOurs(() => store.status(path))
    if (status === undefined || mtimeOf(status) >= keptFromNs) continue
    if (!dryRun && !ifOurs(() => removeEntry(store, path, status))) continue
    amount.files++
    amount.bytes += isOfType(status, constants.S_IFREG) ? status.size : 0
  }
  return amount
}

/** Empty if the user may not look into tmp/; this is a dry run then. */
const pathsInTmp = (store: StoreFolder): StorePath[] =>
  (ifOurs(() => store.list(TMP)) ?? []).map(({ name }) => `${TMP}/${name}`)

const removeEntry = (store: StoreFolder, path: StorePath, status: FileStatus): boolean =>
  isOfType(status, constants.S_IFDIR) ? store.removeTree(path) : store.remove(path)

const isOfType = ({ mode }: FileStatus, type: number): boolean => (mode & constants.S_IFMT) === type

/** Undefined if the entry is another user's, whom alone a sticky folder allows to remove it, or if it just changed. */
function ifOurs<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (['EPERM', 'EACCES', 'EISDIR', 'ENOTDIR', 'ELOOP', 'ENOENT'].includes((error as NativeError).code))
      return undefined
    throw error
  }
}
