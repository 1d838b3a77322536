/** Members of any origin (an image, a package, a host) as one canonical tar (spec/canonical-tar.md). */
import { setImmediate } from 'node:timers/promises'
import { Chunks } from '../directory/chunks.ts'
import { StrataError } from '../errors.ts'
import { showPath } from '../path-bytes.ts'
import { encodeEnd, encodeHeader, paddingBytes } from './encode.ts'
import type { TarEntry } from './entry.ts'

export interface TarMember {
  entry: TarEntry
  /** Files: the bytes that are stored, of a sparse file its runs; a piece is used before the next is asked for. */
  content?: Iterable<Uint8Array> | AsyncIterable<Uint8Array>
}

/**
 * Chunks of 512 KiB, the last one shorter. Between chunks others get their turn.
 * @param source named in messages
 * @throws StrataError PATH_RESERVED for a name that would mean a deletion
 * @throws RangeError when a content is not as long as its entry says
 */
export async function* writeMembers(
  members: Iterable<TarMember> | AsyncIterable<TarMember>,
  source: string
): AsyncGenerator<Uint8Array> {
  const chunks = new Chunks()
  for await (const { entry, content = [] } of members) {
    refuseWhiteout(entry, source)
    yield* chunks.append(encodeHeader(entry))
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
  yield* chunks.append(encodeEnd())
  yield chunks.rest()
}

/** In a layer such a name means that lower layers lose a path. */
function refuseWhiteout({ path }: TarEntry, source: string): void {
  if (!path.slice(path.lastIndexOf('/') + 1).startsWith('.wh.')) return
  throw new StrataError('PATH_RESERVED', {
    message: `${source} holds /${showPath(path)}, whose name means a deletion in a layer`,
    facts: { source, path: showPath(path) },
    hint: 'rename it, and import again'
  })
}

function checkLength({ path, runs, sizeBytes }: TarEntry, storedBytes: number): void {
  const wanted = runs?.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0) ?? sizeBytes
  if (storedBytes !== wanted)
    throw new RangeError(`${JSON.stringify(path)}: ${storedBytes} bytes of content, wanted ${wanted}`)
}
