/** Where modules and locks are fetched from. */
import type { ImageReference, RemoteManifest, RemoteRepository } from '../registry/index.ts'

/** A repository of a registry, or an archive in its place. */
export type ManifestSource = Pick<RemoteRepository, 'readManifest' | 'readBlob' | 'listTags' | 'close'> & {
  readonly place: ImageReference
}

export interface FoundManifest {
  repository: ManifestSource
  top: RemoteManifest
  notes: string[]
}

/** For messages. An archive says itself what it is. */
export const showHost = ({ host, repository }: ImageReference): string =>
  repository === '' ? host : `registry ${host}`
