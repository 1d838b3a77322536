/**
 * Receives a data file that travels in blobs. Parts that a store has are passed over; those between them are read in one
 * go. Each gets its name as soon as it is whole.
 */
import { setImmediate } from 'node:timers/promises'
import { readParts } from '../contents/index.ts'
import type { FileAccess, Store } from '../files/index.ts'
import type { CheckedPart, Part } from '../object/index.ts'
import { bytesOf, type Digest, inLanes, type Stretch } from '../values/index.ts'
import { findPart, storedPart, takePart } from './receive-part.ts'

/** Bytes that lie elsewhere, by their hash. */
export interface SentBlob {
  sha256: Digest
  lengthBytes: number
}

/** A blob of one part of a data file, or of several, one after another. */
export interface SentData extends SentBlob {
  parts: readonly SentBlob[]
}

type ReadStretch = (blob: SentBlob, stretch: Stretch) => AsyncIterable<Uint8Array>

/** Blobs that are fetched side by side. */
const LANES = 4

/**
 * @param sent the whole data file
 * @returns its parts, which are in the store then
 * @throws RangeError if bytes are not the part that they should be; StrataError as takePart
 */
export async function receiveData(
  store: Store,
  sent: readonly SentData[],
  access: FileAccess,
  read: ReadStretch
): Promise<CheckedPart[]> {
  const received: CheckedPart[][] = new Array(sent.length)
  const starts = startsOf(sent, 0)
  await inLanes([...sent.keys()], LANES, async i => {
    received[i] = await receiveBlob(store, sent[i], { start: starts[i], access, read })
  })
  return received.flat()
}

interface Receiving {
  /** Where the blob begins in the data file. */
  start: number
  access: FileAccess
  read: ReadStretch
}

async function receiveBlob(
  store: Store,
  blob: SentData,
  { start, access, read }: Receiving
): Promise<CheckedPart[]> {
  const starts = startsOf(blob.parts, start)
  const parts = blob.parts.map((part, i) => ({ ...part, start: starts[i] }))
  // Parts that are here are hashed: the connections of other lanes, and Ctrl-C, are heard between two blobs.
  await setImmediate()
  const roots = parts.map(part => findPart(store, part, access))
  const received: CheckedPart[] = []
  for (let i = 0; i < parts.length; ) {
    const storeRoot = roots[i]
    const run = storeRoot === undefined ? missingFrom(i, roots, parts) : [parts[i]]
    i += run.length
    if (storeRoot === store.root) received.push(storedPart(store, run[0]))
    else if (storeRoot !== undefined)
      received.push(...(await takePart(store, run[0], access, readParts([{ ...run[0], storeRoot }]))))
    else received.push(...(await receiveRun(store, run, access, read(blob, stretchOf(run, start)))))
  }
  return received
}

/** The parts from one on, up to the next that a store has. */
function missingFrom(first: number, roots: readonly unknown[], parts: readonly Part[]): Part[] {
  let end = first + 1
  while (end < parts.length && roots[end] === undefined) end++
  return parts.slice(first, end)
}

const stretchOf = (run: readonly Part[], blobStart: number): Stretch => ({
  start: run[0].start - blobStart,
  lengthBytes: bytesOf(run)
})

async function receiveRun(
  store: Store,
  run: readonly Part[],
  access: FileAccess,
  pieces: AsyncIterable<Uint8Array>
): Promise<CheckedPart[]> {
  const reader = new PieceReader(pieces)
  const received: CheckedPart[] = []
  try {
    for (const part of run) {
      const bytes = part === run.at(-1) ? reader.takeRest(part.lengthBytes) : reader.take(part.lengthBytes)
      received.push(...(await takePart(store, part, access, bytes)))
    }
    return received
  } finally {
    await reader.close()
  }
}

/** Shares a stream out to readers who want so many bytes of it each. */
class PieceReader {
  readonly #pieces: AsyncIterator<Uint8Array>
  #rest: Uint8Array = new Uint8Array(0)

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]()
  }

  /** The next bytes; fewer if the stream ends before. A piece holds until the next one is asked for. */
  async *take(lengthBytes: number): AsyncGenerator<Uint8Array> {
    for (let left = lengthBytes; left > 0; ) {
      if (this.#rest.length === 0) {
        const { done, value } = await this.#pieces.next()
        if (done) return
        this.#rest = value
      }
      const piece = this.#rest.subarray(0, left)
      this.#rest = this.#rest.subarray(piece.length)
      left -= piece.length
      yield piece
    }
  }

  /**
   * The same for the last bytes. It reads on to the end, because a connection that is left before cannot be used again.
   * @throws RangeError if there are more
   */
  async *takeRest(lengthBytes: number): AsyncGenerator<Uint8Array> {
    yield* this.take(lengthBytes)
    const { done } = await this.#pieces.next()
    if (!done || this.#rest.length > 0) throw new RangeError('a blob of data has more bytes than its parts')
  }

  async close(): Promise<void> {
    await this.#pieces.return?.()
  }
}

function startsOf(blobs: readonly SentBlob[], first: number): number[] {
  let start = first
  return blobs.map(({ lengthBytes }) => {
    start += lengthBytes
    return start - lengthBytes
  })
}
