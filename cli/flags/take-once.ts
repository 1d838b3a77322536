import type { Command } from 'commander'
import { StrataError } from '../../store/values/index.ts'

/**
 * Options with one value are refused when they are given two: commander would obey the last, and forget the other
 * without a word. Those that gather values read them themselves.
 */
export function takeOnce(command: Command): void {
  for (const option of command.options) {
    if ((!option.required && !option.optional) || option.parseArg !== undefined) continue
    let given: string | undefined
    option.argParser((text: string) => {
      if (given !== undefined && given !== text)
        throw new StrataError('USAGE', {
          message: `${option.long} is given twice: ${given} and ${text}`,
          hint: `${option.long} takes one value`
        })
      given = text
      return text
    })
  }
  for (const below of command.commands) takeOnce(below)
}
