/** Reads the signatures that lie beside a module or a lock (spec/registry.md#signatures). */
import { type Digest, StrataError } from '../values/index.ts'
import type { ManifestSource } from './manifest-source.ts'
import { MOST_SIGNATURES, signatureIn, signatureTags } from './signature-manifest.ts'

/** Start of the hash of a key, in tags of signatures. */
const KEY = /^[0-9a-f]{16}$/

/** Manifests of other things than signatures do not take the place of signatures, up to this number. */
const MOST_TAGS = 256

/**
 * Right or wrong: a signature proves itself. What cannot be had counts as none.
 * @param signed hash of the bytes that are signed
 */
export async function readSentSignatures(repository: ManifestSource, signed: Digest): Promise<Buffer[]> {
  const found: Buffer[] = []
  try {
    const start = signatureTags(signed)
    const tags = (await repository.listTags()).filter(
      tag => tag.startsWith(start) && KEY.test(tag.slice(start.length))
    )
    for (const tag of tags.sort().slice(0, MOST_TAGS)) {
      if (found.length === MOST_SIGNATURES) break
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
