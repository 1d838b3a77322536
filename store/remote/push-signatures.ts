/** Sends signatures of records and locks (spec/registry.md#signatures). */
import type { CID } from 'multiformats/cid'
import { readWholeBlob } from '../contents/index.ts'
import type { Store } from '../files/index.ts'
import { digestOf, type PushedBlob } from '../registry/index.ts'
import { type PublicKey, soundSignatures } from '../signatures/index.ts'
import { type Digest, sha256Of } from '../values/index.ts'
import type { Destination } from './destination.ts'
import { EMPTY } from './plain-form.ts'
import { putArtifact } from './put-artifact.ts'
import { encodeSignatureManifest, signatureTag } from './signature-manifest.ts'

export interface SentSignature {
  key: PublicKey
  bytes: Buffer
}

/**
 * Those of a record that the stores have and that are right.
 * @param manifest of the module
 * @returns how many were new there
 * @throws StrataError REGISTRY_…
 */
export async function pushSignatures(
  store: Store,
  record: CID,
  repository: Destination,
  manifest: Buffer
): Promise<number> {
  const signatures = soundSignatures(store, record, await readWholeBlob(store, sha256Of(record)))
  let sent = 0
  for (const signature of signatures)
    if (await pushSignature(signature, sha256Of(record), repository, manifest)) sent++
  return sent
}

/**
 * @param signed hash of the bytes that are signed
 * @param manifest of the module or lock
 * @returns false if it was there
 */
export async function pushSignature(
  { key, bytes }: SentSignature,
  signed: Digest,
  repository: Destination,
  manifest: Buffer
): Promise<boolean> {
  const tag = signatureTag(signed, key)
  if ((await repository.readManifest(tag)) !== undefined) return false
  const blobs = [blobOf(EMPTY), blobOf(bytes)]
  for (const blob of blobs) await repository.putBlob(blob)
  const subject = { digest: digestOf(manifest), sizeBytes: manifest.length }
  const encoded = encodeSignatureManifest(blobs[1], blobs[0].digest, subject)
  await putArtifact(repository, tag, encoded, blobs)
  return true
}

const blobOf = (bytes: Buffer): PushedBlob => ({
  digest: digestOf(bytes),
  sizeBytes: bytes.length,
  async *chunks() {
    yield bytes
  }
})
