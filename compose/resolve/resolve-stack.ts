/**
 * Resolves the user's requests to modules in the order of merging: bases, then libraries, then applications, each
 * after the modules that it requires, and otherwise in the order of the requests. Required modules are added
 * (spec/resolve.md).
 */

import type { RangedRequest } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { Candidates, offeredCandidates, type Preferred, type ResolvedModule } from './candidates.ts'
import type { Chosen } from './fault.ts'
import { layingOrder } from './order.ts'
import { solve } from './solve.ts'

export interface ResolveOptions {
  /** Also accept hidden modules; otherwise only an exact name finds one. */
  hidden?: boolean
  /** Versions to keep as long as they fit: those of the lock. */
  preferred?: Preferred
}

/**
 * Resolves requests. The same requests, stores and preferences give the same modules.
 * @throws StrataError MODULE_UNKNOWN; MODULE_CONFLICT with the reasons: two versions of one name, a conflict, two
 * modules of a family, a requirement that nothing meets, or requirements in a circle; LIMIT_EXCEEDED
 */
export async function resolveStack(
  store: Repository,
  requests: RangedRequest[],
  options: ResolveOptions = {}
): Promise<ResolvedModule[]> {
  const candidates = new Candidates(store, options)
  const wanted = requests.map(request => ({ constraints: [], ...store.resolveAlias(request) }))
  const solution = await solve(candidates, wanted)
  const modules = 'faults' in solution ? await solveWithRemotes(store, wanted, options) : solution.modules
  if (modules === undefined) {
    const { explain } = await import('./explain.ts') // loaded only here, because most stacks resolve
    throw await explain(candidates, wanted, 'faults' in solution ? solution.faults : [])
  }
  return layingOrder(modules).map(({ name, id, record }) => ({ name, id, record }))
}

/**
 * Where the stores alone have no solution, the modules that remotes offer count as well. So what is there is never
 * replaced by something newer of a remote.
 */
async function solveWithRemotes(
  store: Repository,
  wanted: Parameters<typeof solve>[1],
  options: ResolveOptions
): Promise<Chosen[] | undefined> {
  const offered = await offeredCandidates(store)
  if (offered.length === 0) return undefined
  const solution = await solve(new Candidates(store, options, offered), wanted)
  return 'faults' in solution ? undefined : solution.modules
}
