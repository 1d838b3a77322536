/** Takes over metadata of other programs as far as a record can hold it; other values become notes. */

import { checkLabel, checkText } from '../../store/module/index.ts'
import { pathFromText, StrataError, showPath } from '../../store/values/index.ts'

/** The result of `check`; undefined, with a note, if a record cannot hold the value. */
export function takenOver<T>(check: () => T, notes: string[]): T | undefined {
  try {
    return check()
  } catch (error) {
    if (!(error instanceof StrataError)) throw error
    notes.push(error.message)
    return undefined
  }
}

/** @param what name of the value in notes */
export const takenText = (text: string, what: string, notes: string[]): string | undefined =>
  text.trim() === '' ? undefined : takenOver(() => checkText(text, what), notes)

/** @param what name of the labels in notes */
export function takenLabels(
  labels: Iterable<[string, unknown]>,
  what: string,
  notes: string[]
): Record<string, string> {
  const taken: Record<string, string> = {}
  for (const [key, value] of labels) {
    const label = takenOver(() => {
      if (typeof value === 'string') return checkLabel(key, value, what)
      throw new StrataError('USAGE', {
        message: `${what}: the value of ${showPath(pathFromText(key))} is not a string`
      })
    }, notes)
    if (label !== undefined) taken[label[0]] = label[1]
  }
  return taken
}
