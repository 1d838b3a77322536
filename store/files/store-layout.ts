/** Paths of a store, relative to its root. Only this file and spec/store-layout.md define them. */
import { type BlockForm, type Digest, type Profile, profileKey } from '../values/index.ts'

export const STORE_FILE = 'store.json'
export const STORE_VERSION = 2

/** Folders that `compose init` makes. */
export const FOLDERS = [
  'blobs/sha256',
  'data',
  'index',
  'objects',
  'oci',
  'parts',
  'refs/modules',
  'refs/signatures',
  'tmp'
] as const

export const TMP = 'tmp'
export const REFS = 'refs/modules'
/** spec/signatures.md#store */
export const SIGNATURES = 'refs/signatures'
export const OBJECTS = 'objects'
export const BLOBS = 'blobs/sha256'
export const DATA = 'data'
export const PARTS = 'parts'
/** Derived data: a store works without it (spec/store-layout.md#oci-layers). */
export const OCI = 'oci'
/** Derived data: a store works without it, or if it is broken (spec/index.md). */
export const INDEX = 'index'
/** spec/index.md#modules */
export const MODULES_FILE = 'index/modules.json'

/**
 * Forms of a blob: the bytes themselves, one zstd stream, or (tarballs) a recipe, which takes literals and the data
 * file of a profile.
 */
export const BLOB_ENCODINGS = ['', '.zst', '.recipe'] as const
export type BlobEncoding = (typeof BLOB_ENCODINGS)[number]

const spread = (digest: Digest): string => `${digest.slice(0, 2)}/${digest.slice(2)}`

/** spec/store-layout.md#blobs */
export const blobPath = (digest: Digest, encoding: BlobEncoding): string =>
  `${BLOBS}/${spread(digest)}${encoding}`

/** Bytes of data files, by their own hash, which several data files may share (spec/store-layout.md#data). */
export const partPath = (digest: Digest): string => `${PARTS}/${spread(digest)}`

/** The parts of a tarball's data file, packed for a profile (spec/store-layout.md#data). */
export const dataPath = (tarball: Digest, profile: BlockForm): string =>
  dataPathBelow(profileKey(profile), tarball)

/** Like `dataPath`, by the name of a folder in data/. */
export const dataPathBelow = (profileFolder: string, tarball: Digest): string =>
  `${DATA}/${profileFolder}/${spread(tarball)}`

/** Tree index of a layer, by the digest in the layer's id (spec/store-layout.md#objects). */
export const indexPath = (layer: Digest, profile: Profile): string =>
  indexPathBelow(profileKey(profile), layer)

/** Like `indexPath`, by the name of a folder in objects/. */
export const indexPathBelow = (profileFolder: string, layer: Digest): string =>
  `${OBJECTS}/${profileFolder}/${spread(layer)}.index`

/** Key of a layer that is kept packed for OCI layouts (spec/store-layout.md#oci-layers). */
export interface LayerCacheKey {
  profile: Profile
  /** Compression of the layer: `zstd`, `gzip`, `none`. */
  compression: string
  digest: Digest
}

/** Path of its blob; its note and check are beside it (spec/store-layout.md#oci-layers). */
export const cachedLayerPath = ({ profile, compression, digest }: LayerCacheKey): string =>
  `${OCI}/${profileKey(profile)}-${compression}/${spread(digest)}`
