import type { ByteReader } from './byte-reader.ts'
import { LzmaDecoder, LzmaError, type LzmaForm } from './liblzma.ts'
import {
  type StreamPlace,
  streamCorrupt,
  streamInvalid,
  streamTruncated,
  trailingBytes
} from './refuse-stream.ts'

/** Limit for the dictionary, whose size the stream's header states; xz -9 takes 65 MiB. */
const MEMORY_BYTES = 1 << 29

/** Decodes all streams of an xz file, with the padding between them, checked by liblzma itself. */
export const unxz = (reader: ByteReader, place: StreamPlace): AsyncGenerator<Uint8Array, void, void> =>
  decodeAll(reader, place, 'streams')

/**
 * Decodes one stream of the older `.lzma` form. It has no checksum, so it is only for input that something else checks.
 */
export const unlzma = (reader: ByteReader, place: StreamPlace): AsyncGenerator<Uint8Array, void, void> =>
  decodeAll(reader, place, 'lzma')

async function* decodeAll(
  reader: ByteReader,
  place: StreamPlace,
  form: LzmaForm
): AsyncGenerator<Uint8Array, void, void> {
  const decoder = new LzmaDecoder(form, MEMORY_BYTES)
  let hasEnded = false
  while (!hasEnded) {
    const chunk = await reader.next()
    try {
      hasEnded = yield* decoder.decode(chunk ?? Buffer.alloc(0), chunk === undefined)
    } catch (error) {
      throw error instanceof LzmaError ? lzmaFault(place, decoder.usedBytes, error) : error
    }
    // At the end of the file, liblzma reports the end of the stream or an error.
    if (chunk === undefined) return
  }
  if (decoder.usedBytes < reader.offset || (await reader.next()) !== undefined)
    throw trailingBytes(place, decoder.usedBytes)
}

function lzmaFault(place: StreamPlace, offset: number, cause: LzmaError): Error {
  switch (cause.fault) {
    case 'cut':
      return streamTruncated(place, offset, cause)
    case 'memory':
      return streamInvalid(
        place,
        offset,
        `decoding needs more than ${MEMORY_BYTES} bytes of memory`,
        'compress it again with xz -9 or less',
        cause
      )
    case 'damaged':
      return streamCorrupt(place, offset, cause.message, cause)
  }
}
