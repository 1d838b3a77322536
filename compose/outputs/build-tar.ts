/** `compose build --format tar`: builds one tarball from a target (spec/outputs.md#tar). */

import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { refuseNotRedistributable } from '../../store/access/index.ts'
import { formatTerms } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { applyImageAccess } from '../audience/index.ts'
import { mergedTar, writeOutputFile } from '../tar/index.ts'
import { recordsIn } from './composition.ts'
import { type OutputOptions, type OutputReport, outputReport, tarSource } from './output.ts'
import { prepareImage } from './prepare-image.ts'
import type { Target } from './resolve-target.ts'
import { withGenerated } from './with-generated.ts'

export interface BuildTarOptions extends OutputOptions {
  /** Path of the tarball, or a stream, which is not ended. */
  out: string | Writable
}

export interface TarReport extends OutputReport {
  tarBytes: number
  inodes: number
}

/** @throws StrataError; then an existing file is unchanged */
export async function buildTar(
  store: Repository,
  target: Target,
  options: BuildTarOptions
): Promise<TarReport> {
  const prepared = await prepareImage(store, target, options)
  const { composition, audience, lock } = prepared
  try {
    refuseNotRedistributable(prepared.licensed, 'a tarball', options)
    const complete = await withGenerated(composition, lock)
    const { out, sync, onProgress = () => {} } = options
    const chunks = countBytes(
      mergedTar({ ...tarSource(prepared, complete), terms: formatTerms(recordsIn(composition)) }),
      onProgress
    )
    const tarBytes =
      typeof out === 'string'
        ? await writeOutputFile(out, chunks, { sync, admit: fd => void applyImageAccess(fd, audience) })
        : await writeTo(out, chunks)
    return { tarBytes, inodes: complete.tree.inodeKind.length, ...outputReport(prepared, complete, target) }
  } finally {
    await composition.close()
  }
}

async function* countBytes(
  chunks: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    onBytes(chunk.length)
    yield chunk
  }
}

async function writeTo(out: Writable, chunks: AsyncIterable<Uint8Array>): Promise<number> {
  let written = 0
  for await (const chunk of chunks) {
    if (!out.write(chunk)) await once(out, 'drain')
    written += chunk.length
  }
  return written
}
