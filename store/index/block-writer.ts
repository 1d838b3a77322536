/** Notes where packed blocks lie, in the databases of blocks (spec/index.md#blocks). */
import { EVERYONE, partPath, readAccess, withFileBelow } from '../files/index.ts'
import { KEY_BYTES, type Part, STORED_RAW, type WrittenBlocks } from '../object/index.ts'
import { type Digest, type Profile, profileKey } from '../values/index.ts'
import {
  BLOCKS,
  blockKey,
  blockPrefix,
  encodeNumber,
  encodePart,
  encodePlace,
  numberKey,
  OWN_BLOCKS,
  type PartName,
  partKey
} from './block-keys.ts'
import { lastNumber } from './block-view.ts'
import type { DatabaseKind } from './database-folder.ts'
import type { Database } from './database-reader.ts'
import { addToDatabase, writeTables } from './database-writer.ts'

/** Limit of a batch, which is held in memory. */
const BATCH_KEYS = 50_000

/** A stored block within a part. */
export interface BlockInPart {
  /** SHA-256 of the raw bytes, or its beginning. */
  hash: Uint8Array
  offset: number
  stored: number
}

export interface PartToNote extends PartName {
  profile: Profile
  /** Called only if the part is not in the database yet; undefined if its blocks cannot be read. */
  blocks(): Promise<Iterable<BlockInPart> | undefined>
}

/** Where the blocks of a data file lie, in its order. */
export interface BlockPlaces {
  starts: Float64Array
  stored: Uint32Array
}

/** @param parts of the data file in which the blocks lie, published */
export const partsToNote = (profile: Profile, parts: Part[], blocks: WrittenBlocks): PartToNote[] =>
  parts.map(part => ({ ...part, profile, blocks: async () => blocksIn(part, blocks) }))

/** A block that lies in two parts is left out. */
function* blocksIn(
  { start, lengthBytes }: Part,
  { keys, starts, stored }: WrittenBlocks
): Generator<BlockInPart> {
  const end = start + lengthBytes
  for (let i = firstAtLeast(starts, start); i < starts.length; i++) {
    if (starts[i] + (stored[i] & ~STORED_RAW) > end) return
    const hash = keys.subarray(i * KEY_BYTES, (i + 1) * KEY_BYTES)
    yield { hash, offset: starts[i] - start, stored: stored[i] }
  }
}

/** First index of an ascending column whose value is at least `value`. */
export function firstAtLeast(column: Float64Array, value: number): number {
  let low = 0
  for (let high = column.length; low < high; ) {
    const middle = (low + high) >>> 1
    if (column[middle] < value) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * Adds the blocks of parts to the databases of this user.
 * @throws Error of LevelDB or the system if nothing can be written, for instance because another process is writing
 */
export async function addParts(root: string, parts: PartToNote[]): Promise<void> {
  const each = new Map(parts.map(part => [part.sha256, part]))
  for (const kind of [BLOCKS, OWN_BLOCKS]) {
    const wanted = [...each.values()].filter(({ sha256 }) => kindFor(root, sha256) === kind)
    if (wanted.length > 0)
      await addToDatabase(root, { kind, check: lastNumber, fill: db => fillParts(db, wanted) })
  }
}

/** The databases to which a part belongs; undefined if it is not there. */
export function kindFor(root: string, part: Digest): DatabaseKind | undefined {
  const found = withFileBelow(root, partPath(part), readAccess)
  return found && (found.access === EVERYONE ? BLOCKS : OWN_BLOCKS)
}

export async function fillParts(db: Database, parts: PartToNote[]): Promise<void> {
  const there = await db.getMany(parts.map(({ sha256 }) => partKey(sha256)))
  const lacking = parts.filter((_, i) => there[i] === undefined)
  let number = await lastNumber(db)
  const writer = new BatchWriter(db)
  for (const part of lacking) {
    const blocks = await part.blocks()
    if (blocks === undefined) continue
    number++
    await writer.put(numberKey(number), encodePart(part))
    const prefix = blockPrefix(profileKey(part.profile))
    for (const { hash, offset, stored } of blocks)
      await writer.put(blockKey(prefix, hash), encodePlace({ number, offset, stored }))
    await writer.put(partKey(part.sha256), encodeNumber(number)) // last, because it says that the others are there
  }
  await writer.flush()
  if (lacking.length > 0) await writeTables(db)
}

/** Writes keys in the order in which they come. */
export class BatchWriter {
  readonly #db: Database
  #batch: ReturnType<Database['batch']>

  constructor(db: Database) {
    this.#db = db
    this.#batch = db.batch()
  }

  async put(key: Uint8Array, value: Uint8Array): Promise<void> {
    this.#batch.put(key, value)
    if (this.#batch.length >= BATCH_KEYS) await this.flush()
  }

  async flush(): Promise<void> {
    const batch = this.#batch
    this.#batch = this.#db.batch()
    await batch.write()
  }
}
