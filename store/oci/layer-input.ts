import { createHash } from 'node:crypto'
import { countBytes, type LayerInput } from '../import/index.ts'
import { type Expansion, openTarStream, RECOGNISED_BYTES, recogniseCompression } from '../input/index.ts'
import type { Origin } from '../module/index.ts'
import { type Limits, StrataError } from '../values/index.ts'
import { checkHash } from './descriptor.ts'
import type { OciLayer } from './image.ts'
import { imageInvalid } from './refuse-image.ts'

export interface LayerInputOptions {
  limits: Limits
  /** Origin of the image. */
  origin: Origin
  /** Shared by all layers of the image. */
  expansion: Expansion
  onBytes: (bytesSoFar: number) => void
}

/** A layer that is checked while it is read: its blob against the descriptor, its tar against the config. */
export function layerInput(
  layer: OciLayer,
  { limits, origin, expansion, onBytes }: LayerInputOptions
): LayerInput {
  const { name, file, diffId } = layer
  return {
    name,
    endsAtMarker: true,
    chunks: openTarStream(countBytes(checkBlobBytes(layer), onBytes), { name, limits, expansion }),
    announced: {
      digest: diffId,
      refuse: found =>
        imageInvalid(name, `decompressed it hashes to sha256:${found}, the config says sha256:${diffId}`)
    },
    origin: () => origin,
    // Finds the fault of a damaged blob: it appears as a broken stream or tar long before the blob's hash is known.
    async explain(failure) {
      if (failure instanceof StrataError && failure.code === 'SOURCE_INVALID') return undefined
      if (!isFaultOfBytes(failure)) return undefined
      try {
        for await (const _chunk of checkBlobBytes({ ...layer, file }));
      } catch (error) {
        if (error instanceof StrataError && error.code === 'SOURCE_INVALID') return error
      }
      return undefined
    }
  }
}

const isFaultOfBytes = (failure: unknown): boolean =>
  failure instanceof StrataError && (failure.code === 'STREAM_INVALID' || failure.code === 'TAR_INVALID')

/** @throws StrataError SOURCE_INVALID: another compression or, at the end, another hash than announced */
async function* checkBlobBytes({ name, file, announced }: OciLayer): AsyncGenerator<Uint8Array> {
  if (announced === undefined) {
    yield* file.chunks()
    return
  }
  const { descriptor, compression } = announced
  const hash = createHash(descriptor.digest.algorithm)
  const check = (start: Buffer) => {
    const found = recogniseCompression(start.subarray(0, RECOGNISED_BYTES))
    if (found === compression) return
    throw imageInvalid(name, `is ${found}, but its media type ${descriptor.mediaType} says ${compression}`)
  }
  // The first piece that comes over a network may be a single byte.
  let start: Buffer | undefined = Buffer.alloc(0)
  for await (const chunk of file.chunks()) {
    hash.update(chunk)
    if (start === undefined) {
      yield chunk
      continue
    }
    start = Buffer.concat([start, chunk])
    if (start.length < RECOGNISED_BYTES) continue
    check(start)
    yield start
    start = undefined
  }
  if (start !== undefined && start.length > 0) {
    check(start)
    yield start
  }
  checkHash(hash, descriptor.digest, name)
}
