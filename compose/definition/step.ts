/** Steps of a build, and what their results depend on (spec/definitions.md#cache). */
import { createHash } from 'node:crypto'

export interface Step {
  /** For messages. */
  what: string
  /** All that its result depends on beside the tree, as JSON. Undefined if that cannot be known. */
  key: unknown
  /** Runs a program, so that the tree is worth keeping. */
  isSlow: boolean
  /** True if it may see what changes outside: the network, or folders of the host. */
  seesOutside: boolean
  /** True if it only moves settings out of the tree, which takes no time. */
  isSettings?: boolean
  run(tree: string): Promise<void> | void
}

/** Raised when steps give other results by other rules. */
const VERSION = 5

export const hashOf = (value: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify([VERSION, value]))
    .digest('hex')

/** Keys of the trees behind each step; undefined from the first step on whose inputs cannot be known. */
export function keysOf(base: string, steps: Step[]): (string | undefined)[] {
  let before: string | undefined = base
  return steps.map(({ key }) => {
    before = before === undefined || key === undefined ? undefined : hashOf([before, key])
    return before
  })
}
