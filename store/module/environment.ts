import { pathFromText, StrataError, showPath } from '../values/index.ts'

/**
 * A change to the environment by a module; changes are applied in order. Values are literal: `$HOME` is five
 * characters. `prepend` and `append` put the value before or behind the existing one, with `:` between.
 */
export type EnvironmentOperation =
  | { operation: 'set' | 'prepend' | 'append'; name: string; value: string }
  | { operation: 'unset'; name: string }

export type OperationKind = EnvironmentOperation['operation']

/** Limit on values. Linux allows 128 KiB for a string of the environment (MAX_ARG_STRLEN), and lists grow by composing. */
const LONGEST_VALUE = 32_768

const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,255}$/

/**
 * Parses the value of `--set`, `--prepend`, `--append` (K=V) or `--unset` (K).
 * @throws StrataError USAGE
 */
export function parseEnvironmentFlag(operation: OperationKind, text: string): EnvironmentOperation {
  const flag = `--${operation}`
  if (operation === 'unset') return checkOperation({ operation, name: text }, flag)
  const equals = text.indexOf('=')
  if (equals < 0) {
    throw new StrataError('USAGE', {
      message: `${flag} "${showStart(text)}": "=" is missing, wanted NAME=VALUE`,
      hint: `${flag} PATH=/opt/openmpi/bin`
    })
  }
  return checkOperation({ operation, name: text.slice(0, equals), value: text.slice(equals + 1) }, flag)
}

/**
 * @param what named in the message: the flag, or the field of a spec
 * @throws StrataError USAGE
 */
export function checkOperation(operation: EnvironmentOperation, what: string): EnvironmentOperation {
  const { name } = operation
  const refuse = (fault: string) => {
    throw new StrataError('USAGE', { message: `${what} ${showStart(name)}: ${fault}` })
  }
  if (!NAME.test(name)) refuse('not a name of a variable, wanted letters, digits and _, no digit first')
  if (operation.operation === 'unset') return operation
  const { value } = operation
  // ch-run reads its environment line by line, so a line break would add another variable.
  if (/[\0\r\n]/.test(value)) refuse('the value holds a NUL or a line break')
  if (/\p{Surrogate}/u.test(value)) refuse('the value holds half a surrogate pair, which is not text')
  if (Buffer.byteLength(value) > LONGEST_VALUE) {
    refuse(`the value has ${Buffer.byteLength(value)} bytes, wanted at most ${LONGEST_VALUE}`)
  }
  // An empty element of PATH or LD_LIBRARY_PATH means the current folder, whatever it holds.
  if (operation.operation !== 'set' && value === '')
    refuse(`nothing to ${operation.operation}, the value is empty`)
  return operation
}

const showStart = (text: string): string => showPath(pathFromText(text.slice(0, 80)))

/** `prepend PATH=/opt/openmpi/bin`, `unset DISPLAY`. */
export const formatOperation = (operation: EnvironmentOperation): string =>
  'value' in operation
    ? `${operation.operation} ${operation.name}=${operation.value}`
    : `${operation.operation} ${operation.name}`
