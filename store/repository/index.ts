/** All abilities of a store on one page: `compose/` and `cli/` reach its files only through it. */
export { openRepository } from './open-repository.ts'
export type { Repository } from './repository.ts'
