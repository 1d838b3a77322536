import { tellRunner } from './tell-runner.ts'

/**
 * The size of a run of tests, named by STRATA_TEST_SIZE:
 *
 * - `quick` (`npm test`), for daily work: every kind of test, in 4 minutes, with the programs that are there.
 * - `check` (`.ci/run`), before main moves: every test but the longest, in 15 to 20 minutes; the programs have to be there.
 * - `all` (`npm run test:all`), before a release: all cases, seeds, package sets and kills.
 */
const SIZES = ['quick', 'check', 'all'] as const

export type Size = (typeof SIZES)[number]

export const SIZE: Size = readSize(process.env.STRATA_TEST_SIZE ?? 'quick')

function readSize(word: string): Size {
  const size = SIZES.find(known => known === word)
  if (size === undefined) throw new Error(`STRATA_TEST_SIZE is ${word}, wanted one of ${SIZES.join(', ')}`)
  return size
}

/** One of two numbers or lists: for daily work and checks, or for the size `all`. */
export const bySize = <T>(some: T, all: T): T => (SIZE === 'all' ? all : some)

/** All cases at the size `all`, else that many of them: the first, the last and some between. */
export function someOf<T>(cases: readonly T[], count: number): T[] {
  if (SIZE === 'all' || cases.length <= count) return [...cases]
  tellRunner(`left: ${cases.length - count}`)
  const step = (cases.length - 1) / Math.max(1, count - 1)
  return Array.from({ length: count }, (_, i) => cases[Math.round(i * step)])
}
