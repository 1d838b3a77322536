/** Searches through the modules of all stores (spec/resolve.md#lists). */
export { type ModuleDetails, moduleDetails } from './module-details.ts'
export {
  byName,
  type Offer,
  type OfferedModule,
  type OfferOptions,
  offeredModules
} from './offered-modules.ts'
export { matcherOf } from './pattern.ts'
export { type MarkedProvider, type Providers, whoProvides } from './providers.ts'
export {
  keywordSearch,
  type OfferedName,
  offeredNames,
  type SpiderMatch,
  spiderSearch
} from './search-names.ts'
