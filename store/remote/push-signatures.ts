/** Sends the signatures of a record that the stores have (spec/registry.md#signatures). */
import type { CID } from 'multiformats/cid'
import { readWholeBlob } from '../contents/index.ts'
import type { Store } from '../files/index.ts'
import { digestOf, type PushedBlob, type PushRepository } from '../registry/index.ts'
import { soundSignatures } from '../signatures/index.ts'
import { sha256Of } from '../values/index.ts'
import { MANIFEST_TYPE } from './module-manifest.ts'
import { encodeSignatureManifest, signatureTag } from './signature-manifest.ts'
import { EMPTY } from './stack-index.ts'

/**
 * @param manifest of the module
 * @returns how many were new there
 * @throws StrataError REGISTRY_…
 */
export async function pushSignatures(
  store: Store,
  record: CID,
  repository: PushRepository,
  manifest: Buffer
): Promise<number> {
  const signatures = soundSignatures(store, record, await readWholeBlob(store, sha256Of(record)))
  const subject = { digest: digestOf(manifest), sizeBytes: manifest.length }
  let sent = 0
  for (const { key, bytes } of signatures) {
    const tag = signatureTag(record, key)
    if ((await repository.readManifest(tag)) !== undefined) continue
    const blobs = [blobOf(EMPTY), blobOf(bytes)]
    for (const blob of blobs) await repository.putBlob(blob)
    const encoded = encodeSignatureManifest(blobs[1], blobs[0].digest, subject)
    await repository.putManifest(tag, encoded, MANIFEST_TYPE, blobs)
    sent++
  }
  return sent
}

const blobOf = (bytes: Buffer): PushedBlob => ({
  digest: digestOf(bytes),
  sizeBytes: bytes.length,
  async *chunks() {
    yield bytes
  }
})
