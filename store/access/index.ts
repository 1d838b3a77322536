/** Access to the files of a store, from the modules that need them (spec/store-layout.md#access). */
export {
  type AccessWish,
  decideAccess,
  intersectVerdicts,
  type Publishers,
  publishersOfRecord,
  showWish,
  type Verdict
} from './access-wishes.ts'
export { asCloser, closerAccess, sendingBounds } from './closer-content.ts'
export { accessOfContent, accessOfLayer, accessOfLayers, type LayerAccess } from './layer-access.ts'
export { filesOfLayer, indexAccessByContents, type LayerDigests, type LayerFile } from './layer-files.ts'
export { accessOfModules, accessOfNewModule, type GuardedModule } from './module-access.ts'
export { tarballsOfParts } from './part-tarballs.ts'
export { type LicensedModule, refuseNotRedistributable } from './redistribution.ts'
export { type BlobUser, usersOfBlob } from './users.ts'
export {
  admits,
  type Bound,
  type Consent,
  type ConsentFlags,
  NO_CONSENT,
  parseConsent,
  refuseDroppedAcls,
  refuseLeaving,
  refuseOpening
} from './widening.ts'
