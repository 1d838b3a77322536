/** Removal of files that nothing needs, and the pins that keep some (spec/store-layout.md#gc). */
export { collectGarbage, DEFAULT_GRACE_SECONDS, type GcOptions, type GcReport } from './collect-garbage.ts'
export { dataFileOf, keepReachable } from './keep.ts'
export { dropCachedLayers, listCachedLayers, tryRemoveCached } from './list-cache.ts'
export type { Pin } from './pins.ts'
export type { Amount } from './remover.ts'
