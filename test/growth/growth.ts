import { ok } from 'uvu/assert'
import { countWork, type Work } from './count-work.ts'

/** Twice the input may cost this many times the work: what is linear comes to 2, what is quadratic to 4. */
const MOST_GROWTH = 2.3
/** Less than this means that the shape never reached what was to be measured. */
const LEAST_GROWTH = 1.6
/** Difference between two runs with the same input. */
const SLACK: Work = { steps: 500, bytes: 8192 }

export interface Shape<T> {
  /** An input of this size; making it is not counted. */
  make: (size: number) => T | Promise<T>
  size: number
  run: (input: T) => unknown
}

const warm = new Set<unknown>()

/**
 * The cost of a small input is subtracted first, because opening a store costs the same for any input.
 * @throws AssertionError if twice the input costs more than {@link MOST_GROWTH} times the work
 */
export async function growsLinearly<T>({ make, size, run }: Shape<T>): Promise<void> {
  const workOf = async (of: number): Promise<Work> => {
    const input = await make(of)
    return countWork(() => run(input))
  }
  const least = Math.ceil(size / 50)
  if (!warm.has(run)) await workOf(least) // what is made once, such as tables, belongs to no size
  warm.add(run)
  const base = await workOf(least)
  const once = above(base, await workOf(size))
  const twice = above(base, await workOf(2 * size))
  const shown = JSON.stringify({ base, once, twice })
  if (process.env.STRATA_SHOW_GROWTH) console.log(shown)
  for (const kind of ['steps', 'bytes'] as const)
    ok(
      twice[kind] <= MOST_GROWTH * once[kind] + SLACK[kind],
      `${kind} grow ${(twice[kind] / once[kind]).toFixed(2)} times: ${shown}`
    )
  ok(
    twice.steps >= LEAST_GROWTH * once.steps + SLACK.steps ||
      twice.bytes >= LEAST_GROWTH * once.bytes + SLACK.bytes,
    `the work does not grow with the input: ${shown}`
  )
}

const above = (base: Work, { steps, bytes }: Work): Work => ({
  steps: steps - base.steps,
  bytes: bytes - base.bytes
})
