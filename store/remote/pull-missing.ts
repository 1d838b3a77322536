/** Fetches modules by their names, or by the ids of their records, from the remotes that have them (spec/registry.md#remotes). */
import type { CID } from 'multiformats/cid'
import type { Store } from '../files/index.ts'
import { allNames, publishedVersions } from '../lookup/index.ts'
import {
  compareVersions,
  findAlias,
  formatModuleName,
  formatModuleRequest,
  type ModuleName,
  type ModuleRequest,
  matchesVersion
} from '../module/index.ts'
import { formatRepository, listTags } from '../registry/index.ts'
import { formatCid, StrataError } from '../values/index.ts'
import { repositoryOf, tagOfRecord, tagOfVersion } from './module-place.ts'
import { type PulledModule, type PullOptions, pullModule } from './pull-module.ts'
import type { Remote } from './remotes.ts'

export interface WantedRecord {
  name: ModuleName
  record: CID
}

/**
 * The first remote that has the record sends it. Nobody asked for a name here, so names keep their meaning: the module
 * gets its own only where no store has anything that users call so. Otherwise locks and choices find the record by its id.
 * @throws StrataError MODULE_UNKNOWN if no remote has it, with what each of them said
 */
export async function pullRecord(
  store: Store,
  { name, record }: WantedRecord,
  remotes: readonly Remote[],
  options: PullOptions
): Promise<PulledModule> {
  const said: string[] = []
  const unlisted = isTaken(store, name)
  for (const { name: remote, prefix } of remotes) {
    const reference = { ...repositoryOf(prefix, name), tag: tagOfRecord(record) }
    try {
      return await pullModule(store, reference, { ...options, unlisted })
    } catch (error) {
      if (!isElsewhere(error)) throw error
      said.push(`${remote}: ${error.message}`)
    }
  }
  throw new StrataError('MODULE_UNKNOWN', {
    message: `${formatModuleName(name)} with record ${formatCid(record)} is in no store, and no remote has it`,
    facts: { module: formatModuleName(name), remotes: said },
    hint: 'compose remote list'
  })
}

/** True if some word that stands for a module, or for several, would stand for another one. */
const isTaken = (store: Store, { category, name }: ModuleName): boolean =>
  allNames(store).some(other => other.endsWith(`/${name}`) && isPublished(store, other)) ||
  findAlias(store, { category, name }) !== undefined

function isPublished(store: Store, text: string): boolean {
  const [category, name] = text.split('/')
  return publishedVersions(store, { category, name }).length > 0
}

/**
 * The version that a name stands for in the first remote that has one: the exact version, else the highest that fits. The
 * next remote is asked only if the one before says that it has none. Otherwise whoever can stop a registry could decide
 * what its names mean.
 * @throws StrataError MODULE_UNKNOWN if no remote has it; as pullModule
 */
export async function pullByName(
  store: Store,
  request: ModuleRequest,
  remotes: readonly Remote[],
  options: PullOptions
): Promise<PulledModule> {
  const said: string[] = []
  for (const { name, prefix } of remotes) {
    const repository = repositoryOf(prefix, request)
    try {
      const tag = bestTag(await listTags(repository, options.registry), request)
      if (tag !== undefined)
        return await pullModule(store, { ...repository, tag }, { ...options, wanted: request })
      said.push(`${name}: no such version`)
    } catch (error) {
      if (!isElsewhere(error)) throw error
      if (error.code !== 'REGISTRY_UNKNOWN') throw notAnswered(request, name, error, remotes)
      said.push(`${name}: ${error.message}`)
    }
  }
  throw new StrataError('MODULE_UNKNOWN', {
    message: `no remote has ${formatModuleRequest(request)}`,
    facts: { remotes: said },
    hint: remotes.length === 0 ? 'compose remote add NAME HOST/PREFIX' : 'compose remote list'
  })
}

function bestTag(tags: string[], { version }: ModuleRequest): string | undefined {
  const asked = version === undefined ? undefined : tagOfVersion(version)
  const versions = tags.filter(tag => /^[0-9]/.test(tag) && matchesVersion(asked, tag))
  if (asked !== undefined && versions.includes(asked)) return asked
  return versions.sort((a, b) => compareVersions(b, a))[0]
}

function notAnswered(
  request: ModuleRequest,
  remote: string,
  error: StrataError,
  remotes: readonly Remote[]
): StrataError {
  const asked = formatModuleRequest(request)
  const next = remotes[remotes.findIndex(({ name }) => name === remote) + 1]
  const other = next && `${formatRepository(repositoryOf(next.prefix, request))}:VERSION`
  return new StrataError(error.code, {
    message: `remote ${remote} does not say whether it has ${asked}: ${error.message}`,
    facts: { ...error.facts, remote, module: asked },
    hint: [
      ...(error.hint === undefined ? [] : [error.hint]),
      ...(other === undefined ? [] : [`compose pull ${other} takes it from remote ${next.name}`]),
      'builds from a lock need no name, and --offline uses what is here'
    ].join('; '),
    cause: error
  })
}

/** True if another remote may have it. */
const isElsewhere = (error: unknown): error is StrataError =>
  error instanceof StrataError && /^REGISTRY_(UNKNOWN|UNREACHABLE|DENIED)$/.test(error.code)
