/** Flags that several commands share, and the values that they take. */
export { usualBounds } from './cache-bounds.ts'
export {
  type DefinitionFlags,
  definitionRequest,
  sourceDateEpoch,
  withDefinitionFlags
} from './definition-flags.ts'
export { type HostFlags, hostRequest, withHostFlags } from './host-flags.ts'
export { type ImageFlags, imageOptions, withImageFlags } from './image-flags.ts'
export { type LimitFlags, parseLimits, withLimitFlags } from './limit-flags.ts'
export { type ModuleFlags, withPublishingFlags, withSettingFlags } from './module-flags.ts'
export { noteModules } from './module-notes.ts'
export { fetchingWith, type OpenImageFlags, withOpenImageFlags } from './open-image.ts'
export { withRegistryFlags } from './registry-flags.ts'
export { parseCount, parseSize } from './sizes.ts'
