import { inflateSync } from 'node:zlib'
import * as pako from 'pako'
import zstd from 'zstd-napi/binding.js'
import type { Compressor, ImageCompressor } from '../values/index.ts'
import { unpackForeignBlock } from './foreign-block.ts'
import { STORED_RAW } from './layer-index.ts'

/**
 * Packs one block into its stored form and unpacks it, as SquashFS has it: a zstd frame, or a zlib stream for gzip, or
 * the raw bytes if packing saves nothing. The functions are synchronous; compress-pool.ts spreads the work over the
 * cores.
 *
 * gzip is packed by pako, a port of zlib to JavaScript, and not by node:zlib. Node links Chromium's zlib, whose output
 * differs with the CPU's instructions and the Node version, but the same layers must give the same bytes.
 */

export interface Packing {
  compressor: Compressor
  level: number
}

let cctx: zstd.CCtx | undefined
let dctx: zstd.DCtx | undefined

/**
 * Packs `rawBytes` into `room`, which must hold twice as many bytes.
 * @returns stored size; if STORED_RAW is set, nothing was written to `room` and the raw bytes are to be stored
 */
export function packBlock(rawBytes: Uint8Array, room: Uint8Array, { compressor, level }: Packing): number {
  let packedBytes: number
  if (compressor === 'zstd') {
    cctx ??= new zstd.CCtx()
    packedBytes = cctx.compress(room, rawBytes, level)
  } else {
    const packed = pako.deflate(rawBytes, { level: level as 9, windowBits: 15, memLevel: 9 })
    packedBytes = packed.length
    if (packedBytes < rawBytes.length) room.set(packed)
  }
  return packedBytes < rawBytes.length ? packedBytes : rawBytes.length | STORED_RAW
}

/**
 * Unpacks a stored block into `room`.
 * @param stored stored size as the tables have it, | STORED_RAW
 * @returns raw bytes written
 * @throws Error if the bytes are not one whole block of this compressor, or do not fit
 */
export function unpackBlock(
  storedBytes: Uint8Array,
  stored: number,
  room: Uint8Array,
  compressor: ImageCompressor
): number {
  if (stored & STORED_RAW) {
    if (storedBytes.length > room.length) throw new RangeError('a raw block is larger than the block size')
    room.set(storedBytes)
    return storedBytes.length
  }
  if (compressor === 'zstd') {
    dctx ??= new zstd.DCtx()
    return dctx.decompress(room, storedBytes)
  }
  if (compressor !== 'gzip') return unpackForeignBlock(storedBytes, room, compressor)
  // Every decoder gives the same bytes, and node:zlib can limit their number.
  const { buffer, engine } = inflateSync(storedBytes, {
    maxOutputLength: room.length,
    info: true
  }) as unknown as { buffer: Buffer; engine: { bytesWritten: number } }
  if (engine.bytesWritten !== storedBytes.length) throw new RangeError('bytes follow the zlib stream')
  room.set(buffer)
  return buffer.length
}
