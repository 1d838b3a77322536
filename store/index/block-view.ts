/** Reads the databases of blocks: where the packed form of a block may lie (spec/index.md#blocks). */
import { type Profile, profileKey } from '../values/index.ts'
import {
  BLOCKS,
  blockKey,
  blockPrefix,
  decodeNumberKey,
  decodePart,
  decodePlace,
  NUMBER_KEYS,
  numberKey,
  OWN_BLOCKS,
  type PartName
} from './block-keys.ts'
import { ownUid } from './database-folder.ts'
import { type Database, type OpenView, openViews } from './database-reader.ts'

/** The databases of a store that this user may use: everybody's of open parts, and their own of others. */
export async function openBlockViews(root: string): Promise<BlockView[]> {
  const open = await openViews(root, BLOCKS, lastNumber)
  const own = await openViews(root, OWN_BLOCKS, lastNumber, { only: ownUid() })
  return [...open, ...own].map(view => new BlockView(root, view))
}

/** The highest number of a part in a database, 0 if there is none. @throws Error of LevelDB, RangeError */
export async function lastNumber(db: Database): Promise<number> {
  for await (const key of db.keys({ ...NUMBER_KEYS, reverse: true, limit: 1 })) return decodeNumberKey(key)
  return 0
}

/** A stored block in a part. */
export interface PlaceInPart {
  part: PartName
  /** In the bytes of the part. */
  offset: number
  /** Length, | STORED_RAW. */
  stored: number
}

/** Its methods throw if the database is damaged. */
export class BlockView {
  /** Root of the store. */
  readonly root: string
  readonly #view: OpenView<number>
  readonly #parts = new Map<number, PartName | undefined>()

  constructor(root: string, view: OpenView<number>) {
    this.root = root
    this.#view = view
  }

  /**
   * @param hashes SHA-256 of blocks' raw bytes, or their beginnings
   * @returns one for each hash; undefined if the database has none
   */
  async places(profile: Profile, hashes: Uint8Array[]): Promise<(PlaceInPart | undefined)[]> {
    const prefix = blockPrefix(profileKey(profile))
    const values = await this.#view.db.getMany(hashes.map(hash => blockKey(prefix, hash)))
    const numbered = values.map(value => value && decodePlace(value))
    await this.#readParts(numbered.flatMap(place => (place === undefined ? [] : [place.number])))
    return numbered.map(place => {
      const part = place && this.#parts.get(place.number)
      return part && { part, offset: place.offset, stored: place.stored }
    })
  }

  async #readParts(numbers: number[]): Promise<void> {
    const unknown = [...new Set(numbers)].filter(number => !this.#parts.has(number))
    const values = unknown.length === 0 ? [] : await this.#view.db.getMany(unknown.map(numberKey))
    for (const [i, number] of unknown.entries()) {
      const value = values[i]
      this.#parts.set(number, value && decodePart(value))
    }
  }

  close(): Promise<void> {
    return this.#view.close()
  }
}
