import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { parseStackText } from '../../../compose/stack/stack-file.ts'
import { IdNames } from '../../../store/accounts/id-names.ts'
import { readSpecFile } from '../../../store/module/spec-file.ts'
import { scratch } from '../../helpers/scratch.ts'
import { specExample } from '../../helpers/spec-example.ts'
import type { FuzzTarget } from '../target.ts'
import { changedText } from './bytes.ts'

const WORDS = [
  '&a',
  '*a',
  '!!str',
  '- ',
  '? ',
  ': ',
  '{',
  '}',
  '[',
  ']',
  '|',
  '>-',
  '"\\e"',
  '---',
  '...',
  '<<',
  '%YAML 1.1',
  '~',
  '0x7f',
  '.inf',
  '#',
  '\t',
  'modules:',
  'mpi/openmpi-4'
]

const file = join(scratch(), 'module.yaml')

export const specTarget: FuzzTarget = {
  name: 'spec',
  seeds: () =>
    [
      'kind: library\nsummary: MPI\nrequires: [lib/a, "mpi/b >= 4.1, < 5"]\nenvironment:\n  set: {A: x}\n  prepend: {PATH: [/a, /b]}\n  unset: [B]\n',
      'help: |\n  two\n  lines\nlabels: {org.example.a: b}\naccess_groups: [4242]\nreplaces: [/opt/a]\nprefix: opt/x\nstrip: 1\nowner: "0:0"\ndeprecated: {date: 2030-01-01, text: old}\n'
    ].map(text => Buffer.from(text)),
  words: WORDS,
  mutate: (bytes, random) => changedText(bytes, random, WORDS),
  async execute(bytes) {
    writeFileSync(file, bytes)
    const settings = await readSpecFile(file, new IdNames())
    for (const path of [...(settings.replaces ?? []), settings.prefix ?? ''])
      assert.not.match(path, /(?:^|\/)\.\.(?:\/|$)|^\//)
  }
}

export const stackTarget: FuzzTarget = {
  name: 'stack',
  seeds: () => [
    Buffer.from(specExample('lock.md', 'stack')),
    Buffer.from('modules: [a/b, c/d-1] # flow\nfor: group:7\n'),
    Buffer.from('# a comment\nmodules:\n  - a/b   # kept\n  - "c/d"\nfor: everyone\n')
  ],
  words: WORDS,
  mutate: (bytes, random) => changedText(bytes, random, WORDS),
  async execute(bytes) {
    const stack = await parseStackText(bytes.toString('utf8'), 'stack.yaml')
    const kept = stack.text.items.map(({ text }) => text)
    const written = stack.text.edited(kept, ['added/module'])
    const again = await parseStackText(written, 'stack.yaml')
    assert.equal(
      again.text.items.map(({ text }) => text),
      [...kept, 'added/module']
    )
    assert.is(again.audience, stack.audience)
  }
}
