/**
 * Makes the databases of blocks anew: without parts that are gone or that other people may read now, and with parts that
 * they lack (spec/index.md#blocks).
 */
import { debuglog } from 'node:util'
import type { Digest } from '../values/index.ts'
import {
  BLOCK_KEYS,
  BLOCKS,
  decodeNumber,
  decodePartKey,
  decodePlace,
  encodeNumber,
  numberKey,
  OWN_BLOCKS,
  PART_KEYS,
  partKey
} from './block-keys.ts'
import { lastNumber } from './block-view.ts'
import { BatchWriter, fillParts, kindFor, type PartToNote } from './block-writer.ts'
import { type DatabaseKind, databaseFolders, ownUid } from './database-folder.ts'
import { type Database, openViews } from './database-reader.ts'
import { rebuildDatabase, writeTables } from './database-writer.ts'

const debug = debuglog('strata')

/**
 * @param parts that the databases should hold; if undefined, those that they hold now, and other users' databases stay
 * @throws Error of LevelDB or the system if nothing can be written
 */
export async function rebuildBlocks(root: string, parts?: PartToNote[]): Promise<void> {
  for (const kind of [BLOCKS, OWN_BLOCKS]) {
    const wanted = parts?.filter(({ sha256 }) => kindFor(root, sha256) === kind) ?? []
    const isThere = databaseFolders(root, kind).some(({ uid }) => parts !== undefined || uid === ownUid())
    if (wanted.length > 0 || isThere)
      await rebuildDatabase(
        root,
        { kind, check: lastNumber, fill: db => refill(root, kind, db, wanted) },
        { removesOthers: parts !== undefined }
      )
  }
}

async function refill(root: string, kind: DatabaseKind, db: Database, wanted: PartToNote[]): Promise<void> {
  for (const view of await openViews(root, kind, lastNumber, { only: ownUid() }))
    try {
      await copyParts(view.db, db, part => kindFor(root, part) === kind)
    } catch (error) {
      debug('a database of blocks in %s is damaged: %o', root, error)
    } finally {
      await view.close()
    }
  await fillParts(db, wanted)
}

/** Copies the keys of some parts. */
async function copyParts(from: Database, to: Database, isKept: (part: Digest) => boolean): Promise<void> {
  const kept = new Map<number, Digest>()
  for await (const [key, value] of from.iterator(PART_KEYS)) {
    const part = decodePartKey(key)
    if (isKept(part)) kept.set(decodeNumber(value), part)
  }
  const writer = new BatchWriter(to)
  for (const number of kept.keys()) {
    const name = await from.get(numberKey(number))
    if (name === undefined) kept.delete(number)
    else await writer.put(numberKey(number), name)
  }
  for await (const [key, value] of from.iterator(BLOCK_KEYS))
    if (kept.has(decodePlace(value).number)) await writer.put(key, value)
  for (const [number, part] of kept) await writer.put(partKey(part), encodeNumber(number))
  await writer.flush()
  await writeTables(to)
}
