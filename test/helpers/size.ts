/**
 * The size of tests. `npm test` is for use while you work: it runs every kind of test in a few minutes. `npm run
 * test:all` sets STRATA_TEST_ALL=1, and the same tests take all their cases, or more random ones.
 */
export const isFullSize = process.env.STRATA_TEST_ALL === '1'

/** One of two numbers or lists, by the size of the run. */
export const bySize = <T>(quick: T, full: T): T => (isFullSize ? full : quick)

/** All cases at the full size, else that many of them: the first, the last and some between. */
export function someOf<T>(cases: readonly T[], count: number): T[] {
  if (isFullSize || cases.length <= count) return [...cases]
  const step = (cases.length - 1) / Math.max(1, count - 1)
  return Array.from({ length: count }, (_, i) => cases[Math.round(i * step)])
}
