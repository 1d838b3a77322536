/**
 * Removes a module's name (spec/store-layout.md#unpublish). Its record stays in the history: it can be reached by its
 * id, and locks that name it can be built, until `compose gc` drops it.
 */
import type { CID } from 'multiformats/cid'
import { assertWritable, parentOf, type Store, storeFolder, unusedPath } from '../files/index.ts'
import { updateIndex } from '../index/index.ts'
import { type FoundModule, findExact, publishedVersions, unknownModule } from '../lookup/index.ts'
import {
  checkLine,
  formatModuleName,
  formatModuleRequest,
  historyFolder,
  listAliases,
  listHistory,
  type ModuleName,
  matchesVersion,
  noteHistory,
  readDefault,
  readRef,
  readRefFile,
  refPath
} from '../module/index.ts'
import { formatCid, StrataError, whenStopped } from '../values/index.ts'

export interface Unpublished {
  name: ModuleName
  record: CID
  /** True if it was the default of its name; the default then leads nowhere. */
  wasDefault: boolean
  /** Aliases that now lead nowhere. */
  aliases: string[]
}

/**
 * Works in the store for writing and no other.
 * @param reason is kept in the history
 * @throws StrataError MODULE_UNKNOWN, STORE_READONLY, MANIFEST_INVALID
 */
export async function unpublish(store: Store, name: ModuleName, reason?: string): Promise<Unpublished> {
  const text = reason === undefined ? '' : `${checkLine(reason, '--reason')}\n`
  await assertWritable(store)
  const record = await takeAway(store, name, text)
  await updateIndex(store, record)
  const own = { ...store, searched: [store] }
  const versions = publishedVersions(own, name)
  return {
    name,
    record,
    wasDefault: readDefault(store.root, name) === name.version,
    aliases: listAliases(store.root)
      .notes.filter(
        ({ value }) =>
          value.category === name.category &&
          value.name === name.name &&
          matchesVersion(value.version, name.version) &&
          !versions.some(({ version }) => matchesVersion(value.version, version))
      )
      .map(({ category, name }) => formatModuleRequest({ category, name }))
  }
}

/**
 * The note is written first, so that a collector sees the record as a ref, in the history, or as both. By then the file
 * that is moved away may be that of another record, which has a note since it became current.
 */
async function takeAway(store: Store, name: ModuleName, text: string): Promise<CID> {
  const { root } = store
  const current = readRef(root, name)
  if (current === undefined) throw await notPublished(store, name)
  await noteHistory(root, name, current, text)
  const [path, aside] = [refPath(name), unusedPath()]
  const folder = storeFolder(root)
  try {
    folder.rename(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw await notPublished(store, name)
    throw error
  }
  const forget = whenStopped(() => folder.giveBack(aside, path))
  try {
    const taken = readRefFile(root, aside) ?? current
    if (!taken.equals(current)) await noteHistory(root, name, taken, text)
    return taken
  } finally {
    folder.remove(aside)
    forget()
    await folder.sync(parentOf(path))
  }
}

async function notPublished(store: Store, name: ModuleName): Promise<StrataError> {
  const elsewhere = findExact(store, name)
  if (elsewhere !== undefined) return notOurs(elsewhere, store.root)
  const before = formerRecords(store.root, name)
  if (before.length === 0) return await unknownModule(store, name)
  return new StrataError('MODULE_UNKNOWN', {
    message: `${formatModuleName(name)} is no longer published in ${store.root}`,
    facts: {
      before: before.map(formatCid),
      history: storeFolder(store.root).displayPath(historyFolder(name))
    },
    hint: `compose history ${formatModuleName(name)} --restore ${before.length === 1 ? formatCid(before[0]) : 'ID'} publishes it again, unless compose gc has removed the record`
  })
}

const notOurs = ({ name, store: { root } }: FoundModule, written: string): StrataError =>
  new StrataError('MODULE_UNKNOWN', {
    message: `${formatModuleName(name)} is not published in ${written}, but in ${root}, which is only read`,
    facts: { store: written },
    hint: `compose --store ${root} unpublish ${formatModuleName(name)}, as a user who publishes there`
  })

const formerRecords = (root: string, { category, name, version }: ModuleName): CID[] =>
  listHistory(root)
    .refs.filter(
      ({ name: other }) => other.category === category && other.name === name && other.version === version
    )
    .map(({ record }) => record)
