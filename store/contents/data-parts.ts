/**
 * Data files as readers see them: one sequence of bytes, which lies in parts (spec/store-layout.md#data). A part is
 * opened when its bytes are needed. It is read only if it is the file whose hash was checked, or has its hash now.
 */
import { createHash } from 'node:crypto'
import { closeSync, fstatSync } from 'node:fs'
import { descriptorLimit, readFullySync } from '../disk/index.ts'
import { openStoreFileNow, partPath, storeFolder } from '../files/index.ts'
import {
  type Belief,
  type CheckedPart,
  type OpenPart,
  PAGE_BYTES,
  type Part,
  type PartedBytes,
  type PartStretch,
  type PartsPlace
} from '../object/index.ts'
import { bytesOf, StrataError } from '../values/index.ts'
import { fileIdentity, isOwnFile } from './data-identity.ts'

/** Descriptors that all data files of a thread keep open together. */
const MOST_OPEN = Math.max(1, Math.min(64, Math.floor(descriptorLimit() / 16)))
const PIECE_BYTES = 1 << 20
/** More than a socket takes without saying that it is full. */
const SENT_BYTES = 256 << 10

/** Open parts of all data files of this thread; the one that was used last stands last. */
const keptOpen = new Map<CheckedPart, OpenPart>()

export class DataParts implements PartedBytes {
  readonly place: PartsPlace
  /** True if a part was not the file that was checked before, and had to be checked again. */
  isRenewed = false

  constructor(place: PartsPlace) {
    this.place = place
  }

  get lengthBytes(): number {
    return this.place.dataBytes
  }

  /**
   * Fills `room` with the bytes from `start` on.
   * @throws RangeError if the data file ends before; StrataError OBJECT_CORRUPT, ACCESS_DENIED
   */
  read(start: number, room: Uint8Array): void {
    for (const stretch of this.stretches(start, room.length)) {
      const { fd, offset } = this.#keepOpen(stretch.part)
      const from = stretch.start - start
      const position = offset + stretch.start - this.place.parts[stretch.part].start
      readFully(fd, room.subarray(from, from + stretch.lengthBytes), position)
    }
  }

  *stretches(start: number, lengthBytes: number): Generator<PartStretch> {
    const { parts, dataBytes } = this.place
    const end = start + lengthBytes
    if (end > dataBytes) throw new RangeError(`the data file ends at byte ${dataBytes}, before byte ${end}`)
    for (let at = start, part = this.#partAt(start); at < end; part++) {
      const behind = Math.min(end, parts[part].start + parts[part].lengthBytes)
      yield { part, start: at, lengthBytes: behind - at }
      at = behind
    }
  }

  open(part: number): OpenPart {
    const { storeRoot, parts, belief } = this.place
    const checked = parts[part]
    const { fd, offset, identity } = openPart(storeRoot, checked, belief)
    if (identity !== checked.identity) {
      checked.identity = identity
      this.isRenewed = true
    }
    return { fd, offset }
  }

  close(): void {
    for (const part of this.place.parts) closeKept(part)
  }

  #partAt(position: number): number {
    const { parts } = this.place
    let low = 0
    for (let high = parts.length - 1; low < high; ) {
      const middle = (low + high + 1) >>> 1
      if (parts[middle].start <= position) low = middle
      else high = middle - 1
    }
    return low
  }

  #keepOpen(part: number): OpenPart {
    const key = this.place.parts[part]
    const kept = keptOpen.get(key)
    if (kept !== undefined) {
      keptOpen.delete(key)
      keptOpen.set(key, kept)
      return kept
    }
    if (keptOpen.size >= MOST_OPEN) closeKept(keptOpen.keys().next().value!)
    const opened = this.open(part)
    keptOpen.set(key, opened)
    return opened
  }
}

/** The parts of a data file that another thread has opened. */
export const openParts = (place: PartsPlace): DataParts => new DataParts(place)

function closeKept(part: CheckedPart): void {
  const kept = keptOpen.get(part)
  if (kept === undefined) return
  keptOpen.delete(part)
  closeSync(kept.fd)
}

/**
 * Opens the file of a part; it is hashed unless it is the one that was checked before.
 * @throws StrataError OBJECT_CORRUPT that names the file, ACCESS_DENIED
 */
