import type { Compression } from '../input/index.ts'
import type { Digest } from '../values/index.ts'
import type { Descriptor } from './descriptor.ts'
import type { ImageFile } from './image-files.ts'
import type { Json } from './json.ts'
import type { Platform } from './platform.ts'

/** One image, chosen and found whole as far as its manifest tells: what layouts and docker archives have in common. */
export interface OciImage {
  /** SHA-256 of the manifest; of the config where the archive's form knows no manifest (`docker save` up to 24). */
  sha256: Digest
  reference?: string
  platform: Platform
  /** Of the manifest. */
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
  /** SHA-256 of the decompressed tar, which the config vouches for. */
  diffId: Digest
  /** What the manifest says of the blob; a docker archive says nothing. */
  announced?: { descriptor: Descriptor; compression: Compression }
}
