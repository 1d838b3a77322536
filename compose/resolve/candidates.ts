/** Looks up published modules for the solver: the versions that can meet a requirement, best first. */

import type { CID } from 'multiformats/cid'
import {
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
  readonly #versions = new Map<string, PublishedVersion[]>()
  readonly #modules = new Map<string, ResolvedModule | undefined>()
  readonly #records = new Map<string, RecordFacts>()

  /** @param hidden also accept hidden modules */
  constructor(
    store: Repository,
    { hidden = false, preferred = new Map() }: { hidden?: boolean; preferred?: Preferred }
  ) {
    this.store = store
    this.#hidden = hidden
    this.#preferred = preferred
  }

  /** All versions, highest first, whether they fit or not. */
  versions(named: { category: string; name: string }): PublishedVersion[] {
    const key = keyOf(named)
    const known = this.#versions.get(key) ?? this.store.publishedVersions(named)
    this.#versions.set(key, known)
    return known
  }

  /** Versions that fit, best first: the preferred one, the exact version, the default, then from the highest down. */
  async *fitting(requirement: Requirement): AsyncGenerator<ResolvedModule> {
    const { category, name, version: asked } = requirement
    const preferred = this.#preferred.get(keyOf(requirement))
    const ranked = rankVersions(this.versions(requirement), asked)
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

  async #module(name: ModuleName): Promise<ResolvedModule | undefined> {
    const key = `${keyOf(name)}-${name.version}`
    if (this.#modules.has(key)) return this.#modules.get(key)
    const found = this.store.findExact(name)
    const module = found && { name, id: found.record, record: await this.#record(found.record) }
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

const isExactly = ({ constraints }: Requirement, version: string): boolean =>
  constraints.some(constraint => constraint.relation === '=' && constraint.version === version)
