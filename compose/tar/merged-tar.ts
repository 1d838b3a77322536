/** Writes a merged tree as one tar (spec/outputs.md#tar). */
import { setImmediate } from 'node:timers/promises'
import { Chunks } from '../../store/tar/index.ts'
import { type TarSource, tarPieces } from './tar-pieces.ts'
import { treeDelta } from './tree-delta.ts'

/**
 * Yields chunks of 512 KiB, the last one shorter. Other work gets its turn between chunks. @throws StrataError
 * OBJECT_CORRUPT
 */
export async function* mergedTar(source: TarSource): AsyncGenerator<Uint8Array> {
  const chunks = new Chunks()
  for (const { rawBytes } of tarPieces(treeDelta(undefined, source.tree), source, { sparse: true }))
    for (const chunk of chunks.append(rawBytes)) {
      yield chunk
      await setImmediate()
    }
  yield chunks.rest()
}
