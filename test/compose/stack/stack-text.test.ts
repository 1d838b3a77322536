import * as assert from 'uvu/assert'
import { readPlainStack } from '../../../compose/stack/plain-stack.ts'
import { parseStackText } from '../../../compose/stack/stack-file.ts'
import { readYamlStack } from '../../../compose/stack/yaml-stack.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { suite } from '../../helpers/suite.ts'

const stacks = suite('stack text')

/** Lines that are plain, nearly plain, or wrong. */
const LINES = [
  'modules:',
  'modules: # all',
  'modules: []',
  'modules:  [] # none',
  'modules:#x',
  'modules: ~',
  '  - base/os',
  '  - base/os-12 # Debian',
  '  -  mpi/openmpi',
  '- app/vasp',
  '    - lib/deep-1',
  '  - "app/quoted"',
  '  - app/x#y',
  '  - app/x: y',
  '  - 1/2',
  '  - -a/b',
  '  - app/ü',
  '  - [app/x]',
  '  -app/x',
  '  - app/a app/b',
  '  - mpi/openmpi >= 4.1, < 5 # not yet 5',
  '  - mpi/openmpi != 4.0',
  '  - app/x >=4',
  '  - app/x > 4,< 5',
  'for: everyone',
  'for: group:vasp # chemistry',
  'for: group: vasp',
  'for: true',
  'for: null # nobody',
  'for: 12',
  'for: me,you',
  'for: a:',
  '# a comment',
  '   # another',
  '',
  '  ',
  '---',
  'other: 1'
]

function randomTexts(count: number): string[] {
  let state = 20240229
  const below = (limit: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
  return Array.from({ length: count }, () => {
    // Mostly what could be right: else hardly any text is, and nothing is compared.
    const lines = Array.from({ length: below(6) }, () => LINES[below(LINES.length)])
    if (below(3) > 0) lines.unshift('modules:', '  - base/first')
    return lines.join('\n') + (below(4) > 0 ? '\n' : '')
  })
}

stacks('are read without a YAML parser just as with it, or left to it', async () => {
  let plain = 0
  for (const text of randomTexts(4000)) {
    const ours = readPlainStack(text)
    if (ours === undefined) continue
    plain++
    const theirs = await readYamlStack(text, 'stack.yaml')
    assert.equal(
      { items: ours.items, audience: ours.audience },
      { items: theirs.items, audience: theirs.audience },
      text
    )
    const edits = ours.items.map((item, i) => (i % 2 === 0 ? item.text : undefined))
    assert.is(ours.edited(edits, ['lib/added']), theirs.edited(edits, ['lib/added']))
  }
  assert.ok(plain > 300, `${plain} of 4000 were plain`)
})

stacks(
  'hold after an edit just the entries that were wanted, every comment line, and every other byte',
  async () => {
    let edits = 0
    for (const text of randomTexts(4000)) {
      const parsed = await readYamlStack(text, 'stack.yaml').catch(() => undefined)
      if (parsed === undefined) continue
      edits++
      const wanted = parsed.items.map(
        (item, i) => [item.text, undefined, `lib/edited-${i}`][(i + text.length) % 3]
      )
      const added = text.length % 2 === 0 ? ['lib/added'] : []
      const edited = parsed.edited(wanted, added)
      const again = await readYamlStack(edited, 'stack.yaml')
      assert.equal(
        again.items.map(item => item.text),
        [...wanted.filter(edit => edit !== undefined), ...added],
        `${text}\n->\n${edited}`
      )
      assert.is(again.audience, parsed.audience)
      if (!isPlain(text, parsed.items.length)) continue
      const comments = (lines: string) => lines.split('\n').filter(line => /^ *#/.test(line))
      assert.equal(comments(edited), comments(text), `${text}\n->\n${edited}`)
      const same = parsed.items.map(item => item.text)
      if (same.length > 0) assert.is(parsed.edited(same, []), text)
    }
    assert.ok(edits > 500, `${edits} of 4000 could be edited`)
  }
)

/** A line an entry, each as `compose add` writes it; one that is further in would go on with the line before. */
const isPlain = (text: string, entries: number): boolean =>
  /^modules:(?: *\[\])?(?: *| +#.*)$/m.test(text) &&
  text.split('\n').every(line => /^ *(#.*)?$|^modules:|^for:|^ *- [a-z0-9/.-]+( #.*)?$/.test(line)) &&
  text.split('\n').filter(line => /^ *- /.test(line)).length === entries

stacks('are edited in any form of YAML', async () => {
  const forms = [
    'modules: [a/b, c/d]\n',
    'modules:\n- "a/b"\n-  c/d\n',
    '{modules: [a/b, c/d], for: me}\n',
    'for: me\nmodules:\n  - a/b # one\n  - &x c/d\n'
  ]
  for (const form of forms) {
    const { text } = await parseStackText(form, 'stack.yaml')
    const edited = await parseStackText(text.edited([undefined, 'e/f-1'], ['g/h']), 'stack.yaml')
    assert.equal(
      edited.text.items.map(item => item.text),
      ['e/f-1', 'g/h'],
      form
    )
    const emptied = await parseStackText(text.edited([undefined, undefined], []), 'stack.yaml')
    assert.equal(emptied.modules, [])
  }
})

const WRONG: Record<string, [text: string, message: RegExp]> = {
  'a module that is no name': ['modules:\n  - base/os\n  - nonsense\n', /line 3, column 5: .*no category/],
  'another key': ['modules: []\nmoduls: [a/b]\n', /line 2, column 1: key "moduls"/],
  'a key twice': ['modules: [a/b]\nmodules: [c/d]\n', /line 2/],
  'a number': ['modules:\n  - 12\n', /line 2, column 5: a module is not a text/],
  'no list': ['modules: a/b\n', /line 1, column 10: "modules" is not a list/],
  'an audience that is no text': ['modules: [a/b]\nfor: true\n', /line 2, column 6: "for" is not a text/],
  'no mapping': ['- a/b\n', /line 1, column 1: wanted a mapping/]
}

for (const [what, [text, message]] of Object.entries(WRONG))
  stacks(`are refused with line and column for ${what}`, async () => {
    await refusedLater(parseStackText(text, 'stack.yaml'), 'STACK_INVALID', message)
  })

stacks.run()
