/**
 * Manifests of artifacts for registries that take known media types alone, as GitLab's does
 * (spec/registry.md#known-types-alone).
 */
import { digestOf, type PushedBlob } from '../registry/index.ts'
import { isMap } from '../values/index.ts'

/** The config of artifacts that have none, and the layer of those without one (OCI image specification 1.1, empty descriptor). */
export const EMPTY_TYPE = 'application/vnd.oci.empty.v1+json'
export const EMPTY = Buffer.from('{}')
const IMAGE_CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json'
const IMAGE_CONFIG = Buffer.from(
  '{"architecture":"unknown","os":"unknown","rootfs":{"type":"layers","diff_ids":[]}}'
)

/** What all manifests in the plain form have as their config. */
export const PLAIN_CONFIG: PushedBlob = {
  digest: digestOf(IMAGE_CONFIG),
  sizeBytes: IMAGE_CONFIG.length,
  async *chunks() {
    yield IMAGE_CONFIG
  }
}

/** The manifest as one of an image that nobody can run: what was its config is its first layer. */
export function plainForm(manifest: Buffer): Buffer {
  const { artifactType: _, config, layers, ...rest } = JSON.parse(manifest.toString())
  // Apptainer takes a SIF file as the only layer, and looks at no config (internal/pkg/client/oras).
  const moved = config.digest === digestOf(EMPTY) ? [] : [config]
  const { digest, sizeBytes } = PLAIN_CONFIG
  const plain = {
    ...rest,
    config: { mediaType: IMAGE_CONFIG_TYPE, digest, size: sizeBytes },
    layers: [...moved, ...layers]
  }
  return Buffer.from(JSON.stringify(plain))
}

/**
 * A manifest with its own config, in whichever form it lies in a registry.
 * @param configType of the config
 */
export function withOwnConfig(document: unknown, configType: string): unknown {
  if (!isMap(document) || !isMap(document.config) || !Array.isArray(document.layers)) return document
  const [first, ...layers] = document.layers
  const isPlain = document.config.mediaType === IMAGE_CONFIG_TYPE
  return isPlain && isMap(first) && first.mediaType === configType
    ? { ...document, config: first, layers }
    : document
}
