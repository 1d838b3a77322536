import type { CID } from 'multiformats/cid'
import type { ModuleRecord } from '../../store/module/index.ts'

/** A module as an image describes it. Bare layers have neither name nor record. */
export interface ImageModule {
  /** `category/name-version`. */
  name?: string
  recordId?: CID
  record?: ModuleRecord
  /** The bytes whose hash is `recordId`. */
  recordBytes?: Uint8Array
  layers: CID[]
}

/** Records of the modules, bottom to top, as far as they have any. */
export const recordsOf = (modules: ImageModule[]): ModuleRecord[] =>
  modules.flatMap(({ record }) => (record === undefined ? [] : [record]))
