import * as assert from 'uvu/assert'
import { fileLines } from '../../../compose/definition/file-lines.ts'
import {
  joinedSection,
  looksLikeDefinition,
  parseDefinition,
  type Stage
} from '../../../compose/definition/parse-definition.ts'
import { StageValues } from '../../../compose/definition/stage-values.ts'
import type { StrataError } from '../../../store/values/errors.ts'
import { suite } from '../../helpers/suite.ts'

/** The grammar of Apptainer's definition files, with its oddities (spec/definitions.md#grammar). */
const grammar = suite('definition: grammar')

const one = (text: string): Stage => {
  const stages = parseDefinition(text, 'x.def')
  assert.is(stages.length, 1)
  return stages[0]
}

const body = (stage: Stage, name: string) => joinedSection(stage, name)?.body.map(({ text }) => text)

const refused = (text: string): string => {
  try {
    parseDefinition(text, 'x.def')
  } catch (error) {
    assert.is((error as StrataError).code, 'DEFINITION_INVALID')
    return (error as Error).message
  }
  return 'accepted'
}

grammar('keys have any case, comments, continuations, and the last one counts', () => {
  const { header } = one(
    '# top\n\nBootStrap: docker # why\nFrom: one\nfrom: ubuntu:\\\n  24.04\nMirrorURL: http://x/\n%post\n true\n'
  )
  const values = Object.fromEntries([...header].map(([key, { value }]) => [key, value]))
  assert.equal(values, { bootstrap: 'docker', from: 'ubuntu:24.04', mirrorurl: 'http://x/' })
})

grammar('sections of one name are joined, and the argument of the last one counts', () => {
  const stage = one('Bootstrap: scratch\n%post -x\na\n%labels\nA b\n  %POST -e # not more\nb\n%runscript\n')
  assert.equal(body(stage, 'post'), ['a', 'b'])
  assert.is(joinedSection(stage, 'post')?.argument, '-e')
  assert.is(joinedSection(stage, 'post')?.line, 2)
  assert.equal(body(stage, 'runscript'), [''])
})

grammar('stages begin with their header, and %files sections stay apart', () => {
  const stages = parseDefinition(
    'bootstrap: scratch\nstage: a\n%files\nx\n%files from b\ny\nBOOTSTRAP: scratch\nStage: b\n%post\n',
    'x.def'
  )
  assert.equal(
    stages.map(({ name }) => name),
    ['a', 'b']
  )
  assert.equal(
    stages[0].sections.map(({ name, argument }) => [name, argument]),
    [
      ['files', ''],
      ['files', 'from b']
    ]
  )
})

grammar('errors name file and line', () => {
  for (const [text, message] of [
    ['', /x\.def, line 1: it is empty/],
    ['From: x\n', /line 1: the header has no Bootstrap/],
    ['Bootstrap: x\nColour: red\n', /line 2: the key Colour is unknown/],
    ['Bootstrap: x\nred\n', /line 2: "red" is not of the form/],
    ['Bootstrap: x\n%post\n%psot\n', /line 3: %psot is not a section/],
    ['Bootstrap: x\n%apprun\ntrue\n', /line 2: %apprun names no application/],
    ['Bootstrap: x\nStage: a\n%post\nBootstrap: x\nStage: a\n', /line 5: two stages have the name a/],
    ['Bootstrap: x\n%post\ncat <<EOF\n%x\nEOF\n', /line 4: "%x" in the here-document of line 3/],
    ["Bootstrap: x\n%post\ncat <<-'EOF'\n\tBootstrap\nBootstrap: y\n\tEOF\n", /line 5: "Bootstrap: y" in the/]
  ] as const)
    assert.match(refused(text), message)
  assert.is(refused('Bootstrap: x\n%post\ncat <<EOF\n 100%\nEOF\n%test\n'), 'accepted')
  assert.is(refused('Bootstrap: x\n%post\necho $((1<<2))\n%test\n'), 'accepted')
})

grammar('is told from other texts', () => {
  assert.ok(looksLikeDefinition('# c\n\n  BootStrap : docker\n'))
  for (const text of ['', '{"format": 1}', 'baguqeera\n', 'FROM x\n']) assert.not(looksLikeDefinition(text))
})

grammar.run()

const values = suite('definition: variables')

const stageValues = (text: string, given: Record<string, string> = {}) => {
  const stage = one(`Bootstrap: scratch\n%arguments\n${text}\n`)
  return new StageValues(stage, new Map(Object.entries(given)), 'x.def')
}

values('come from the command line, else from %arguments, and may name others', () => {
  const found = stageValues('A=1\n# no\nB="{{ A }}x"\nC=', { A: '2' })
  assert.is(found.fill('{{A}} {{ B }} [{{ C }}] $A {{', 1), '2 "2x" [] $A {{')
  assert.equal([...found.used].sort(), ['A', 'B', 'C'])
})

values('without a value are an error, except in comments', () => {
  const found = stageValues('A=1')
  const lines = [{ text: '  # {{ X }}', line: 7 }]
  assert.equal(found.fillLines(lines), lines)
  assert.throws(() => found.fill('{{ X }}', 9), /x\.def, line 9: \{\{ X \}\} has no value/)
})

values('and quotes separate the words of %files', () => {
  const found = stageValues('A=b c')
  const lines = ['a', 'a /b', '"a b" \'c d\'/', '{{ A }} /x', 'a\\ b', '  # no', ''].map((text, i) => ({
    text,
    line: i
  }))
  assert.equal(
    fileLines({ body: lines }, found, 'x.def').map(({ source, target }) => [source, target]),
    [
      ['a', 'a'],
      ['a', '/b'],
      ['a b', 'c d/'],
      ['b c', '/x'],
      ['a b', 'a b']
    ]
  )
  assert.throws(() => fileLines({ body: [{ text: 'a b c', line: 3 }] }, found, 'x.def'), /line 3: 3 words/)
})

values.run()