export function openPart(
  storeRoot: string,
  part: Omit<CheckedPart, 'start'>,
  belief: Belief = 'notes'
): OpenPart & { identity: string } {
  const path = partPath(part.sha256)
  const shown = storeFolder(storeRoot).displayPath(path)
  const file = openPartFile(storeRoot, path, shown)
  try {
    const { fd } = file
    const offset = offsetOf(fd, part, shown)
    const identity = fileIdentity(fd)
    const isKnown =
      belief === 'all' ||
      identity === part.identity ||
      (belief === 'notes' && isOwnFile({ identity, sha256: part.sha256 }))
    if (!isKnown) checkPart(fd, part, shown)
    return { fd, offset, identity }
  } catch (error) {
    file.closeSync()
    throw error
  }
}

export interface PartInStore extends Omit<Part, 'start'> {
  storeRoot: string
}

/**
 * The bytes of parts, one after another, in pieces that hold until the next one is asked for: memory for each would be a
 * tenth of a push's work. All pieces but the last are as large as the memory, so that a socket has sent one before it asks
 * for the next. The hash of a part is not compared, because whoever gets the bytes compares it; `assertPart` tells then
 * whether the file is damaged. It would be half of a push's work.
 * @throws StrataError OBJECT_CORRUPT for a file of another length, ACCESS_DENIED
 */
export async function* readParts(parts: readonly PartInStore[]): AsyncGenerator<Uint8Array> {
  const bytes = bytesOf(parts)
  const room = Buffer.allocUnsafe(Math.min(SENT_BYTES, bytes))
  let filled = 0
  for (const part of parts) {
    const { fd, offset } = openPart(part.storeRoot, part, 'all')
    try {
      for (let at = 0; at < part.lengthBytes; ) {
        const piece = room.subarray(filled, filled + part.lengthBytes - at)
        readFully(fd, piece, offset + at)
        at += piece.length
        filled += piece.length
        if (filled < room.length) continue
        yield room
        filled = 0
      }
    } finally {
      closeSync(fd)
    }
  }
  if (filled > 0) yield room.subarray(0, filled)
}

/** @throws StrataError OBJECT_CORRUPT if the file has other bytes than its name says, ACCESS_DENIED */
export function assertPart(part: PartInStore): void {
  closeSync(openPart(part.storeRoot, part, 'none').fd)
}

function openPartFile(storeRoot: string, path: string, shown: string) {
  try {
    return openStoreFileNow(storeRoot, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw corruptPart(shown, 'is missing', error)
  }
}

/** Where the bytes of a part begin in its file. */
function offsetOf(fd: number, { lengthBytes }: Pick<Part, 'lengthBytes'>, shown: string): number {
  const { size } = fstatSync(fd)
  const offset = size - lengthBytes
  if (offset >= 0 && offset < PAGE_BYTES) return offset
  throw corruptPart(shown, `has ${size} bytes, wanted ${lengthBytes}`)
}

/**
 * Hashes the file of a part.
 * @param shown its path, for messages
 * @returns where its bytes begin in the file
 * @throws StrataError OBJECT_CORRUPT
 */
export function checkPart(fd: number, part: Omit<Part, 'start'>, shown: string): number {
  const { sha256, lengthBytes } = part
  const offset = offsetOf(fd, part, shown)
  const hash = createHash('sha256')
  const room = Buffer.allocUnsafe(Math.min(PIECE_BYTES, Math.max(lengthBytes, PAGE_BYTES)))
  const padding = room.subarray(0, offset)
  readFully(fd, padding, 0)
  if (padding.some(byte => byte !== 0)) throw corruptPart(shown, 'does not begin with zeros')
  for (let done = 0; done < lengthBytes; ) {
    const piece = room.subarray(0, Math.min(room.length, lengthBytes - done))
    readFully(fd, piece, offset + done)
    hash.update(piece)
    done += piece.length
  }
  const found = hash.digest('hex')
  if (found !== sha256) throw corruptPart(shown, `hashes to sha256:${found}`)
  return offset
}

function readFully(fd: number, room: Uint8Array, position: number): void {
  if (!readFullySync(fd, room, position)) throw new RangeError('the file of a part ends too early')
}

const corruptPart = (shown: string, fault: string, cause?: unknown): StrataError =>
  new StrataError('OBJECT_CORRUPT', {
    message: `part ${shown} ${fault}`,
    facts: { file: shown },
    hint: 'compose fsck --repair',
    cause
  })
