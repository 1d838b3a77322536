/** Reads the signatures that lie beside a module or a lock (spec/registry.md#signatures). */
import { type Digest, StrataError } from '../values/index.ts'
import type { ManifestSource } from './manifest-source.ts'
import { MOST_SIGNATURES, signatureIn, signatureTags } from './signature-manifest.ts'

/**
 * Right or wrong: a signature proves itself. What cannot be had counts as none.
 * @param signed hash of the bytes that are signed
 */
export async function readSentSignatures(repository: ManifestSource, signed: Digest): Promise<Buffer[]> {
  const found: Buffer[] = []
  try {
    const tags = (await repository.listTags()).filter(tag => tag.startsWith(signatureTags(signed)))
    for (const tag of tags.sort().slice(0, MOST_SIGNATURES)) {
      const named = signatureIn((await repository.readManifest(tag)).bytes)
      if (named === undefined) continue
      const pieces: Uint8Array[] = []
      for await (const piece of repository.readBlob(named.digest, named.sizeBytes)) pieces.push(piece)
      found.push(Buffer.concat(pieces))
    }
  } catch (error) {
    if (!(error instanceof StrataError)) throw error
  }
  return found
}
