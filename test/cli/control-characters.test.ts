/** What strangers wrote into records, images and names controls no terminal, whichever report it stands in. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { compose, composed } from '../helpers/warm-compose.ts'

const tests = suite('cli: control characters')

/** Colours, a C1 control, an override of direction, a separator of lines, DEL. */
const HOSTILE = 'a\x1b[31mb\u009b32mc\u202ed\u2028e\x7ff'
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/

function world() {
  const folder = scratch()
  const at = (name: string) => join(folder, name)
  const store = at('store')
  composed(store, ['init', '--level', '1'])
  mkdirSync(at('tree'))
  writeFileSync(at('tree/file'), HOSTILE)
  composed(store, ['import', 'app/tool-1', at('tree'), '--set', `TOOL=${HOSTILE}`])
  composed(store, ['build', at('x.sqfs'), 'app/tool'])
  return { at, store }
}

tests('no report prints them, and documents give back the same text', () => {
  const { at, store } = world()
  for (const words of [
    ['show', 'app/tool'],
    ['inspect', at('x.sqfs')],
    ['avail', '--long'],
    ['diff', at('x.sqfs'), at('x.sqfs')],
    ['show', `app/${HOSTILE}`],
    [`--${HOSTILE}`],
    [HOSTILE]
  ])
    for (const more of [[], ['--json']]) {
      const { out, err } = compose(store, [...words, ...more])
      assert.not.match(out, CONTROLS, words.join(' '))
      assert.not.match(err, CONTROLS, words.join(' '))
      assert.ok(out.length + err.length > 0)
    }
  const { environment } = composed(store, ['show', 'app/tool'])
  assert.is(environment[0].value, HOSTILE)
  assert.match(compose(store, ['show', 'app/tool']).out, 'a\\033[31mb\\u009b32mc\\u202ed\\u2028e\\177f')
})

tests('the bytes of a file are those of the file', () => {
  const { at, store } = world()
  assert.is(compose(store, ['cat', at('x.sqfs'), 'file']).out, HOSTILE)
})

tests.run()
