/** Blocks of images that others made, of compressors that we do not write. */
import { LzmaDecoder, type LzmaForm } from '../input/index.ts'
import type { Compressor, ImageCompressor } from '../values/index.ts'
import { unpackLz4 } from './lz4-block.ts'
import { unpackLzo1x } from './lzo1x.ts'

export type ForeignCompressor = Exclude<ImageCompressor, Compressor>

/** Limit for dictionaries. No writer makes one that is larger than a block, which has at most 1 MiB. */
const LZMA_MEMORY_BYTES = 1 << 24

/**
 * Unpacks a block into `room`.
 * @returns raw bytes written
 * @throws Error if the bytes are not one whole block of this compressor, or do not fit
 */
export function unpackForeignBlock(
  storedBytes: Uint8Array,
  room: Uint8Array,
  compressor: ForeignCompressor
): number {
  switch (compressor) {
    case 'lz4':
      return unpackLz4(storedBytes, room)
    case 'lzo':
      return unpackLzo1x(storedBytes, room)
    case 'xz':
      return unpackLzma(storedBytes, room, 'stream')
    case 'lzma':
      return unpackLzma(storedBytes, room, 'lzma')
  }
}

const decoders = new Map<LzmaForm, LzmaDecoder>()

/** One decoder of each form serves all blocks, so that its memory is made once. */
function decoderOf(form: LzmaForm): LzmaDecoder {
  const made = decoders.get(form)
  made?.restart()
  const decoder = made ?? new LzmaDecoder(form, LZMA_MEMORY_BYTES)
  decoders.set(form, decoder)
  return decoder
}

function unpackLzma(storedBytes: Uint8Array, room: Uint8Array, form: LzmaForm): number {
  const decoder = decoderOf(form)
  let written = 0
  for (const piece of decoder.decode(storedBytes, true)) {
    if (piece.length > room.length - written) throw new RangeError(`more than ${room.length} bytes`)
    room.set(piece, written)
    written += piece.length
  }
  const left = storedBytes.length - decoder.usedBytes
  if (left > 0) throw new RangeError(`${left} bytes follow the stream`)
  return written
}
