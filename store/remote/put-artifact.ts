/** Puts manifests of artifacts, in the plain form where a registry takes known media types alone. */
import type { PushedBlob } from '../registry/index.ts'
import { StrataError } from '../values/index.ts'
import type { Destination } from './destination.ts'
import { MANIFEST_TYPE } from './module-manifest.ts'
import { PLAIN_CONFIG, plainForm } from './plain-form.ts'

/**
 * @param blobs that the manifest names
 * @returns the bytes that the registry has then: these, or those of `plainForm`
 * @throws StrataError as PushRepository.putManifest
 */
export async function putArtifact(
  repository: Pick<Destination, 'putManifest' | 'putBlob'>,
  tag: string,
  bytes: Buffer,
  blobs: PushedBlob[]
): Promise<Buffer> {
  try {
    await repository.putManifest(tag, bytes, MANIFEST_TYPE, blobs)
    return bytes
  } catch (error) {
    if (!isTypeRefused(error)) throw error
    const plain = plainForm(bytes)
    await repository.putBlob(PLAIN_CONFIG)
    await repository.putManifest(tag, plain, MANIFEST_TYPE, [PLAIN_CONFIG, ...blobs])
    return plain
  }
}

const isTypeRefused = (error: unknown): boolean =>
  error instanceof StrataError &&
  error.code === 'REGISTRY_INVALID' &&
  error.message.includes('status 400, MANIFEST_INVALID') &&
  error.message.includes('unknown media type')
