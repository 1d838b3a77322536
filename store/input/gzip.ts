import { createGunzip, type Gunzip } from 'node:zlib'
import type { ByteReader } from './byte-reader.ts'
import { type StreamPlace, streamCorrupt, streamTruncated, trailingBytes } from './refuse-stream.ts'

const OUTPUT_BYTES = 1 << 18

/**
 * Decodes all members of a gzip file. Node's Gunzip reads them one after another and checks their sums, but it stops at
 * the first zero byte behind a member, and drops all later bytes without an error. So we check the rest here: zeros
 * (tape padding, which gzip accepts too) pass, anything else is refused.
 */
export async function* gunzip(
  reader: ByteReader,
  place: StreamPlace
): AsyncGenerator<Uint8Array, void, void> {
  const engine = createGunzip({ chunkSize: OUTPUT_BYTES })
  const feed: Feed = { last: undefined, failure: undefined }
  // Newer versions of Node emit an error behind the end as well, where the loop below does not listen.
  engine.on('error', () => {})
  void pump(reader, engine, feed)
  try {
    for await (const chunk of engine) yield chunk
  } catch (cause) {
    if (feed.failure !== undefined) throw feed.failure.cause
    throw zlibFault(place, reader.offset, cause)
  }
  await checkTail(reader, engine.bytesWritten, feed.last, place)
}

interface Feed {
  /** The chunk that the engine got last. */
  last: Buffer | undefined
  /** Set if the source could not be read. */
  failure: { cause: unknown } | undefined
}

/** Hands over the chunks one by one. If the engine stops in the middle of the last write, that write is never answered. */
async function pump(reader: ByteReader, engine: Gunzip, feed: Feed): Promise<void> {
  try {
    for (;;) {
      const chunk = await reader.next()
      if (engine.destroyed) return
      if (chunk === undefined) break
      feed.last = chunk
      await new Promise<void>(resolve => engine.write(chunk, () => resolve()))
      if (engine.destroyed) return
    }
    engine.end()
  } catch (cause) {
    feed.failure = { cause }
    engine.destroy(cause instanceof Error ? cause : new Error(String(cause)))
  }
}

async function checkTail(
  reader: ByteReader,
  takenBytes: number,
  last: Buffer | undefined,
  place: StreamPlace
): Promise<void> {
  let start = reader.offset - (last?.length ?? 0)
  let chunk = last?.subarray(takenBytes - start)
  start = takenBytes
  while (chunk !== undefined) {
    const other = chunk.findIndex(byte => byte !== 0)
    if (other >= 0) throw trailingBytes(place, start + other)
    start += chunk.length
    chunk = await reader.next()
  }
}

function zlibFault(place: StreamPlace, offset: number, cause: unknown): unknown {
  if (!(cause instanceof Error && 'code' in cause && typeof cause.code === 'string')) return cause
  if (cause.code === 'Z_BUF_ERROR') return streamTruncated(place, offset, cause)
  return cause.code.startsWith('Z_') ? streamCorrupt(place, offset, cause.message, cause) : cause
}
