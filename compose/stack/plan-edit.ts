/**
 * Plans an edit of a stack before anything is written: the remaining requests and the modules that they resolve to.
 * As with `module load`, the newest request wins: it replaces another version of its name, another module of its
 * family, and versions that do not fit its requirements. Unlike `module load`, an edit that would leave a module
 * without its requirements is refused (spec/resolve.md#edits).
 */

import {
  formatModuleName,
  formatRequirement,
  type RangedRequest,
  type Requirement
} from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError } from '../../store/values/index.ts'
import {
  Candidates,
  type Fault,
  keyOf,
  layingOrder,
  offeredCandidates,
  type Preferred,
  type ResolvedModule,
  satisfies,
  solve,
  solverWork,
  type Wanted
} from '../resolve/index.ts'

/** A request and its index in the file; undefined for a new one. */
export interface Slot {
  item?: number
  request: RangedRequest
}

export interface Plan {
  slots: Slot[]
  modules: ResolvedModule[]
  /** Requests that were replaced by a module of their family. */
  replaced: { request: RangedRequest; by: string }[]
  /** Modules to remove that are not in the stack. */
  notLoaded: RangedRequest[]
  /** Modules to remove that others require. */
  stays: { module: string; by: string }[]
}

export interface EditedStack {
  modules: RangedRequest[]
  locked: Preferred
}

export interface PlanOptions {
  hidden?: boolean
}

const slotsOf = ({ modules }: EditedStack): Slot[] => modules.map((request, item) => ({ item, request }))

const without = (locked: Preferred, requests: RangedRequest[]): Preferred => {
  const named = new Set(requests.map(keyOf))
  return new Map([...locked].filter(([key]) => !named.has(key)))
}

/** @throws StrataError as resolveStack */
export async function planAdd(
  store: Repository,
  stack: EditedStack,
  requests: RangedRequest[],
  { hidden }: PlanOptions = {}
): Promise<Plan> {
  let slots = slotsOf(stack)
  for (const request of requests) slots = placeRequest(slots, request)
  const preferred = without(stack.locked, requests)
  return withHiddenNamed(await settleIn(store, { hidden, preferred }, slots, requests), requests)
}

/** A hidden module that was found by --hidden is noted by its full name, which finds it again without that flag. */
function withHiddenNamed(plan: Plan, fresh: RangedRequest[]): Plan {
  const slots = plan.slots.map(slot => {
    const module = plan.modules.find(({ name }) => keyOf(name) === keyOf(slot.request))
    return module?.record.hidden && fresh.includes(slot.request) ? { ...slot, request: module.name } : slot
  })
  return { ...plan, slots }
}

/** Puts the request in the place of another version of its name, or at the end. */
function placeRequest(slots: Slot[], request: RangedRequest): Slot[] {
  const at = slots.findIndex(slot => keyOf(slot.request) === keyOf(request))
  if (at < 0) return [...slots, { request }]
  return slots
    .map((slot, i) => (i === at ? { ...slot, request } : slot))
    .filter((slot, i) => i === at || keyOf(slot.request) !== keyOf(request))
}

export async function planRemove(
  store: Repository,
  stack: EditedStack,
  requests: RangedRequest[]
): Promise<Plan> {
  const isMeant = (request: RangedRequest, version: string | undefined, asked: RangedRequest) =>
    keyOf(request) === keyOf(asked) &&
    (formatRequirement(request) === formatRequirement(asked) || fits(asked, version))
  const slots = slotsOf(stack)
  const kept = slots.filter(
    ({ request }) => !requests.some(asked => isMeant(request, stack.locked.get(keyOf(request)), asked))
  )
  const plan = await settleIn(store, { preferred: stack.locked }, kept, [])
  const staying = plan.modules.filter(({ name }) =>
    requests.some(asked => isMeant(name, name.version, asked))
  )
  const removed = slots.filter(slot => !kept.includes(slot))
  return {
    ...plan,
    stays: staying.map(module => ({
      module: formatModuleName(module.name),
      by: whoRequires(module, plan.modules)
    })),
    notLoaded: requests.filter(
      asked =>
        ![...removed.map(({ request }) => request), ...staying.map(({ name }) => name)].some(
          it => keyOf(it) === keyOf(asked)
        )
    )
  }
}

/** Names of the modules that require a module, separated by commas. */
export const whoRequires = ({ name }: ResolvedModule, modules: ResolvedModule[]): string =>
  modules
    .filter(({ record }) => record.requires.some(requirement => satisfies(name, requirement)))
    .map(other => formatModuleName(other.name))
    .join(', ')

