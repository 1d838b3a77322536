/**
 * Writes members of any origin (a directory, an image, a package, a host) as one canonical tar (spec/canonical-tar.md).
 */
import { setImmediate } from 'node:timers/promises'
import { StrataError, showPath } from '../values/index.ts'
import { Chunks } from './chunks.ts'
import { encodeEnd, encodeHeader, paddingBytes } from './encode.ts'
import type { TarEntry } from './tar-entry.ts'

/** Reads `length` bytes of a file from `position` on into `into` at `at`, or throws. */
export type ReadAt = (into: Buffer, at: number, length: number, position: number) => void

export interface TarMember {
  entry: TarEntry
  /**
   * Reads a file's bytes; of a sparse file, those of its runs. Each byte is asked for once and in order, before the
   * next member.
   */
  readAt?: ReadAt
  /** The file's bytes from a source that can only be read in order. Each piece is used before the next is asked for. */
  content?: Iterable<Uint8Array> | AsyncIterable<Uint8Array>
}

/**
 * Yields chunks of 512 KiB, the last one shorter, and gives way between chunks to progress bars and signals.
 * @param source named in messages; without it, names that mean a deletion are allowed
 * @throws StrataError PATH_RESERVED for a name of a source that would mean a deletion
 * @throws RangeError when a content is not as long as its entry says
 */
export async function* writeMembers(
  members: Iterable<TarMember> | AsyncIterable<TarMember>,
  source?: string
): AsyncGenerator<Uint8Array> {
  const chunks = new Chunks()
  for await (const member of members) {
    if (source !== undefined) refuseWhiteout(member.entry, source)
    // yield* would wait for each member, even if it fills no chunk.
    for (const chunk of startOf(member, chunks)) {
      yield chunk
      await setImmediate()
    }
    if (member.content !== undefined) yield* contentOf(member.entry, member.content, chunks)
  }
  yield* chunks.append(encodeEnd())
  yield chunks.rest()
}

/** The header, and the file's bytes if they can be read at any position. */
function* startOf({ entry, readAt }: TarMember, chunks: Chunks): Generator<Uint8Array> {
  yield* chunks.append(encodeHeader(entry))
  if (readAt === undefined) return
  let storedBytes = 0
  for (const { offset, lengthBytes } of entry.runs ?? [{ offset: 0, lengthBytes: entry.sizeBytes }]) {
    yield* chunks.put(lengthBytes, (into, at, length, done) => readAt(into, at, length, offset + done))
    storedBytes += lengthBytes
  }
  yield* chunks.zeros(paddingBytes(storedBytes))
}

async function* contentOf(
  entry: TarEntry,
  content: NonNullable<TarMember['content']>,
  chunks: Chunks
): AsyncGenerator<Uint8Array> {
  let storedBytes = 0
  for await (const piece of content) {
    storedBytes += piece.length
    for (const chunk of chunks.append(piece)) {
      yield chunk
      await setImmediate()
    }
  }
  checkLength(entry, storedBytes)
  yield* chunks.zeros(paddingBytes(storedBytes))
}

/** In a layer such a name deletes a path of the lower layers. */
function refuseWhiteout({ path }: TarEntry, source: string): void {
  if (!path.slice(path.lastIndexOf('/') + 1).startsWith('.wh.')) return
  throw new StrataError('PATH_RESERVED', {
    message: `${source} holds /${showPath(path)}, a name that would delete a path of lower layers`,
    facts: { source, path: showPath(path) },
    hint: 'rename it, and import again'
  })
}

function checkLength({ path, runs, sizeBytes }: TarEntry, storedBytes: number): void {
  const wanted = runs?.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0) ?? sizeBytes
  if (storedBytes !== wanted)
    throw new RangeError(`${JSON.stringify(path)}: ${storedBytes} bytes of content, wanted ${wanted}`)
}
