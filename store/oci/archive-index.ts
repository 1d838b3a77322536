/**
 * The places of the members of an uncompressed tar archive, found by reading headers alone: an image of gigabytes needs
 * some hundred reads.
 */
import { readSync } from 'node:fs'
import {
  BLOCK_BYTES,
  checkChecksum,
  checkSize,
  decodeMember,
  type EntryKind,
  ExtendedHeaders,
  GNU_LONG_LINK,
  GNU_LONG_NAME,
  headerFormat,
  headerSize,
  headerType,
  isZeroBlock,
  Oddities,
  OwnerNames,
  PAX_GLOBAL,
  PAX_LOCAL,
  refuseSize,
  type TarPlace,
  tarInvalid
} from '../tar/index.ts'
import { type Limits, type PathBytes, StrataError, systemWords } from '../values/index.ts'

export interface ArchiveMember {
  path: PathBytes
  kind: EntryKind
  offset: number
  sizeBytes: number
  linkTarget: PathBytes
}

const EXTENDED: ReadonlySet<number> = new Set([PAX_LOCAL, PAX_GLOBAL, GNU_LONG_NAME, GNU_LONG_LINK])

const padSize = (sizeBytes: number): number => Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES

/** Fills the buffer from a position in the archive. @returns the number of bytes read */
export type ReadAt = (buffer: Buffer, position: number) => number

/**
 * Members in the order of the archive. Callers may stop early, and nothing more is read then.
 * @param name of the archive, for messages
 * @throws StrataError TAR_INVALID, LIMIT_EXCEEDED
 */
export function* archiveMembers(readAt: ReadAt, name: string, limits: Limits): Generator<ArchiveMember> {
  const place: TarPlace = { source: name, member: undefined, offset: 0 }
  const extended = new ExtendedHeaders(
    limits,
    new Oddities({ strict: limits.strict, endsAtMarker: false }),
    place
  )
  const owners = new OwnerNames()
  for (;;) {
    place.member = undefined
    const at = place.offset
    const block = readExactly(readAt, at, BLOCK_BYTES, place)
    if (isZeroBlock(block, 0)) {
      extended.refusePending('the end of the archive')
      return
    }
    checkChecksum(block, 0, place)
    const type = headerType(block, 0)
    if (EXTENDED.has(type)) {
      const sizeBytes = checkSize(headerSize(block, 0, place), 'size of an extended header', place)
      extended.begin(type, sizeBytes)
      extended.finish(readExactly(readAt, at + BLOCK_BYTES, sizeBytes, place))
      place.offset = at + BLOCK_BYTES + padSize(sizeBytes)
      continue
    }
    const announced = extended.take()
    const member = decodeMember(
      { ...announced, block, at: 0, format: headerFormat(block, 0), firstOffset: at },
      owners,
      limits,
      place
    )
    if (member.unusedBytes > 0) throw refuseSize(member, place)
    const { entry, storedBytes, isOldSparse } = member
    if (isOldSparse || announced.fields.sparse !== undefined)
      throw tarInvalid(place, 'is sparse, which no file of an image is', 'pack the image without --sparse')
    const { path, kind, linkTarget } = entry
    yield { path, kind, linkTarget, offset: at + BLOCK_BYTES, sizeBytes: storedBytes }
    place.offset = at + BLOCK_BYTES + padSize(storedBytes)
  }
}

function readExactly(readAt: ReadAt, offset: number, lengthBytes: number, place: TarPlace): Buffer {
  const buffer = Buffer.alloc(lengthBytes)
  let filled = 0
  while (filled < lengthBytes) {
    const count = readAt(buffer.subarray(filled), offset + filled)
    if (count === 0) throw tarInvalid(place, 'the archive ends too early', 'fetch or save it again')
    filled += count
  }
  return buffer
}

/** @throws StrataError IO */
export const readAtFile =
  (fd: number, name: string): ReadAt =>
  (buffer, position) => {
    try {
      return readSync(fd, buffer, 0, buffer.length, position)
    } catch (cause) {
      throw new StrataError('IO', {
        message: `${name} cannot be read: ${systemWords(cause as Error)}`,
        cause
      })
    }
  }

export const readAtBuffer =
  (bytes: Buffer): ReadAt =>
  (buffer, position) =>
    position < bytes.length ? bytes.copy(buffer, 0, position) : 0
