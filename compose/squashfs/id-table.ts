import { StrataError } from '../../store/values/index.ts'
import { MetadataStream } from './metadata-stream.ts'

/** The superblock counts the ids in 16 bits. */
const ID_LIMIT = 65535

/** Owners and groups of an image, numbered in the order in which they occur. */
export class IdTable {
  readonly #numbers = new Map<number, number>()
  // Most inodes have the same owner as the one before.
  #lastId = -1
  #lastNumber = -1

  get count(): number {
    return this.#numbers.size
  }

  /** Number of a uid or gid. Beyond ID_LIMIT it only counts, and `encode` refuses. */
  numberOf(id: number): number {
    if (id === this.#lastId) return this.#lastNumber
    let number = this.#numbers.get(id)
    if (number === undefined) {
      number = this.#numbers.size
      this.#numbers.set(id, number)
    }
    this.#lastId = id
    this.#lastNumber = number
    return number
  }

  /** @throws StrataError IMAGE_LIMIT with the number of ids */
  encode(): MetadataStream {
    if (this.count > ID_LIMIT)
      throw new StrataError('IMAGE_LIMIT', {
        message: `the tree has ${this.count} different owners and groups, but SquashFS can hold only ${ID_LIMIT}`,
        facts: { ids: this.count, limit: ID_LIMIT },
        hint: 'compose build --sandbox DIR (a directory has no such limit)'
      })
    const rows = new MetadataStream('id table')
    rows.reserve(4 * this.count)
    for (const id of this.#numbers.keys()) rows.u32(id)
    return rows
  }
}
