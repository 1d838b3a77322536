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
 * next remote is asked only if the one before answers that it has none, or refuses: many registries deny what is not
 * there. One that cannot be reached ends the pull, because whoever can stop it could decide what its names mean.
 * @throws StrataError MODULE_UNKNOWN if no remote has it, REGISTRY_DENIED if one of them refused; as pullModule
 */
export async function pullByName(
  store: Store,
  request: ModuleRequest,
  remotes: readonly Remote[],
  options: PullOptions
): Promise<PulledModule> {
  const said: string[] = []
  const refusals: Refusal[] = []
  for (const { name, prefix } of remotes) {
    const repository = repositoryOf(prefix, request)
    let isListed = false
    try {
      const tag = bestTag(await listTags(repository, options.registry), request)
      isListed = true
      if (tag === undefined) throw noSuchVersion(request)
      const pulled = await pullModule(store, { ...repository, tag }, { ...options, wanted: request })
      return withNotes(pulled, request, refusals)
    } catch (error) {
      if (!isElsewhere(error)) throw error
      const isDenied = error.code === 'REGISTRY_DENIED' && !isListed
      if (error.code !== 'REGISTRY_UNKNOWN' && !isDenied) throw notAnswered(request, name, error, remotes)
      if (isDenied) refusals.push({ remote: name, error })
      said.push(`${name}: ${error.message}`)
    }
  }
  if (refusals.length > 0) throw refusedBy(refusals[0], request, said)
  throw new StrataError('MODULE_UNKNOWN', {
    message: `no remote has ${formatModuleRequest(request)}`,
    facts: { remotes: said },
    hint: remotes.length === 0 ? 'compose remote add NAME HOST/PREFIX' : 'compose remote list'
  })
}

interface Refusal {
  remote: string
  error: StrataError
}

const noSuchVersion = (request: ModuleRequest): StrataError =>
  new StrataError('REGISTRY_UNKNOWN', { message: `no version of ${formatModuleRequest(request)}` })

const refusal = ({ remote }: Refusal, request: ModuleRequest): string =>
  `remote ${remote} refuses to say whether it has ${formatModuleRequest(request)}`

/** A login that is missing may be the reason why another remote was asked. */
const withNotes = (
  pulled: PulledModule,
  request: ModuleRequest,
  refusals: readonly Refusal[]
): PulledModule => ({
  ...pulled,
  notes: [...refusals.map(one => `${refusal(one, request)}: ${one.error.message}`), ...pulled.notes]
})

const refusedBy = (first: Refusal, request: ModuleRequest, said: string[]): StrataError =>
  new StrataError('REGISTRY_DENIED', {
    message: `${refusal(first, request)}, and no other remote has it: ${first.error.message}`,
    facts: { ...first.error.facts, remote: first.remote, remotes: said },
    hint: first.error.hint ?? 'compose login HOST; compose remote list',
    cause: first.error
  })

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
