/** Imports sources as layers, objects and records; publishes and withdraws names (spec/module.md#layer). */
export type { ImportedLayer, ImportOptions, LayerSource } from './import-layer.ts'
export {
  closeSources,
  type ImportModuleOptions,
  type ImportModuleReport,
  type ReusedLayer
} from './import-module.ts'
export { compileLayer } from './layer-object.ts'
export { inheritedRecord } from './module-settings.ts'
export type {
  ImportProgress,
  LayerInput,
  ModuleSource,
  SkippedPath,
  SourceOptions,
  StoredLayer
} from './module-source.ts'
export { countBytes, openLayerSource, openTarball, statSource } from './open-layer-source.ts'
export { AS_IT_IS, placementOf } from './placement.ts'
export type { Predecessor } from './predecessor.ts'
export { type PrivilegedPath, privilegesOf } from './privileged.ts'
export { noteProven, proveObject } from './prove-object.ts'
export type { SentBlob, SentData } from './receive-data.ts'
export {
  type ModuleSender,
  type ReceivedModule,
  type ReceiveOptions,
  receiveModule,
  type SentLayer,
  type SentSidecar
} from './receive-module.ts'
export { type RestoredRecord, restoreRecord } from './restore-record.ts'
export type { Unpublished } from './unpublish-module.ts'
