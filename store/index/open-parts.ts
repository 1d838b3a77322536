/** Parts that are open because blocks of them are read. */
import { fstatAt } from '../../native/index.ts'
import type { HeldFile } from '../disk/index.ts'
import { openStoreFile, partPath } from '../files/index.ts'
import type { BlockPlace, FoundBlock } from '../object/index.ts'
import type { PlaceInPart } from './block-view.ts'

/** Parts that stay open though no block of them is being read. Those that are read are as many as workers read. */
const MOST_IDLE = 32

/** Zeros before the bytes of a part in its file are fewer (spec/store-layout.md#data). */
const PAGE_BYTES = 4096

interface OpenPart {
  file: HeldFile
  /** Where the bytes of the part begin in its file. */
  start: number
  /** Blocks of it that are being read. */
  users: number
}

/** Parts are looked for one at a time, and given back at any time. */
export class OpenParts {
  /** By path; the one that was used last stands last. Undefined if a part cannot be read. */
  readonly #parts = new Map<string, OpenPart | undefined>()
  #isClosed = false

  /** @returns undefined if the part is missing, may not be read by this user, or has another length */
  async find(root: string, { part, offset, stored }: PlaceInPart): Promise<FoundBlock | undefined> {
    const key = `${root}/${partPath(part.sha256)}`
    const found = this.#parts.has(key) ? this.#parts.get(key) : await open(root, part)
    this.#parts.delete(key)
    this.#parts.set(key, found)
    if (found === undefined) return undefined
    found.users++
    this.#closeIdle()
    const place: BlockPlace = { fd: found.file.fd, position: found.start + offset, stored }
    return { ...place, release: () => this.#release(found) }
  }

  /** Parts that are being read are closed when their last block is given back. */
  close(): void {
    this.#isClosed = true
    for (const part of this.#parts.values()) if (part?.users === 0) part.file.closeSync()
    this.#parts.clear()
  }

  #release(part: OpenPart): void {
    part.users--
    if (this.#isClosed && part.users === 0) part.file.closeSync()
  }

  #closeIdle(): void {
    for (const [key, part] of this.#parts) {
      if (this.#parts.size <= MOST_IDLE) return
      if (part !== undefined && part.users > 0) continue
      this.#parts.delete(key)
      part?.file.closeSync()
    }
  }
}

async function open(
  root: string,
  { sha256, lengthBytes }: PlaceInPart['part']
): Promise<OpenPart | undefined> {
  try {
    const file = await openStoreFile(root, partPath(sha256))
    const start = fstatAt(file.fd).size - lengthBytes
    if (start >= 0 && start < PAGE_BYTES) return { file, start, users: 0 }
    await file.close()
  } catch {}
}
