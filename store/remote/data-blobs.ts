/**
 * How the parts of a data file travel: in blobs of one part or several, one after another (spec/registry.md#data-blobs). A
 * registry takes as long for a blob as for 3 MB of its bytes, so large data files travel in large blobs.
 */
import type { SentBlob, SentData } from '../import/index.ts'
import type { Part } from '../object/index.ts'
import { bytesOf, type Digest } from '../values/index.ts'

/** A data file has about as many blobs or twice that, but for small ones, whose parts are blobs, and those of the largest mean. */
const FEW_BLOBS = 32
const LARGEST_MEAN_BYTES = 16 << 20
/** Most parts have about this length. */
const PART_BYTES = 1 << 20

/**
 * Cuts a list of parts into those that travel together. The parts of a blob alone decide where it ends, so that a new
 * version of a data file, with other parts in one place, has the same blobs before and behind that place.
 */
export function groupParts(parts: readonly Part[]): Part[][] {
  const meanBytes = meanOf(bytesOf(parts))
  if (meanBytes <= PART_BYTES) return parts.map(part => [part])
  const groups: Part[][] = []
  let group: Part[] = []
  let sizeBytes = 0
  for (const part of parts) {
    const isTooLarge = sizeBytes + part.lengthBytes > 2 * meanBytes
    if (group.length === 0 || isTooLarge || isLast(group.at(-1)!, sizeBytes, meanBytes)) {
      group = []
      groups.push(group)
      sizeBytes = 0
    }
    group.push(part)
    sizeBytes += part.lengthBytes
  }
  return groups
}

/** A power of two: it is the same for versions of nearly the same length. */
const meanOf = (dataBytes: number): number =>
  Math.min(LARGEST_MEAN_BYTES, 2 ** Math.floor(Math.log2(dataBytes / FEW_BLOBS)))

/** From half of the mean on, one part in so many ends a blob that the other half comes before it on average. */
function isLast({ sha256 }: Part, sizeBytes: number, meanBytes: number): boolean {
  const halfBytes = meanBytes / 2
  return sizeBytes >= halfBytes && Number.parseInt(sha256.slice(0, 8), 16) % (halfBytes / PART_BYTES) === 0
}

/** The annotation of a blob of several parts: of each `SHA-256:BYTES`, with commas between them. */
export const encodeParts = (parts: readonly SentBlob[]): string =>
  parts.map(({ sha256, lengthBytes }) => `${sha256}:${lengthBytes}`).join(',')

/** Part lists hold lengths as u32; ours are below 16 MiB. */
const LARGEST_PART_BYTES = 2 ** 31

/**
 * @param annotation undefined for a blob that is one part
 * @param what the blob, for messages
 * @throws RangeError that says what is wrong
 */
export function decodeData(blob: SentBlob, annotation: unknown, what: string): SentData {
  const parts = annotation === undefined ? [blob] : decodeParts(annotation, what)
  for (const { lengthBytes } of parts)
    if (lengthBytes === 0 || lengthBytes > LARGEST_PART_BYTES)
      throw new RangeError(`${what} is data of ${lengthBytes} bytes`)
  const partBytes = bytesOf(parts)
  const isRenamed = parts.length === 1 && parts[0].sha256 !== blob.sha256
  if (isRenamed) throw new RangeError(`${what} is one part, and has another hash than that`)
  if (partBytes === blob.lengthBytes) return { ...blob, parts }
  throw new RangeError(`${what} has ${blob.lengthBytes} bytes, and its parts ${partBytes}`)
}

function decodeParts(annotation: unknown, what: string): SentBlob[] {
  if (typeof annotation !== 'string') throw new RangeError(`${what} does not say of which parts it is`)
  return annotation.split(',').map(text => {
    const [, sha256, bytes] = PART.exec(text) ?? []
    if (sha256 !== undefined) return { sha256: sha256 as Digest, lengthBytes: Number(bytes) }
    throw new RangeError(`${what} names a part "${text.slice(0, 100)}"`)
  })
}

const PART = /^([0-9a-f]{64}):([1-9][0-9]{0,9})$/
