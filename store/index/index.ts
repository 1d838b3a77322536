/** Lists and searches that are derived from the rest of a store (spec/index.md). */
export { type Catalogue, openCatalogue } from './catalogue.ts'
export { KnownPlaces } from './known-places.ts'
export type { Provider } from './layer-search.ts'
export type { ModuleSummary } from './module-summary.ts'
export { noteBlocks } from './note-blocks.ts'
export { rebuildIndex, updateIndex } from './update-index.ts'
