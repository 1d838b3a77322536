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
  const measured = async () => {
    const base = await workOf(least)
    return { base, once: above(base, await workOf(size)), twice: above(base, await workOf(2 * size)) }
  }
  let work = await measured()
  // On a busy machine streams come in other pieces, which changes small counts; work that grows too fast always does.
  for (let more = 2; more > 0 && tooMuch(work) !== undefined; more--) work = await measured()
  const shown = JSON.stringify(work)
  if (process.env.STRATA_SHOW_GROWTH) console.log(shown)
  const { once, twice } = work
  const kind = tooMuch(work)
  ok(kind === undefined, `${kind} grow more than ${MOST_GROWTH} times: ${shown}`)
  ok(
    twice.steps >= LEAST_GROWTH * once.steps + SLACK.steps ||
      twice.bytes >= LEAST_GROWTH * once.bytes + SLACK.bytes,
    `the work does not grow with the input: ${shown}`
  )
}

const tooMuch = ({ once, twice }: { once: Work; twice: Work }): keyof Work | undefined =>
  (['steps', 'bytes'] as const).find(kind => twice[kind] > MOST_GROWTH * once[kind] + SLACK[kind])

const above = (base: Work, { steps, bytes }: Work): Work => ({
  steps: steps - base.steps,
  bytes: bytes - base.bytes
})
