/** Looks up published modules for the solver: the versions that can meet a requirement, best first. */

import type { CID } from 'multiformats/cid'
import {
  compareVersions,
  type ModuleName,
  type ModuleRecord,
  type PublishedVersion,
  type Requirement,
  rankVersions
} from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { formatCid } from '../../store/values/index.ts'
import { satisfies } from './satisfies.ts'

/** The fields of a record that decide which modules fit together, and those that lists show. */
const RECORD_FACTS = [
  'kind',
  'layers',
  'requires',
  'conflicts',
  'family',
  'hidden',
  'deprecated',
  'accessGroups'
] as const
type RecordFacts = Pick<ModuleRecord, (typeof RECORD_FACTS)[number]>

export interface ResolvedModule {
  name: ModuleName
  id: CID
  record: RecordFacts
}

/** `category/name`: a stack has at most one version of it. */
export const keyOf = ({ category, name }: { category: string; name: string }): string => `${category}/${name}`

/** Versions to keep as long as they fit, by {@link keyOf}: those of a lock. */
export type Preferred = ReadonlyMap<string, string>

/** Remembers what it reads, so one resolution sees one state of the store and reads no record twice. */
export class Candidates {
  readonly store: Repository
  readonly #hidden: boolean
  readonly #preferred: Preferred
  readonly #offers: ReadonlyMap<string, ResolvedModule[]>
  readonly #versions = new Map<string, PublishedVersion[]>()
  readonly #modules = new Map<string, ResolvedModule | undefined>()
  readonly #records = new Map<string, RecordFacts>()

  /**
   * @param hidden also accept hidden modules
   * @param offers modules of remotes, which count as well where no store has a module of the name and version
   */
  constructor(
    store: Repository,
    { hidden = false, preferred = new Map() }: { hidden?: boolean; preferred?: Preferred },
    offers: readonly ResolvedModule[] = []
  ) {
    this.store = store
    this.#hidden = hidden
    this.#preferred = preferred
    this.#offers = groupByName(offers)
  }

  /** All versions that stores have, highest first, whether they fit or not. */
  versions(named: { category: string; name: string }): PublishedVersion[] {
    const key = keyOf(named)
    const known = this.#versions.get(key) ?? this.store.publishedVersions(named)
    this.#versions.set(key, known)
    return known
  }

  /**
   * Versions that fit, best first: the preferred one, the exact version, the default, then from the highest down. All
   * that remotes offer come after those of the stores: whoever can push to a registry must not take the place of a
   * module of the site by a higher version.
   */
  async *fitting(requirement: Requirement): AsyncGenerator<ResolvedModule> {
    const { category, name, version: asked } = requirement
    const preferred = this.#preferred.get(keyOf(requirement))
    const ranked = [this.versions(requirement), this.#offeredVersions(requirement)].flatMap(versions =>
      rankVersions(versions, asked)
    )
    const kept = ranked.filter(({ version }) => version === preferred)
    for (const { version, isDefault } of [...kept, ...ranked.filter(other => !kept.includes(other))]) {
      if (!satisfies({ category, name, version }, requirement)) continue
      const module = await this.#module({ category, name, version })
      if (module === undefined) continue
      const isNamed =
        isDefault || version === asked || version === preferred || isExactly(requirement, version)
      if (this.#hidden || isNamed || !module.record.hidden) yield module
    }
  }

  /** Versions that no store has, highest first. */
  #offeredVersions(named: { category: string; name: string }): PublishedVersion[] {
    const here = this.versions(named)
    return (this.#offers.get(keyOf(named)) ?? [])
      .map(({ name: { version } }) => ({ version, isDefault: false }))
      .filter(({ version }) => !here.some(other => other.version === version))
      .sort((a, b) => compareVersions(b.version, a.version))
  }

  #offered(name: ModuleName): ResolvedModule | undefined {
    return this.#offers.get(keyOf(name))?.find(offer => offer.name.version === name.version)
  }

  async #module(name: ModuleName): Promise<ResolvedModule | undefined> {
    const key = `${keyOf(name)}-${name.version}`
    if (this.#modules.has(key)) return this.#modules.get(key)
    const found = this.store.findExact(name)
    const module = found
      ? { name, id: found.record, record: await this.#record(found.record) }
      : this.#offered(name)
    this.#modules.set(key, module)
    return module
  }

  async #record(id: CID): Promise<RecordFacts> {
    const key = formatCid(id)
    const record = this.#records.get(key) ?? (await this.store.readRecordPart(id, RECORD_FACTS))
    this.#records.set(key, record)
    return record
  }
}

/** The modules that remotes offer. */
export const offeredCandidates = async (store: Repository): Promise<ResolvedModule[]> =>
  (await store.offers()).map(({ id, record }) => {
    const { category, name, version } = record
    return { name: { category, name, version }, id, record }
  })

function groupByName(modules: readonly ResolvedModule[]): ReadonlyMap<string, ResolvedModule[]> {
  const groups = new Map<string, ResolvedModule[]>()
  for (const module of modules)
    groups.set(keyOf(module.name), [...(groups.get(keyOf(module.name)) ?? []), module])
  return groups
}

const isExactly = ({ constraints }: Requirement, version: string): boolean =>
  constraints.some(constraint => constraint.relation === '=' && constraint.version === version)