/** @throws StrataError NOT_LOADED; MODULE_CONFLICT if the old one is required; as resolveStack */
export async function planSwap(
  store: Repository,
  stack: EditedStack,
  old: RangedRequest,
  fresh: RangedRequest,
  { hidden }: PlanOptions = {}
): Promise<Plan> {
  const slots = slotsOf(stack)
  const at = slots.findIndex(({ request }) => keyOf(request) === keyOf(old))
  const version = stack.locked.get(keyOf(old))
  const isOther = version !== undefined && !fits(old, version)
  if ((at < 0 && version === undefined) || isOther)
    throw new StrataError('NOT_LOADED', {
      message: `Swap failed: "${formatRequirement(old)}" is not loaded.`,
      hint: `compose add ${formatRequirement(fresh)}`
    })
  const swapped = slots.map((slot, i) => (i === at ? { ...slot, request: fresh } : slot))
  const preferred = without(stack.locked, [fresh])
  const plan = await settleIn(store, { hidden, preferred }, placeRequest(swapped, fresh), [fresh])
  const left = plan.modules.find(({ name }) => keyOf(name) === keyOf(old) && keyOf(old) !== keyOf(fresh))
  if (left === undefined) return withHiddenNamed(plan, [fresh])
  throw new StrataError('MODULE_CONFLICT', {
    message: `Swap failed: "${formatModuleName(left.name)}" is required by ${whoRequires(left, plan.modules)}.`,
    hint: `compose add ${formatRequirement(fresh)} (keeps both)`
  })
}

/** Takes newer versions of some modules, or of all, within the requests. */
export async function planUpdate(
  store: Repository,
  stack: EditedStack,
  names: RangedRequest[]
): Promise<Plan> {
  const preferred = names.length === 0 ? new Map() : without(stack.locked, names)
  const plan = await settleIn(store, { preferred }, slotsOf(stack), [])
  const notLoaded = names.filter(asked => !plan.modules.some(({ name }) => keyOf(name) === keyOf(asked)))
  return { ...plan, notLoaded }
}

/** True if the version matches the request, or is not known. */
function fits(asked: RangedRequest, version: string | undefined): boolean {
  if (asked.version === undefined && (asked.constraints ?? []).length === 0) return true
  return version !== undefined && satisfies({ ...asked, version }, asked)
}

/** Removes older requests if they conflict with fresh ones, as few as possible. */
/** Modules that remotes offer count where the stores alone have no solution. @throws as settle */
async function settleIn(
  store: Repository,
  options: ConstructorParameters<typeof Candidates>[1],
  slots: Slot[],
  fresh: RangedRequest[]
): Promise<Plan> {
  try {
    return await settle(new Candidates(store, options), slots, fresh)
  } catch (error) {
    if (!(error instanceof StrataError)) throw error
    const offers = await offeredCandidates(store)
    if (offers.length === 0) throw error
    return settle(new Candidates(store, options, offers), slots, fresh).catch(() => {
      throw error
    })
  }
}

async function settle(candidates: Candidates, slots: Slot[], fresh: RangedRequest[]): Promise<Plan> {
  const isFresh = ({ request }: Slot) => fresh.includes(request)
  const gone: { slot: Slot; by: string | undefined }[] = []
  let kept = slots
  const work = solverWork()
  let solution = await solve(candidates, kept.map(wish), work)
  const first = solution
  while ('faults' in solution) {
    const victim = victimOf(solution.faults, kept.map(isFresh))
    if (victim === undefined) {
      const { explain } = await import('../resolve/explain.ts') // loaded only here, because most stacks resolve
      throw await explain(candidates, slots.map(wish), 'faults' in first ? first.faults : solution.faults)
    }
    gone.push({ slot: kept[victim.index], by: victim.family })
    kept = kept.filter((_, i) => i !== victim.index)
    solution = await solve(candidates, kept.map(wish), work)
  }
  for (const victim of [...gone]) {
    const more = slots.filter(slot => slot === victim.slot || kept.includes(slot))
    const again = await solve(candidates, more.map(wish), work)
    if ('faults' in again) continue
    gone.splice(gone.indexOf(victim), 1)
    kept = more
    solution = again
  }
  return {
    slots: kept,
    modules: layingOrder(solution.modules).map(({ name, id, record }) => ({ name, id, record })),
    replaced: gone.flatMap(({ slot, by }) => (by === undefined ? [] : [{ request: slot.request, by }])),
    notLoaded: [],
    stays: []
  }
}

const wish = ({ request }: Slot): Requirement => ({ constraints: [], ...request })

/** An older request that conflicts with a fresh one, or with its requirements. */
function victimOf(faults: Fault[], isFresh: boolean[]): { index: number; family?: string } | undefined {
  const pair = (old: Wanted, other: Wanted) =>
    old.by === undefined && !isFresh[old.request] && isFresh[other.request]
  for (const fault of faults) {
    if (fault.kind === 'family') {
      const { module, other } = fault
      if (pair(other.wanted, module.wanted))
        return { index: other.wanted.request, family: formatModuleName(module.name) }
      if (pair(module.wanted, other.wanted))
        return { index: module.wanted.request, family: formatModuleName(other.name) }
    } else if (fault.kind === 'version' || fault.kind === 'wishes') {
      const old = fault.kind === 'version' ? fault.chosen.wanted : fault.other
      if (pair(old, fault.wanted)) return { index: old.request }
      if (pair(fault.wanted, old)) return { index: fault.wanted.request }
    }
  }
  return undefined
}
