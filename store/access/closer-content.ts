/**
 * Modules whose content is closed to some whom their records admit. In a store of a group, each publisher can write a record
 * of any layer and let a name stand for it, but cannot open files of other owners. So what is made of a module, by root or a
 * member of its groups, is for nobody who may not read its files in the store (spec/audience.md#stored-access).
 */
import type { CID } from 'multiformats/cid'
import { EVERYONE, type FileAccess, isWithin, type Store } from '../files/index.ts'
import { StrataError } from '../values/index.ts'
import { accessOfLayers } from './layer-access.ts'
import { accessOfModules, type GuardedModule } from './module-access.ts'
import type { LicensedModule } from './redistribution.ts'

/**
 * @param readAccess of layers, together
 * @returns the access of the stored files; undefined if these admit everyone whom the record admits, or are not here
 */
export async function closerAccess(
  module: GuardedModule & { layers: readonly CID[] },
  readAccess: (layers: readonly CID[]) => Promise<FileAccess>
): Promise<Exclude<FileAccess, typeof EVERYONE> | undefined> {
  const stored: FileAccess = await readAccess(module.layers).catch((error): FileAccess => {
    if (error instanceof StrataError && error.code === 'BLOB_MISSING') return EVERYONE
    throw error
  })
  return stored === EVERYONE || isWithin(accessOfModules([module]).access, stored) ? undefined : stored
}

/** A module whose content is closed to some whom it admits counts as one that must not leave the site. */
export const asCloser = <M extends LicensedModule>(module: M): M => ({
  ...module,
  redistributable: false,
  isCloser: true
})

/** What a push of a module has to heed. */
export interface SendingBounds {
  /** True if it is not for everyone. */
  isLimited: boolean
  /** The module; as one that must not leave the site if its content is closed to some whom it admits. */
  licensed: LicensedModule
}

export async function sendingBounds(
  store: Store,
  record: GuardedModule & LicensedModule & { layers: readonly CID[] }
): Promise<SendingBounds> {
  const closer = await closerAccess(record, layers => accessOfLayers(store, layers))
  if (closer === undefined) return { isLimited: record.accessGroups.length > 0, licensed: record }
  return { isLimited: true, licensed: asCloser(record) }
}
