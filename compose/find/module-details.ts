/** The facts that a user needs to load a module. */

import {
  formatModuleName,
  formatRequirement,
  type ModuleRecord,
  type Requirement
} from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { DAG_JSON, parseCid, StrataError } from '../../store/values/index.ts'
import { Candidates, resolveStack } from '../resolve/index.ts'
import type { OfferedModule } from './offered-modules.ts'

export interface ModuleDetails {
  module: OfferedModule
  record: ModuleRecord
  requires: MetBy[]
  /** The modules that the stack would hold if it asked for this one alone, bottom to top; or the error. */
  loads: string[] | StrataError
}

/** A requirement, and the modules that meet it, best first. */
export interface MetBy {
  requirement: string
  modules: string[]
}

/** @throws StrataError BLOB_MISSING, BLOB_CORRUPT, MANIFEST_INVALID when its record cannot be read */
export async function moduleDetails(store: Repository, module: OfferedModule): Promise<ModuleDetails> {
  const record =
    module.remote?.record ?? (await store.readRecord(parseCid(module.record, DAG_JSON, module.text)))
  const candidates = new Candidates(store, {})
  const requires: MetBy[] = []
  for (const requirement of record.requires) requires.push(await metBy(candidates, requirement))
  return { module, record, requires, loads: await whatLoads(store, module) }
}

async function metBy(candidates: Candidates, requirement: Requirement): Promise<MetBy> {
  const modules: string[] = []
  for await (const { name } of candidates.fitting(requirement)) modules.push(formatModuleName(name))
  return { requirement: formatRequirement(requirement), modules }
}

async function whatLoads(store: Repository, { name }: OfferedModule): Promise<string[] | StrataError> {
  try {
    return (await resolveStack(store, [name])).map(module => formatModuleName(module.name))
  } catch (error) {
    if (error instanceof StrataError) return error
    throw error
  }
}
