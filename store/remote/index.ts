/** Modules in registries: sent as they are, and fetched and proven (spec/registry.md#modules). */
export {
  type ArchiveName,
  archiveHost,
  isArchiveName,
  parseArchiveName,
  placeInArchive
} from './archive-name.ts'
export type { ArchiveWriter } from './archive-writer.ts'
export type { OfferedRecord, RemoteCatalogue } from './catalogue.ts'
export { type Destination, openDestination, type SendingTo } from './destination.ts'
export { MANIFEST_TYPE } from './module-manifest.ts'
export { formatPrefix, parsePrefix, type RemotePrefix } from './module-place.ts'
export { EMPTY, EMPTY_TYPE, plainForm } from './plain-form.ts'
export type { LayoutSource } from './pull-archive.ts'
export type { WantedRecord } from './pull-missing.ts'
export type { PulledModule, PullOptions } from './pull-module.ts'
export type { Pulled, PullStackOptions } from './pull-stack.ts'
export { type PushedModule, type PushModuleOptions, refuseOpen, withdrawOpen } from './push-module.ts'
export type { PushedStack, SentImage, SentStack } from './push-stack.ts'
export { putArtifact } from './put-artifact.ts'
export type { Asking } from './refresh-catalogues.ts'
export { addRemote, isOnSite, type Remote, readRemotes, removeRemote } from './remotes.ts'
export type { UpdatedCatalogue } from './update-catalogue.ts'
export { versionsThere } from './versions-there.ts'
