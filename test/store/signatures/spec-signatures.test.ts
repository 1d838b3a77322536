/** The examples of spec/signatures.md, and that spec/policy.schema.json and the reader of policies agree. */
import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import * as assert from 'uvu/assert'
import { parse } from 'yaml'
import { countPairs } from '../../../store/policy/count-pairs.ts'
import { parsePolicy } from '../../../store/policy/policy-text.ts'
import { matchesPattern, matchesPatternList } from '../../../store/signatures/pattern-list.ts'
import { specExample } from '../../helpers/spec-example.ts'
import { suite } from '../../helpers/suite.ts'

const spec = suite('spec/signatures.md')

const schema = JSON.parse(
  readFileSync(new URL('../../../../spec/policy.schema.json', import.meta.url), 'utf8')
)
const isAllowed = new Ajv2020({ strict: true, strictRequired: false, allowUnionTypes: true }).compile(schema)

const isRead = async (text: string): Promise<boolean> => {
  try {
    await parsePolicy(Buffer.from(text), 'policy.yaml')
    return true
  } catch {
    return false
  }
}

spec('its policy is read', async () => {
  const policy = await parsePolicy(Buffer.from(specExample('signatures.md', 'policy')), 'policy.yaml')
  assert.equal(
    policy.rules.map(({ line, atLeast, signedBy }) => [line, atLeast, signedBy]),
    [
      [6, 1, ['licensing@hpc.example']],
      [8, 2, ['*@hpc.example']],
      [11, 1, undefined]
    ]
  )
  assert.ok(isAllowed(parse(specExample('signatures.md', 'policy'))))
})

/** The schema cannot say that the last rule is for all, nor that a rule which asks needs signers. */
const TEXTS = [
  'version: 1\nrules: [{modules: "*", signed-by: anyone}]',
  'version: 1\nrules: [{modules: ["*"], signed-by: anyone}]\nwhen: [run]\ntouch: optional',
  'version: 1\nsigners: s\nrules: [{modules: "*", signed-by: [a, b], at-least: 2}]',
  'version: 1',
  'version: "1"\nrules: [{modules: "*", signed-by: anyone}]',
  'version: 1\nrules: []',
  'version: 1\nrules: [{modules: "*"}]',
  'version: 1\nrules: [{modules: [], signed-by: anyone}]',
  'version: 1\nrules: [{modules: "a b", signed-by: anyone}]',
  'version: 1\nrules: [{modules: "*", signed-by: anyone, more: 1}]',
  'version: 1\nsigners: s\nrules: [{modules: "*", signed-by: "a,b"}]',
  'version: 1\nsigners: s\nrules: [{modules: "*", signed-by: "!a"}]',
  'version: 1\nsigners: s\nrules: [{modules: "*", signed-by: a, at-least: 0}]',
  'version: 1\nsigners: s\nrules: [{modules: "*", signed-by: a, at-least: 1.5}]',
  'version: 1\nsigners: ""\nrules: [{modules: "*", signed-by: anyone}]',
  'version: 1\nwithdrawn: [x]\nrules: [{modules: "*", signed-by: anyone}]',
  'version: 1\nwhen: []\nrules: [{modules: "*", signed-by: anyone}]',
  'version: 1\nwhen: [pull]\nrules: [{modules: "*", signed-by: anyone}]',
  'version: 1\nrecheck: true\nrules: [{modules: "*", signed-by: anyone}]',
  'version: 1\nwhen: [never]\nrules: [{modules: "*", signed-by: anyone}]',
  'version: 1\ntouch: never\nrules: [{modules: "*", signed-by: anyone}]',
  '[]',
  'text'
]

spec('the schema allows the policies that are read', async () => {
  for (const text of TEXTS) assert.is(isAllowed(parse(text)), await isRead(text), text)
})

spec('keys and people are paired so that as many as possible count', () => {
  assert.is(countPairs([]), 0)
  assert.is(countPairs([['a'], ['a']]), 1)
  assert.is(countPairs([['a', 'b'], ['a']]), 2)
  assert.is(countPairs([['a', 'b'], ['a'], ['b']]), 2)
  assert.is(countPairs([['a', 'b'], ['b', 'c'], ['a']]), 3)
  assert.is(countPairs([[], ['a']]), 1)
})

spec('patterns match as those of OpenSSH, and no pattern takes long', () => {
  assert.ok(matchesPattern('app/vasp-6.4', 'app/vasp*'))
  assert.ok(matchesPattern('', '*'))
  assert.not(matchesPattern('', '?'))
  assert.ok(matchesPattern('abcabd', '*abd'))
  assert.not(matchesPattern('a'.repeat(5000), `${'*a'.repeat(500)}b`))
  assert.ok(matchesPatternList('a', 'b,a'))
  assert.not(matchesPatternList('a', '*,!a'))
  assert.not(matchesPatternList('a', '!b'))
})

spec.run()
