/**
 * A lock in a registry: an index with the image that others run, the lock, and every module that the lock names
 * (spec/registry.md#locks).
 */
import { isMap } from '../values/index.ts'
import { KIND, MANIFEST_TYPE, TITLE } from './module-manifest.ts'
import { EMPTY, EMPTY_TYPE, withOwnConfig } from './plain-form.ts'

export const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json'
export const LOCK_ARTIFACT = 'application/vnd.strata.lock.v1+json'

export type ChildKind = 'image' | 'lock' | 'module'

export interface Child {
  kind: ChildKind
  /** `sha256:…` */
  digest: string
  sizeBytes: number
  /** Full name of a module. */
  title?: string
}

/** What runs images passes over entries of this platform, and cannot do without one. */
const UNKNOWN = { architecture: 'unknown', os: 'unknown' }

export function encodeStackIndex(
  children: readonly Child[],
  platform: { os: string; architecture: string }
): Buffer {
  const manifests = children.map(({ kind, digest, sizeBytes, title }) => ({
    mediaType: MANIFEST_TYPE,
    digest,
    size: sizeBytes,
    platform: kind === 'image' ? platform : UNKNOWN,
    annotations: { [KIND]: kind, ...(title !== undefined && { [TITLE]: title }) }
  }))
  return Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests, annotations: { [KIND]: 'stack' } })
  )
}

export const encodeLockManifest = (lock: { digest: string; sizeBytes: number }, empty: string): Buffer =>
  Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      artifactType: LOCK_ARTIFACT,
      config: { mediaType: LOCK_ARTIFACT, digest: lock.digest, size: lock.sizeBytes },
      layers: [{ mediaType: EMPTY_TYPE, digest: empty, size: EMPTY.length }],
      annotations: { [KIND]: 'lock' }
    })
  )

/**
 * The parts of an index that are a lock's. Tools that copy an index write it anew and keep the annotations of its entries.
 * An entry that stands twice is one child.
 * @returns undefined for an index of something else
 */
export function childrenIn(document: unknown): Child[] | undefined {
  if (!isMap(document) || !Array.isArray(document.manifests)) return undefined
  const children = [
    ...new Map(
      document.manifests.flatMap(childOf).map(child => [`${child.kind} ${child.digest}`, child])
    ).values()
  ]
  return children.some(({ kind }) => kind === 'lock') ? children : undefined
}

function childOf(value: unknown): Child[] {
  if (!isMap(value) || !isMap(value.annotations)) return []
  const { digest, size: sizeBytes, annotations } = value
  const kind = annotations[KIND]
  if (kind !== 'image' && kind !== 'lock' && kind !== 'module') return []
  if (typeof digest !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(digest) || typeof sizeBytes !== 'number')
    return []
  return [{ kind, digest, sizeBytes }]
}

/** Descriptor of the lock's text, in its own manifest. */
export function lockIn(document: unknown): { digest: string; sizeBytes: number } | undefined {
  const own = withOwnConfig(document, LOCK_ARTIFACT)
  const config = isMap(own) ? own.config : undefined
  if (!isMap(config) || config.mediaType !== LOCK_ARTIFACT) return undefined
  const { digest, size } = config
  const isSound =
    typeof digest === 'string' && /^sha256:[0-9a-f]{64}$/.test(digest) && Number.isSafeInteger(size)
  return isSound ? { digest, sizeBytes: size as number } : undefined
}
