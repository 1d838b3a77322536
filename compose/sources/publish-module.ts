/** `compose import`: opens the sources that the user named, and publishes them as a module. */
import type { CID } from 'multiformats/cid'
import {
  type ImportModuleOptions,
  type ImportModuleReport,
  inheritedRecord
} from '../../store/import/index.ts'
import { formatModuleName, mergeSpec } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { dropUndefined } from '../../store/values/index.ts'
import { checkLowerLinks } from './check-lower-links.ts'
import { missingPackages } from './missing-packages.ts'
import { openModuleSources } from './open-module-source.ts'
import { storedChangesSource } from './sandbox-changes.ts'
import type { OpenSourceOptions } from './source-kind.ts'

export interface PublishRequest
  extends Omit<ImportModuleOptions, 'sources' | 'checkLinks'>,
    Omit<OpenSourceOptions, 'kind' | 'limits' | 'names'> {}

/** @throws StrataError; then nothing is published */
export async function publishModule(store: Repository, request: PublishRequest): Promise<ImportModuleReport> {
  // A source is described differently as a base, so the kind of the module is found before the source is opened.
  const before = request.unlisted ? undefined : await store.readPredecessor(request.name, request.replace)
  const below = dropUndefined({ kind: inheritedRecord(request, before)?.kind, ...request.spec })
  const { kind, sources: paths } = mergeSpec(request.name, below, request.flags)
  const stored = request.capture?.stored
  const sources =
    stored === undefined
      ? await openModuleSources(store, paths, { ...request, kind })
      : [await storedChangesSource(store, stored, request)]
  const checkLinks = (layers: CID[]) => checkLowerLinks(store, formatModuleName(request.name), layers)
  const report = await store.importModule({ ...request, sources, checkLinks })
  if (sources.every(({ packages }) => packages === undefined)) return report
  const { requires } = await store.readRecord(report.record)
  return { ...report, notes: [...report.notes, ...(await missingPackages(store, sources, requires))] }
}
