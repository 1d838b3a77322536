/**
 * Resolves the user's requests to modules in the order of merging: bases, then libraries, then applications, each
 * after the modules that it requires, and otherwise in the order of the requests. Required modules are added
 * (spec/resolve.md).
 */

import type { RangedRequest } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { Candidates, type Preferred, type ResolvedModule } from './candidates.ts'
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
  if ('faults' in solution) {
    const { explain } = await import('./explain.ts') // loaded only here, because most stacks resolve
    throw await explain(candidates, wanted, solution.faults)
  }
  return layingOrder(solution.modules).map(({ name, id, record }) => ({ name, id, record }))
}
