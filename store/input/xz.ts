import type { Lzma, LzmaStream } from 'lzma-native'
import type { ByteReader } from './byte-reader.ts'
import {
  type StreamPlace,
  streamCorrupt,
  streamInvalid,
  streamTruncated,
  trailingBytes
} from './refuse-stream.ts'

/**
 * Bytes of input handed to liblzma at a time. The binding returns all of their output at once, and LZMA can repeat a
 * byte up to 7000 times: 4 KiB become at most 28 MiB.
 */
const INPUT_BYTES = 1 << 12

/** Limit for the dictionary, whose size the stream's header states; xz -9 takes 65 MiB. */
const MEMORY_BYTES = 1 << 29

/**
 * Decodes all streams of an xz file, with the padding between them, checked by liblzma itself (LZMA_CONCATENATED). Its
 * stream class is driven directly: the package's Node stream looks for the end of a stream by the bytes `YZ`, and takes
 * zeros and junk there for padding.
 */
export const unxz = (reader: ByteReader, place: StreamPlace): AsyncGenerator<Uint8Array, void, void> =>
  decodeAll(reader, place, ({ CONCATENATED, TELL_UNSUPPORTED_CHECK }, stream) =>
    stream.streamDecoder_(MEMORY_BYTES, CONCATENATED | TELL_UNSUPPORTED_CHECK)
  )

/**
 * Decodes one stream of the older `.lzma` form. It has no checksum, so it is only for input that something else checks.
 */
export const unlzma = (reader: ByteReader, place: StreamPlace): AsyncGenerator<Uint8Array, void, void> =>
  decodeAll(reader, place, (_lzma, stream) => stream.aloneDecoder_(MEMORY_BYTES))

async function* decodeAll(
  reader: ByteReader,
  place: StreamPlace,
  begin: (lzma: Lzma, stream: LzmaStream) => void
): AsyncGenerator<Uint8Array, void, void> {
  const { default: lzma } = await import('lzma-native') // 15 ms, which only xz should cost
  const stream = new lzma.Stream()
  begin(lzma, stream)
  let endOffset: number | undefined
  try {
    for (;;) {
      const start = reader.offset
      const chunk = await reader.next()
      if (chunk === undefined) break
      for (let at = 0; at < chunk.length; at += INPUT_BYTES) {
        if (endOffset !== undefined) throw trailingBytes(place, endOffset)
        const decoded = decode(stream, chunk.subarray(at, at + INPUT_BYTES), place, start + at)
        yield* decoded.outputs
        endOffset = decoded.endOffset
      }
    }
    if (endOffset === undefined) {
      const last = decode(stream, null, place, reader.offset)
      yield* last.outputs
      endOffset = last.endOffset
    }
    if (endOffset === undefined) throw streamTruncated(place, reader.offset)
    if (endOffset < reader.offset) throw trailingBytes(place, endOffset)
  } finally {
    stream.resetUnderlying()
  }
}

interface Decoded {
  outputs: Buffer[]
  /** Offset in the file where the stream ends, after its end. */
  endOffset?: number
}

/** @param input null at the end of the file */
function decode(stream: LzmaStream, input: Buffer | null, place: StreamPlace, offset: number): Decoded {
  const decoded: Decoded = { outputs: [] }
  let failure: Error | undefined
  stream.bufferHandler = (output, _chunks, error, totalIn) => {
    if (output === null && error === null) decoded.endOffset = totalIn ?? 0
    if (output) decoded.outputs.push(output)
    if (error) failure = error
  }
  stream.code(input, false)
  if (failure !== undefined) throw lzmaFault(place, offset, failure)
  return decoded
}

function lzmaFault(place: StreamPlace, offset: number, cause: Error): Error {
  switch (cause.name) {
    case 'LZMA_BUF_ERROR':
      return streamTruncated(place, offset, cause)
    case 'LZMA_MEMLIMIT_ERROR':
      return streamInvalid(
        place,
        offset,
        `decoding needs more than ${MEMORY_BYTES} bytes of memory`,
        'compress it again with xz -9 or less',
        cause
      )
    default:
      return streamCorrupt(place, offset, cause.message, cause)
  }
}
