import { type Test, suite as uvuSuite } from 'uvu'
import { tellRunner } from './tell-runner.ts'

/** A suite of uvu that tells the runner which test it is in. */
export function suite<Context = Record<string, unknown>>(name: string): Test<Context> {
  const tests = uvuSuite<Context>(name)
  tests.before(() => tellRunner(`in: ${name}, before its first test`))
  tests.before.each(({ __test__ }) => tellRunner(`in: ${name} "${__test__}"`))
  tests.after(() => tellRunner(`in: ${name}, after its last test`))
  return tests
}
