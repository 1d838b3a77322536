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
import {
  formatReference,
  formatRepository,
  hasLogin,
  type ImageReference,
  listTags
} from '../registry/index.ts'
import { formatCid, StrataError } from '../values/index.ts'
import { formatPrefix, repositoryOf, tagOfRecord, tagOfVersion } from './module-place.ts'
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
      if (!isElsewhere(error)) throw withConsent(error, formatReference(reference))
      said.push(`${remote}: ${error.message}`)
    }
  }
  throw new StrataError('MODULE_UNKNOWN', {
    message: `${formatModuleName(name)} with record ${formatCid(record)} is in no store, and no remote has it`,
    facts: { module: formatModuleName(name), remotes: said },
    hint: 'compose remote list'
  })
}

/** The flags by which users agree are those of a pull, and the command that needs the module has none of them. */
function withConsent(error: unknown, reference: string): unknown {
  if (!(error instanceof StrataError) || !/--(open-to|allow-redistribution) /.test(error.hint ?? ''))
    return error
  const { code, message, facts, hint } = error
  return new StrataError(code, {
    message,
    facts,
    hint: `compose pull ${reference} takes the flag: ${hint}`,
    cause: error
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
 * next remote is asked only if the one before answers that it has none, or refuses somebody who has no login there: many
 * registries deny what is not there. Any other error ends the pull, because whoever can bring it about could decide what
 * names mean. So does each error after a remote has listed a version.
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
  for (const remote of remotes) {
    const asking = { request, remote, remotes }
    const repository = repositoryOf(remote.prefix, request)
    const tag = await tagOrError(repository, request, options)
    if (typeof tag === 'string') return takeFrom(store, { ...repository, tag }, { asking, refusals, options })
    const isDenied = tag.code === 'REGISTRY_DENIED' && !hasLogin(repository, options.registry)
    if (tag.code !== 'REGISTRY_UNKNOWN' && !isDenied) throw notAnswered(asking, tag)
    if (isDenied) refusals.push({ remote: remote.name, error: tag })
    said.push(`${remote.name}: ${tag.message}`)
  }
  if (refusals.length > 0) throw refusedBy(refusals[0], request, said)
  throw new StrataError('MODULE_UNKNOWN', {
    message: `no remote has ${formatModuleRequest(request)}`,
    facts: remotes.length === 0 ? {} : { remotes: said },
    hint: remotes.length === 0 ? 'compose remote add NAME HOST/PREFIX' : 'compose remote list'
  })
}

/** The tag of the best version that fits, or why there is none. */
async function tagOrError(
  repository: ReturnType<typeof repositoryOf>,
  request: ModuleRequest,
  { registry }: PullOptions
): Promise<string | StrataError> {
  try {
    return bestTag(await listTags(repository, registry), request) ?? noSuchVersion(request)
  } catch (error) {
    if (isElsewhere(error)) return error
    throw error
  }
}

/** What is asked for, and of whom. */
interface Asking {
  request: ModuleRequest
  remote: Remote
  remotes: readonly Remote[]
}

interface Taking {
  asking: Asking
  refusals: readonly Refusal[]
  options: PullOptions
}

/** The remote listed this tag, so the name is its own, whether the rest can be had or not. */
async function takeFrom(
  store: Store,
  reference: ImageReference,
  { asking, refusals, options }: Taking
): Promise<PulledModule> {
  const { request, remote } = asking
  options.onRemote?.({
    remote: `${remote.name} (${formatPrefix(remote.prefix)})`,
    refusedBy: refusals.map(one => one.remote)
  })
  try {
    const pulled = await pullModule(store, reference, { ...options, wanted: request })
    // A login that is missing may be the reason why another remote was asked.
    const notes = refusals.map(one => `${refusal(one, request)}: ${one.error.message}`)
    return { ...pulled, remote: remote.name, notes: [...notes, ...pulled.notes] }
  } catch (error) {
    if (!isElsewhere(error)) throw error
    throw endedBy(
      asking,
      error,
      `remote ${remote.name} lists ${formatReference(reference)}, and does not send it`
    )
  }
}

interface Refusal {
  remote: string
  error: StrataError
}

const noSuchVersion = (request: ModuleRequest): StrataError =>
  new StrataError('REGISTRY_UNKNOWN', { message: `no version of ${formatModuleRequest(request)}` })

const refusal = ({ remote }: Refusal, request: ModuleRequest): string =>
  `remote ${remote} refuses to say whether it has ${formatModuleRequest(request)}`

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

const notAnswered = (asking: Asking, error: StrataError): StrataError =>
  endedBy(
    asking,
    error,
    `remote ${asking.remote.name} does not say whether it has ${formatModuleRequest(asking.request)}`
  )

/** The error of one remote, which names the next one for users who want that. */
function endedBy({ request, remote, remotes }: Asking, error: StrataError, fault: string): StrataError {
  const next = remotes[remotes.indexOf(remote) + 1]
  const other = next && `${formatRepository(repositoryOf(next.prefix, request))}:VERSION`
  return new StrataError(error.code, {
    message: `${fault}: ${error.message}`,
    facts: { ...error.facts, remote: remote.name, module: formatModuleRequest(request) },
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
