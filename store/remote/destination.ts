/** Where a push goes: a repository of a registry, or an archive in its place. */
import { type ImageReference, PushRepository, type RegistrySettings } from '../registry/index.ts'

export type Destination = Pick<
  PushRepository,
  | 'readManifest'
  | 'hasTags'
  | 'putBlob'
  | 'hasBlob'
  | 'sendBlob'
  | 'mountBlob'
  | 'putManifest'
  | 'isOpenToEverybody'
  | 'removeManifest'
  | 'close'
> & { readonly place: ImageReference }

export interface SendingTo {
  registry: RegistrySettings
  /** In the place of a registry: `ArchiveWriter`. */
  archive?: { destination(repository: string): Destination }
}

export const openDestination = (place: ImageReference, { registry, archive }: SendingTo): Destination =>
  archive?.destination(place.repository) ?? new PushRepository(place, registry)
