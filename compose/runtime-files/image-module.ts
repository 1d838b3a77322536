import type { CID } from 'multiformats/cid'
import type { ModuleRecord } from '../../store/module/index.ts'

/** A module as an image describes it. Bare layers have neither name nor record. */
export interface ImageModule {
  /** `category/name-version`. */
  name?: string
  recordId?: CID
  record?: ModuleRecord
  /** What `recordId` is the hash of. */
  recordBytes?: Uint8Array
  layers: CID[]
}

/** Records bottom to top, where there are any. */
export const recordsOf = (modules: ImageModule[]): ModuleRecord[] =>
  modules.flatMap(({ record }) => (record === undefined ? [] : [record]))
