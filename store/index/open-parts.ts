/** Parts that are open because blocks of them are read. */
import { closeSync } from 'node:fs'
import { openPart } from '../contents/index.ts'
import { partPath } from '../files/index.ts'
import type { FoundBlock, OpenPart } from '../object/index.ts'
import type { PlaceInPart } from './block-view.ts'

/** Parts that stay open though no block of them is being read. Those that are read are as many as workers read. */
const MOST_IDLE = 32

interface UsedPart extends OpenPart {
  /** Blocks of it that are being read. */
  users: number
}

/** Parts are looked for one at a time, and given back at any time. */
export class OpenParts {
  /** By path; the one that was used last stands last. Undefined if a part cannot be read. */
  readonly #parts = new Map<string, UsedPart | undefined>()
  #isClosed = false

  /** @returns undefined if the part is missing, may not be read by this user, or has another length */
  find(root: string, { part, offset, stored }: PlaceInPart): FoundBlock | undefined {
    const key = `${root}/${partPath(part.sha256)}`
    const found = this.#parts.has(key) ? this.#parts.get(key) : openIfPossible(root, part)
    this.#parts.delete(key)
    this.#parts.set(key, found)
    if (found === undefined) return undefined
    found.users++
    this.#closeIdle()
    return { fd: found.fd, position: found.offset + offset, stored, release: () => this.#release(found) }
  }

  /** Parts that are being read are closed when their last block is given back. */
  close(): void {
    this.#isClosed = true
    for (const part of this.#parts.values()) if (part?.users === 0) closeSync(part.fd)
    this.#parts.clear()
  }

  #release(part: UsedPart): void {
    part.users--
    if (this.#isClosed && part.users === 0) closeSync(part.fd)
  }

  #closeIdle(): void {
    for (const [key, part] of this.#parts) {
      if (this.#parts.size <= MOST_IDLE) return
      if (part !== undefined && part.users > 0) continue
      this.#parts.delete(key)
      if (part !== undefined) closeSync(part.fd)
    }
  }
}

/** The part is not hashed: whoever reads a block compares it. */
function openIfPossible(root: string, part: PlaceInPart['part']): UsedPart | undefined {
  try {
    const { fd, offset } = openPart(root, part, 'all')
    return { fd, offset, users: 0 }
  } catch {
    return undefined
  }
}
