/**
 * Signatures of a record or a lock in a registry, each as a manifest of its own beside that of the module or lock
 * (spec/registry.md#signatures). They are found by their tags, which every registry lists; `subject` tells newer registries
 * whose they are.
 */
import type { PublicKey } from '../signatures/index.ts'
import { type Digest, isMap } from '../values/index.ts'
import { KIND, MANIFEST_TYPE } from './module-manifest.ts'
import { EMPTY, EMPTY_TYPE } from './plain-form.ts'

const ARTIFACT = 'application/vnd.strata.signature.sshsig.v1'
const SIGNATURE_TYPE = 'application/vnd.strata.sshsig'

/** More of one record or lock are not asked for. */
export const MOST_SIGNATURES = 32
export const LARGEST_BYTES = 16 << 10

interface Named {
  /** `sha256:…` */
  digest: string
  sizeBytes: number
}

/** @param signed hash of the bytes that are signed */
export const signatureTags = (signed: Digest): string => `sig.${signed.slice(0, 32)}.`

export const signatureTag = (signed: Digest, { digest }: PublicKey): string =>
  `${signatureTags(signed)}${digest.slice(0, 16)}`

/** @param subject the manifest of the module or lock */
export const encodeSignatureManifest = (signature: Named, empty: string, subject: Named): Buffer =>
  Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      artifactType: ARTIFACT,
      config: { mediaType: EMPTY_TYPE, digest: empty, size: EMPTY.length },
      layers: [{ mediaType: SIGNATURE_TYPE, digest: signature.digest, size: signature.sizeBytes }],
      subject: { mediaType: MANIFEST_TYPE, digest: subject.digest, size: subject.sizeBytes },
      annotations: { [KIND]: 'signature' }
    })
  )

/** The signature that a manifest names; undefined for a manifest of something else. */
export function signatureIn(bytes: Buffer): Named | undefined {
  try {
    const { layers }: { layers?: unknown } = JSON.parse(bytes.toString('utf8'))
    const [layer] = Array.isArray(layers) ? layers : []
    if (!isMap(layer) || layer.mediaType !== SIGNATURE_TYPE) return undefined
    const { digest, size } = layer
    const isSound =
      typeof digest === 'string' &&
      /^sha256:[0-9a-f]{64}$/.test(digest) &&
      Number.isSafeInteger(size) &&
      (size as number) > 0 &&
      (size as number) <= LARGEST_BYTES
    return isSound ? { digest, sizeBytes: size as number } : undefined
  } catch {
    return undefined
  }
}
