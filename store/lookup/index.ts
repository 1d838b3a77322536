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
export { allNames } from './suggestions.ts'
export { ambiguousName, matchShortName, shortNameOf } from './typed-name.ts'
