import type { LzmaStream } from 'lzma-native'
import type { ByteReader } from './byte-reader.ts'
import { type StreamPlace, streamCorrupt, streamInvalid, streamTruncated } from './refuse.ts'

/**
 * Bytes of input handed to liblzma at a time. The binding answers with all they decode to, and LZMA repeats a
 * byte at up to 7000 times its size: 4 KiB become at most 28 MiB.
 */
const INPUT_BYTES = 1 << 12

/** For the dictionary, which the stream's header asks for; xz -9 takes 65 MiB. */
const MEMORY_BYTES = 1 << 29

/**
 * All streams of an xz file, with the padding between them, checked by liblzma itself (LZMA_CONCATENATED).
 * Its stream class is driven directly: the package's Node stream searches for the end of a stream by the bytes
 * `YZ`, and takes zeros and junk there for padding.
 */
export async function* unxz(reader: ByteReader, place: StreamPlace): AsyncGenerator<Uint8Array, void, void> {
  const { default: lzma } = await import('lzma-native') // 15 ms, which only xz should cost
  const stream = new lzma.Stream()
  const flags = lzma.CONCATENATED | lzma.TELL_UNSUPPORTED_CHECK
  stream.streamDecoder_(MEMORY_BYTES, flags)
  try {
    for (;;) {
      const start = reader.offset
      const chunk = await reader.next()
      if (chunk === undefined) break
      for (let at = 0; at < chunk.length; at += INPUT_BYTES) {
        yield* decode(stream, chunk.subarray(at, at + INPUT_BYTES), place, start + at)
      }
    }
    yield* decode(stream, null, place, reader.offset)
  } finally {
    stream.resetUnderlying()
  }
}

/** @param input null at the end of the file */
function decode(stream: LzmaStream, input: Buffer | null, place: StreamPlace, offset: number): Buffer[] {
  const outputs: Buffer[] = []
  let failure: Error | undefined
  let isEnded = false
  stream.bufferHandler = (output, _chunks, error) => {
    if (output === null && error === null) isEnded = true
    if (output) outputs.push(output)
    if (error) failure = error
  }
  stream.code(input, false)
  if (failure !== undefined) throw lzmaFault(place, offset, failure)
  if (input === null && !isEnded) throw streamTruncated(place, offset)
  return outputs
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
