/** A client of registries: names, accounts, manifests and blobs (spec/registry.md). */
export { findTypedImage } from './find-typed-image.ts'
export { listRepositories, MOST_NAMES } from './list-names.ts'
export { hasLogin, login, logout, registryKey } from './login.ts'
export { digestOf, type PushedBlob, PushRepository } from './push-repository.ts'
export {
  formatReference,
  formatRepository,
  hostUrl,
  type ImageReference,
  isImageAddress,
  isRepositoryName,
  parseImageAddress
} from './reference.ts'
export type { RegistrySettings } from './registry-session.ts'
export {
  type FoundImage,
  findImage,
  listTags,
  openRepository,
  type RemoteManifest,
  type RemoteRepository
} from './remote-repository.ts'
