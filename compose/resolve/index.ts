/** Resolves chosen modules to exact versions, in the order of merging (spec/resolve.md). */
export { independentBases } from './bases.ts'
export { Candidates, keyOf, offeredCandidates, type Preferred, type ResolvedModule } from './candidates.ts'
export type { Fault, Wanted } from './fault.ts'
export { layingOrder } from './order.ts'
export { replacesMatcher } from './replaces.ts'
export { resolveStack } from './resolve-stack.ts'
export { satisfies } from './satisfies.ts'
export { solve, solverWork } from './solve.ts'
