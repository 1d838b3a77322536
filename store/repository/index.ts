/** What a store can do, on one page: `compose/` and `cli/` reach its files by it alone. */
export { openRepository } from './open-repository.ts'
export type { Repository } from './repository.ts'
