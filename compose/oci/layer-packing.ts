/** Packs the tar of a layer into its blob (spec/outputs.md#frames). */
import {
  InlinePacker,
  type PackedBlock,
  type Packer,
  type Packing,
  STORED_RAW
} from '../../store/object/index.ts'
import type { ContentPiece } from '../tar/index.ts'
import { memberOfZlib, storedMember } from './gzip-member.ts'
import { rawFrame, zeroFrame } from './zstd-frame.ts'

export const LAYER_COMPRESSIONS = ['zstd', 'gzip', 'none'] as const
export type LayerCompression = (typeof LAYER_COMPRESSIONS)[number]

export const MEDIA_TYPE: Record<LayerCompression, string> = {
  zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  none: 'application/vnd.oci.image.layer.v1.tar'
}

/** Levels for the parts that are not packed yet: headers and the ends of files. */
export const PACKING: Record<Exclude<LayerCompression, 'none'>, Packing> = {
  zstd: { compressor: 'zstd', level: 3 },
  gzip: { compressor: 'gzip', level: 6 }
}

const CHUNK_BYTES = 1 << 20
/** Shorter pieces are packed at once, because sending them to a thread takes longer. */
const INLINE_BYTES = 1 << 14

/** A part of the tar, valid until the next one is taken, and its bytes in the blob as soon as they are packed. */
export interface PackedChunk {
  rawBytes: Uint8Array
  blobBytes: Promise<Uint8Array> | Uint8Array
}

/**
 * Packs chunks of at most 1 MiB in the order of the tar.
 * @param pieces each valid until the next one is taken
 */
export function* packPieces(
  pieces: Iterable<ContentPiece>,
  compression: LayerCompression,
  pool: Packer
): Generator<PackedChunk> {
  let room = new Uint8Array(CHUNK_BYTES)
  let filled = 0
  const cut = (): PackedChunk => {
    const rawBytes = filled < CHUNK_BYTES / 2 ? room.slice(0, filled) : room.subarray(0, filled)
    if (rawBytes.buffer === room.buffer) room = new Uint8Array(CHUNK_BYTES)
    filled = 0
    return { rawBytes, blobBytes: packChunk(rawBytes, compression, pool) }
  }
  for (const { rawBytes, frame, isHole } of pieces) {
    const asIs = compression !== 'zstd' ? undefined : isHole ? zeroFrame(rawBytes.length) : frame?.slice()
    if (asIs !== undefined) {
      if (filled > 0) yield cut()
      yield { rawBytes, blobBytes: asIs }
      continue
    }
    for (let at = 0; at < rawBytes.length; ) {
      const part = rawBytes.subarray(at, at + CHUNK_BYTES - filled)
      room.set(part, filled)
      filled += part.length
      at += part.length
      if (filled === CHUNK_BYTES) yield cut()
    }
  }
  if (filled > 0) yield cut()
}

const inline = new InlinePacker()

function packChunk(
  rawBytes: Uint8Array,
  compression: LayerCompression,
  pool: Packer
): Promise<Uint8Array> | Uint8Array {
  if (compression === 'none') return rawBytes
  const packer = rawBytes.length < INLINE_BYTES ? inline : pool
  // The packer takes over its buffer, but the raw bytes still have to be hashed.
  const copy = rawBytes.slice()
  const wrap = compression === 'zstd' ? frameOf : memberOf
  return packer.pack(copy.buffer, copy.length, PACKING[compression]).then(block => wrap(block, rawBytes))
}

const frameOf = ({ bytes, stored }: PackedBlock, rawBytes: Uint8Array): Uint8Array =>
  stored & STORED_RAW ? rawFrame(rawBytes) : bytes

const memberOf = ({ bytes, stored }: PackedBlock, rawBytes: Uint8Array): Uint8Array =>
  stored & STORED_RAW ? storedMember(rawBytes) : memberOfZlib(bytes, rawBytes)
