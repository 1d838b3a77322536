/** Finds modules and their records by the names that users type. */
export type { DescribedLayer, DescribedModule } from './describe-module.ts'
export {
  type FindOptions,
  type FoundModule,
  findExact,
  findModule,
  meant,
  publishedVersions,
  unknownModule
} from './find-module.ts'
export { findRecord } from './find-record.ts'
export { namedShortly, severalOf, shortNameOf, typedName, typedRequest } from './typed-name.ts'
