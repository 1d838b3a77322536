import * as assert from 'uvu/assert'
import { type ErrorCode, StrataError } from '../../store/values/errors.ts'

/** The StrataError that this throws; anything else fails the test. */
export function refused(work: () => unknown, code: ErrorCode, message: RegExp): StrataError {
  try {
    work()
  } catch (error) {
    if (!(error instanceof StrataError)) throw error
    assert.is(error.code, code, error.message)
    assert.match(error.message, message)
    return error
  }
  return assert.unreachable(`nothing thrown, expected ${code}`) as never
}

/** The same for what fails later. */
export async function refusedLater(
  work: Promise<unknown>,
  code: ErrorCode,
  message: RegExp
): Promise<StrataError> {
  const outcome = await work.then(
    () => undefined,
    (error: unknown) => error
  )
  return refused(
    () => {
      if (outcome !== undefined) throw outcome
    },
    code,
    message
  )
}
