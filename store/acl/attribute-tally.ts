/** Counts attributes by name, with the number of paths that have each: a million files may each have one. */
import type { PathBytes } from '../values/index.ts'

export interface AttributeCount {
  name: PathBytes
  /** What the attribute is, and why it was treated this way. */
  reason: string
  paths: number
  /** One of the paths. */
  example: PathBytes
}

export class AttributeTally {
  readonly #counts = new Map<PathBytes, AttributeCount>()

  add(name: PathBytes, reason: string, path: PathBytes): void {
    const count = this.#counts.get(name)
    if (count === undefined) this.#counts.set(name, { name, reason, paths: 1, example: path })
    else count.paths++
  }

  addAll(counts: Iterable<AttributeCount>): void {
    for (const added of counts) {
      const count = this.#counts.get(added.name)
      if (count === undefined) this.#counts.set(added.name, { ...added })
      else count.paths += added.paths
    }
  }

  /** By name, in byte order. */
  list(): AttributeCount[] {
    return [...this.#counts.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }
}
