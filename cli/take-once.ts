import type { Command } from 'commander'
import { StrataError } from '../store/values/index.ts'

/**
 * Refuses a second, different value of an option that takes one: Commander would use the last and silently forget the
 * first. Options that gather values are left alone.
 */
export function takeOnce(command: Command): void {
  for (const option of command.options) {
    if ((!option.required && !option.optional) || option.parseArg !== undefined) continue
    let given: string | undefined
    option.argParser((text: string) => {
      if (given !== undefined && given !== text)
        throw new StrataError('USAGE', {
          message: `${option.long} is given twice: ${given} and ${text}`,
          hint: `give ${option.long} once`
        })
      given = text
      return text
    })
  }
  for (const below of command.commands) takeOnce(below)
}
