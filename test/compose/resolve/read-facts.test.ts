import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseFacts } from '../../../compose/resolve/read-facts.ts'
import { decodeRecord } from '../../../store/module/record.ts'
import { specExample } from '../../helpers/spec-example.ts'

const facts = suite('facts of a record')

const example = (): string => specExample('module.md', 'record').trim()

facts('are those that the strict decoder reads', () => {
  const text = example().replace(
    '"format":1',
    '"accessGroups":[{"gid":7,"name":"chem"}],"conflicts":["app/x < 2"],"deprecated":{"date":"2026-01-01","text":"old"},"format":1'
  )
  const fields = ['accessGroups', 'conflicts', 'deprecated', 'format'].map(name => `"${name}"`)
  assert.ok(fields.every(field => text.includes(field)))
  // The decoder wants keys in byte order.
  const sorted = JSON.stringify(JSON.parse(text), null, 0)
  const ordered = JSON.stringify(
    Object.fromEntries(Object.entries(JSON.parse(sorted)).sort(([a], [b]) => (a < b ? -1 : 1)))
  )
  const strict = decodeRecord(Buffer.from(ordered), 'test')
  const ours = parseFacts(Buffer.from(ordered))!
  for (const field of [
    'kind',
    'requires',
    'conflicts',
    'family',
    'hidden',
    'deprecated',
    'accessGroups'
  ] as const)
    assert.equal(ours[field], strict[field], field)
  assert.equal(ours.layers.map(String), strict.layers.map(String))
})

const ODD: Record<string, Record<string, unknown>> = {
  'another type': { strata: 'layer' },
  'a later format': { format: 2 },
  'an unknown kind': { kind: 'else' },
  'no layers': { layers: [] },
  'a layer that is no link': { layers: ['baguqeera'] },
  'a requirement that is none': { requires: ['lib/ucx >= '] },
  'a requirement that is no text': { requires: [7] },
  'a family with spaces': { family: 'a b' },
  'hidden: false': { hidden: false },
  'a notice that redraws the terminal': { deprecated: { date: '2026-01-01', text: '\x1b[2J' } },
  'a group that is a number': { accessGroups: [{ gid: '7' }] },
  'a group of more': { accessGroups: [{ name: 'g', more: 1 }] }
}

for (const [what, change] of Object.entries(ODD))
  facts(`are left to the decoder for ${what}`, () => {
    assert.ok(parseFacts(Buffer.from(example())))
    assert.is(parseFacts(Buffer.from(JSON.stringify({ ...JSON.parse(example()), ...change }))), undefined)
  })

facts('are left to the decoder where there is no JSON, or no UTF-8', () => {
  assert.is(parseFacts(Buffer.from('{"strata":"module"')), undefined)
  assert.is(parseFacts(Buffer.from(example().replace('Message', 'M\xff'), 'latin1')), undefined)
})

facts.run()
