import type { EnvironmentOperation } from '../../../store/module/environment.ts'
import { randomOf } from '../helpers/random-layer.ts'

/** Values that some shell or parser would read as more than they are. */
export const TRICKY = [
  'plain',
  'two words',
  ' blanks around ',
  "it's",
  "'quoted'",
  "''",
  "'",
  '"double"',
  '\\n is no newline \\',
  'C:\\dir\\',
  '100% %s %n',
  'a$HOME',
  '$',
  'cost: 5 $',
  '`id`',
  '*',
  '[a-z]*?',
  '~root',
  '#no comment',
  '!history',
  'a=b=c',
  'semi;colon & pipe | <redirect>',
  'tab\there',
  'grüße ☃ 漢字 😀',
  ')(){}',
  '-n',
  '/opt/x/bin:/opt/x/sbin'
]

/** Only a shell can be told these literally: for ch-run an element that begins with $ is a variable. */
export const DOLLARS = ['$HOME', '/a:$HOME:/b', '$HOME/x', '$(id)', '$$']

export function randomOperations(seed: number, values: string[]): EnvironmentOperation[] {
  const random = randomOf(seed)
  const pick = <T>(list: T[]): T => list[random(list.length)]
  return Array.from({ length: 1 + random(12) }, () => {
    const name = pick(['TRICKY_A', 'TRICKY_B', 'TRICKY_C'])
    const operation = pick(['set', 'prepend', 'append', 'prepend', 'append', 'unset'] as const)
    return operation === 'unset' ? { operation, name } : { operation, name, value: pick(values) }
  })
}
