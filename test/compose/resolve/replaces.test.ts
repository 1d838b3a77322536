import { equal, is } from 'uvu/assert'
import { replacesMatcher } from '../../../compose/resolve/replaces.ts'
import { suite } from '../../helpers/suite.ts'

const replaces = suite('which paths a module may replace')

/** The rules of the document as a regular expression, which is right but slow for long texts. */
function expressionOf(pattern: string): RegExp {
  const parts = pattern.replace(/\*\*|\*|\?|[.+^${}()|[\]\\]/g, token => {
    if (token === '**') return '.*'
    if (token === '*') return '[^/]*'
    return token === '?' ? '[^/]' : `\\${token}`
  })
  return new RegExp(`^${parts}(?:/|$)`, 's')
}

function* numbers(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    yield state >>> 8
  }
}

const random = numbers(7)
const word = (letters: string, longest: number): string =>
  Array.from(
    { length: random.next().value! % (longest + 1) },
    () => letters[random.next().value! % letters.length]
  ).join('')

replaces('patterns and paths of few letters, as the document has it', () => {
  let matched = 0
  for (let i = 0; i < 20_000; i++) {
    const patterns = Array.from({ length: 1 + (i % 5) }, () => word('aab/*?*.\xff', 7))
    const path = word('aab/.\xff', 9)
    const wanted = patterns.some(pattern => expressionOf(pattern).test(path))
    if (wanted) matched++
    if (replacesMatcher(patterns)!(path) !== wanted) equal({ patterns, path }, { wanted })
  }
  is(matched > 2000 && matched < 18_000, true)
})

replaces('places of many patterns do not run into each other', () => {
  const matches = replacesMatcher(Array.from({ length: 40 }, (_, i) => `opt/*/v${i}?`))!
  is(matches('opt/x/v390/lib'), true)
  is(matches('opt/x/v40'), true)
  is(matches('opt/x/v400/lib'), false)
  is(matches('opt/x/y/v390'), false)
})

replaces.run()
