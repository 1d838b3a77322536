/** Media types of the OCI image specification 1.1, and the equal ones of docker's schema 2. */
import type { Compression } from '../input/index.ts'
import { showStart } from './json.ts'
import { imageInvalid, imageUnsupported } from './refuse-image.ts'

const INDEXES = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json'
]
const MANIFESTS = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json'
]
const CONFIGS = ['application/vnd.oci.image.config.v1+json', 'application/vnd.docker.container.image.v1+json']

const LAYERS: Record<string, Compression> = {
  'application/vnd.oci.image.layer.v1.tar': 'plain',
  'application/vnd.oci.image.layer.v1.tar+gzip': 'gzip',
  'application/vnd.oci.image.layer.v1.tar+zstd': 'zstd',
  'application/vnd.docker.image.rootfs.diff.tar': 'plain',
  'application/vnd.docker.image.rootfs.diff.tar.gzip': 'gzip',
  'application/vnd.docker.image.rootfs.diff.tar.zstd': 'zstd'
}

const NOT_DISTRIBUTABLE =
  /^application\/vnd\.(oci\.image\.layer\.nondistributable|docker\.image\.rootfs\.foreign)\./

export const isIndex = (mediaType: string): boolean => INDEXES.includes(mediaType)
export const isManifest = (mediaType: string): boolean => MANIFESTS.includes(mediaType)

/** True for an image that can be run, false for other artifacts in registries. */
export const isImageConfig = (mediaType: string): boolean => CONFIGS.includes(mediaType)

/** Compression of a layer. @throws StrataError SOURCE_INVALID */
export function layerCompression(mediaType: string, where: string): Compression {
  if (Object.hasOwn(LAYERS, mediaType)) return LAYERS[mediaType]
  if (NOT_DISTRIBUTABLE.test(mediaType))
    throw imageUnsupported(
      where,
      'the layer may not be distributed: its bytes are not part of the image, but fetched from its vendor',
      'get the files from the vendor, and import them as a layer of their own'
    )
  if (mediaType.endsWith('+encrypted'))
    throw imageUnsupported(
      where,
      'the layer is encrypted',
      'decrypt it first, with skopeo copy --decryption-key'
    )
  throw imageInvalid(where, `unknown media type "${showStart(mediaType)}" of a layer`)
}

/** Checks that a file's own media type, if it states one, is that of its descriptor. @throws StrataError SOURCE_INVALID */
export function checkOwnMediaType(own: string | undefined, announced: string, where: string): void {
  if (own === undefined || own === announced) return
  throw imageInvalid(where, `is "${showStart(own)}", but its descriptor says "${showStart(announced)}"`)
}
