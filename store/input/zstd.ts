import zstd from 'zstd-napi/binding.js'
import type { ByteReader } from './byte-reader.ts'
import { type StreamPlace, streamCorrupt, streamInvalid, streamTruncated } from './refuse-stream.ts'

const OUTPUT_BYTES = 1 << 18

/**
 * Decodes all frames of a zstd file, skipping the skippable ones. The binding is called directly, because the package's
 * DecompressStream pushes a chunk's whole output at once, whatever its size.
 */
export async function* unzstd(
  reader: ByteReader,
  place: StreamPlace
): AsyncGenerator<Uint8Array, void, void> {
  const context = new zstd.DCtx()
  let isInFrame = false
  for (;;) {
    const start = reader.offset
    const chunk = await reader.next()
    if (chunk === undefined) break
    let at = 0
    let isDrained = false
    while (at < chunk.length || !isDrained) {
      const output = Buffer.allocUnsafe(OUTPUT_BYTES)
      const [left, produced, consumed] = decode(context, output, chunk.subarray(at), place, start + at)
      at += consumed
      isInFrame = left !== 0
      // If the output is full, the context may still hold decoded bytes although all input is taken.
      isDrained = produced < output.length || left === 0
      if (produced > 0) yield output.subarray(0, produced)
    }
  }
  if (isInFrame) throw streamTruncated(place, reader.offset)
}

function decode(context: zstd.DCtx, output: Buffer, input: Buffer, place: StreamPlace, offset: number) {
  try {
    return context.decompressStream(output, input)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    if (/memory/i.test(reason)) {
      throw streamInvalid(
        place,
        offset,
        'the frame needs a window of more than 128 MiB',
        'compress it again with zstd --long=27 or less',
        cause
      )
    }
    throw streamCorrupt(place, offset, reason, cause)
  }
}
