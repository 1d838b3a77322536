import type { Compression } from '../input/index.ts'
import type { Digest } from '../values/index.ts'
import type { Descriptor } from './descriptor.ts'
import type { ImageFile } from './image-files.ts'
import type { Json } from './json.ts'
import type { Platform } from './platform.ts'

/** One chosen image, complete as far as its manifest tells: the common part of layouts and docker archives. */
export interface OciImage {
  /** SHA-256 of the manifest; of the config if the archive has no manifests (`docker save` up to 24). */
  sha256: Digest
  reference?: string
  platform: Platform
  /** Annotations of the manifest. */
  annotations: ReadonlyMap<string, string>
  /** The document of the image configuration. */
  config: Json
  /** Bottom to top. */
  layers: OciLayer[]
}

export interface OciLayer {
  /** For messages: archive or layout, number of the layer. */
  name: string
  file: ImageFile
  /** SHA-256 of the decompressed tar, as the config states it. */
  diffId: Digest
  /** The blob as the manifest describes it; undefined for a docker archive. */
  announced?: { descriptor: Descriptor; compression: Compression }
}
