import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { matchesPattern } from '../../../compose/definition/shell-pattern.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'

const patterns = suite('definitions: patterns of names')

const NAMES = [
  'a',
  'b',
  'ab',
  'abab',
  'a.b',
  'x-y',
  'x]y',
  '[x]',
  '*',
  'a*b',
  '\\',
  'A',
  'Z9',
  '!',
  '^',
  '-',
  'é'
]
const PATTERNS = [
  ...[
    '*',
    'a*',
    '*b',
    '*a*b',
    'a?',
    '??',
    '[ab]',
    '[!ab]',
    '[^ab]',
    '[a-z]',
    '[A-Z]*',
    '[a-c]?',
    '[]x]*',
    'x[]-]y'
  ],
  ...['[!]a]', '[-x]*', '[x', 'a[', '\\*', 'a\\*b', '*[0-9]', '*\\\\', '**', 'a**b', '[[]x]']
]

patterns('fit the names that the shell finds', () => {
  const folder = join(scratch(), 'names')
  mkdirSync(folder)
  for (const name of NAMES) writeFileSync(join(folder, name), '')
  for (const pattern of PATTERNS) {
    const found = bash('cd "$1"; shopt -s nullglob; LC_ALL=C.UTF-8; IFS=; printf "%s\\n" $2', folder, pattern)
    const expected = found.toString().split('\n').filter(Boolean).sort()
    // Without a match, or without anything special in it, the shell leaves the pattern as it is.
    const own = NAMES.filter(name => matchesPattern(name, pattern)).sort()
    if (/[*?]|\[.*\]/.test(pattern.replaceAll(/\\./g, ''))) assert.equal(own, expected, pattern)
  }
})

patterns('cost no more for many stars', () => {
  assert.not.ok(matchesPattern('a'.repeat(5000), `${'a*'.repeat(200)}b`))
})

patterns.run()
