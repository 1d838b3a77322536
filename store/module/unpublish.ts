/**
 * Takes a name away (spec/store-layout.md#unpublish). Its record stays in the history: it can be had by its id, and locks
 * that name it can be built, until `compose gc` drops it.
 */
import { randomBytes } from 'node:crypto'
import { readFile, rename, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { DAG_JSON, formatCid, parseCid } from '../digest.ts'
import { StrataError } from '../errors.ts'
import { updateIndex } from '../index/update-index.ts'
import { assertWritable, type Store } from '../store.ts'
import { TMP } from '../store-layout.ts'
import { syncFolder } from '../temporary-file.ts'
import { listAliases } from './aliases.ts'
import { readDefault } from './defaults.ts'
import { publishedVersions, unknownModule } from './find-module.ts'
import { formatModuleName, formatModuleRequest, type ModuleName, matchesVersion } from './name.ts'
import { historyFolder, listHistory, noteHistory, readRef, refPath } from './refs.ts'
import { checkLine } from './text-field.ts'

export interface Unpublished {
  name: ModuleName
  record: CID
  /** It was the default of its name, which points to nothing now. */
  wasDefault: boolean
  /** Aliases that stand for nothing now. */
  aliases: string[]
}

/**
 * In the store that is written, and no other.
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
 * The note goes first, so that a collector sees the record as a ref, in the history, or as both. The file that is
 * moved away may by then be that of another record: this one has a note, since it became current.
 */
async function takeAway(store: Store, name: ModuleName, text: string): Promise<CID> {
  const { root } = store
  const current = readRef(root, name)
  if (current === undefined) throw unknown(store, name)
  await noteHistory(root, name, current, text)
  const aside = join(root, TMP, randomBytes(16).toString('hex'))
  await rename(refPath(root, name), aside).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' ? unknown(store, name) : error
  })
  try {
    const taken = parseCid((await readFile(aside, 'latin1')).trimEnd(), DAG_JSON, refPath(root, name))
    if (!taken.equals(current)) await noteHistory(root, name, taken, text)
    return taken
  } finally {
    await unlink(aside)
    await syncFolder(dirname(refPath(root, name)))
  }
}

function unknown(store: Store, name: ModuleName): StrataError {
  const before = formerRecords(store.root, name)
  if (before.length === 0) return unknownModule({ ...store, searched: [store] }, name)
  return new StrataError('MODULE_UNKNOWN', {
    message: `${formatModuleName(name)} is not published in ${store.root} any more`,
    facts: { before: before.map(formatCid), history: historyFolder(store.root, name) },
    hint: 'compose show ID still tells of a record that compose gc has not removed'
  })
}

const formerRecords = (root: string, { category, name, version }: ModuleName): CID[] =>
  listHistory(root)
    .refs.filter(
      ({ name: other }) => other.category === category && other.name === name && other.version === version
    )
    .map(({ record }) => record)
