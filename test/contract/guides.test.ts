import { existsSync, readFileSync } from 'node:fs'
import type { Command } from 'commander'
import * as assert from 'uvu/assert'
import { definitionOf, verbOf } from '../../cli/load-verbs.ts'
import { commandsOf, ELSEWHERE, PAGES, typedOf } from '../guides/pages.ts'
import { suite } from '../helpers/suite.ts'

const guides = suite('guides')

const OF_ALL = ['--store', '--stack', '--json', '--quiet', '-q', '--help']

const read = (page: string) => readFileSync(new URL(`../../../${page}`, import.meta.url), 'utf8')

/** Each use of the command in a page: its words up to the end of the line, a pipe or a comment. */
function* uses(page: string): Generator<string[]> {
  const text = read(page).replaceAll('\\\n', ' ')
  for (const [, words] of text.matchAll(
    /(?:^ {4}|^\$ |[`(|&] ?)(?:.*[|&;] )?compose ((?:[a-z]|--)[^\n`|#&)>]*)/gm
  ))
    yield words.trim().split(/\s+/)
}

const optionsOf = (command: Command): (string | undefined)[] =>
  command.options.flatMap(({ long, short }) => [long, short])

for (const page of PAGES)
  guides(`${page} names commands and options that there are`, async () => {
    let count = 0
    for (const words of uses(page)) {
      const verb = verbOf(words.find(word => !word.startsWith('-')) ?? '')
      if (words[0].startsWith('--')) continue // about all commands
      assert.ok(verb !== undefined, `${page}: compose ${words.join(' ')}`)
      const known = [...OF_ALL, ...optionsOf(await definitionOf(verb))]
      const own = words.includes('--') ? words.slice(0, words.indexOf('--')) : words
      for (const word of own.filter(word => /^--?[a-z]/.test(word)))
        assert.ok(known.includes(word), `${page}: compose ${words.join(' ')}: ${word}`)
      count++
    }
    assert.ok(count > 8, `${page} shows only ${count} commands`)
  })

guides(
  'every command block is typed by the test of the guides, or says by which other test it is run',
  () => {
    const all = PAGES.flatMap(page => commandsOf(page))
    const left = all.filter(command => !PAGES.flatMap(typedOf).includes(command))
    for (const [beginning, where] of ELSEWHERE) {
      assert.ok(
        left.some(command => command.startsWith(beginning)),
        `no page says ${beginning}`
      )
      const test = /^test\/\S+\.test\.ts/.exec(where)?.[0] ?? ''
      assert.ok(existsSync(new URL(test, new URL('../../../', import.meta.url))), `${beginning}: ${where}`)
    }
    assert.ok(left.length <= ELSEWHERE.length, left.join('\n'))
  }
)

guides('a fenced block without the name of a language is a transcript: it begins with a command', () => {
  for (const page of PAGES) {
    const blocks = read(page)
      .split(/^```/m)
      .filter((_, i) => i % 2 === 1)
    for (const block of blocks.filter(text => text.startsWith('\n'))) assert.match(block, /^\n\$ /, page)
  }
})

guides('links between pages lead to files that are there', () => {
  for (const page of [...PAGES, 'CONTRIBUTING.md', 'SECURITY.md', 'spec/ARCHITECTURE.md'])
    for (const [, target] of read(page).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
      const file = new URL(target, new URL(`../../../${page}`, import.meta.url))
      assert.ok(existsSync(file), `${page}: ${target}`)
    }
})

guides.run()
