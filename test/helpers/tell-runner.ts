import { appendFileSync } from 'node:fs'

/** A file in which the runner of tests reads what a test file tells it; not there where a file runs by itself. */
const FILE = process.env.STRATA_TEST_TOLD
delete process.env.STRATA_TEST_TOLD // programs that tests start have nothing to tell

/**
 * Tell the runner which test begins, so that it can name the one that never ends, or how many cases are left to a larger
 * size. (test/runner/told.ts reads these lines; each begins with the time in milliseconds.)
 */
export function tellRunner(line: `in: ${string}` | `left: ${number}`): void {
  if (FILE !== undefined) appendFileSync(FILE, `${Date.now()} ${line.replaceAll('\n', ' ')}\n`)
}
