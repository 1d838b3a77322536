/** Finds modules and their records by the names that users type. */
export type { DescribedLayer, DescribedModule } from './describe-module.ts'
export {
  type FindOptions,
  type FoundModule,
  findExact,
  findModule,
  publishedVersions,
  resolveAlias,
  unknownModule
} from './find-module.ts'
export { findRecord } from './find-record.ts'
export {
  ambiguousName,
  matchShortName,
  parseTypedName,
  parseTypedRequest,
  shortNameOf
} from './typed-name.ts'
