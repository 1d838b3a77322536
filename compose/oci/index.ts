/** Writes merged trees and stored layers as OCI image layouts (spec/outputs.md). */
export { programArchitecture } from './architecture.ts'
export { BegunLayout } from './copied-layers.ts'
export { type LayerHistory, USUAL_PATH } from './image-config.ts'
export { type CacheUse, type KnownLayer, LayerCache } from './layer-cache.ts'
export { LAYER_COMPRESSIONS, type LayerCompression } from './layer-packing.ts'
export { finishLayout, type WrittenLayout } from './write-layout.ts'
