/**
 * What a user asked for, into modules in the order they are laid over each other: base first, then libraries, then
 * applications, each after what it requires, and otherwise as asked for. What they require comes along
 * (spec/resolve.md).
 */

import type { RangedRequest } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { Candidates, type Preferred, type ResolvedModule } from './candidates.ts'
import { layingOrder } from './order.ts'
import { solve } from './solve.ts'

export interface ResolveOptions {
  /** Hidden modules are taken like others; without it only an exact name finds one. */
  hidden?: boolean
  /** Versions to stay with as long as they fit: what the lock holds. */
  preferred?: Preferred
}

/**
 * The same requests, stores and preferences give the same modules.
 * @throws StrataError MODULE_UNKNOWN; MODULE_CONFLICT with the reasons: two versions of one name, a conflict, a second
 *   of a family, a requirement that nothing meets, or requirements in a circle; LIMIT_EXCEEDED
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
    const { explain } = await import('./explain.ts') // most stacks resolve
    throw await explain(candidates, wanted, solution.faults)
  }
  return layingOrder(solution.modules).map(({ name, id, record }) => ({ name, id, record }))
}
