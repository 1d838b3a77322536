import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { readDefinition } from '../../../compose/definition/definition-text.ts'
import { StrataError } from '../../../store/values/index.ts'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { composeIn, world } from '../capture/capture-world.ts'

/** What no record can hold is refused before anything runs (spec/definitions.md#record). */

const texts = suite('definition: its text')

const written = (bytes: string | Buffer): string => {
  const file = join(scratch(), 'a.def')
  writeFileSync(file, bytes)
  return file
}

function refusalOf(bytes: string | Buffer, values = new Map<string, string>()): StrataError {
  try {
    readDefinition(written(bytes), values)
  } catch (error) {
    if (error instanceof StrataError) return error
    throw error
  }
  throw new Error('was read')
}

const START = 'Bootstrap: scratch\n\n%post\n'

texts('is refused with line and character for a control character, wherever it stands', () => {
  const cases: [string, number, number, string][] = [
    [`${START}  echo "\u001b[1m"\n`, 4, 9, 'U+001B'],
    ['Bootstrap: scratch\u0007\n', 1, 19, 'U+0007'],
    [`${START}\n%labels\n  a 𝒳\u202e\n`, 6, 6, 'U+202E'],
    [`# \u0085\n${START}`, 1, 3, 'U+0085'],
    [`${START}  echo a\0\n`, 4, 9, 'U+0000'],
    ['FROM scratch\nRUN echo \u2028\n', 2, 10, 'U+2028']
  ]
  for (const [text, line, character, name] of cases) {
    const { code, message } = refusalOf(text)
    assert.is(code, 'DEFINITION_INVALID')
    assert.match(message, `, line ${line}: character ${character} of the line is ${name},`)
  }
})

texts('can be mended by what the hint says', () => {
  const file = written(`${START}  echo "\u202ea" \u001b\n`)
  for (let i = 0; i < 2; i++)
    try {
      readDefinition(file, new Map())
      assert.unreachable()
    } catch (error) {
      if (!(error instanceof StrataError)) throw error
      const [, line] = /; (LC_ALL=C sed -i .*) takes it out$/.exec(error.hint!)!
      bash(line)
      const [, script] = /^in a script, \$\((printf '.*')\) stands for it/.exec(error.hint!)!
      assert.is(bash(script).toString(), i === 0 ? '\u202e' : '\u001b')
    }
  assert.is(readDefinition(file, new Map()).text, `${START}  echo "a" \n`)
})

texts('is refused with its line if it is not UTF-8, or longer than a record can hold', () => {
  const latin = refusalOf(
    Buffer.from(`# \ufffd\n${START}  echo caf\u00e9\n`.replace('\ufffd', '?'), 'latin1')
  )
  assert.match(latin.message, /, line 5: it is not text in UTF-8/)
  const long = refusalOf(`${START}${'echo 123456789\n'.repeat(5000)}`)
  assert.match(long.message, /, line 4371: it has 75026 characters with its arguments/)
})

texts('may have line ends of any system, and becomes a record with line feeds', () => {
  const { text, recipe } = readDefinition(written(START.replaceAll('\n', '\r\n')), new Map([['A', '1\r\n2']]))
  assert.is(text, START)
  assert.is(recipe, `# --build-arg A=1\\r\\n2\n${START}`)
})

texts('has values without control characters', () => {
  const { code, message } = refusalOf(START, new Map([['A', 'x\u001b']]))
  assert.is(code, 'USAGE')
  assert.match(message, /^--build-arg A: character 2 of the value is U\+001B/)
})

needing(texts, 'userns')('ends no build that has run', () => {
  const file = join(world().home, 'odd.def')
  writeFileSync(file, `Bootstrap: compose\nFrom: base/host\n\n%post\n  echo has run\n  : \u001b\n`)
  const { status, out, err } = composeIn(world(), ['import', 'app/odd-1', file, '--bind', '/usr'])
  assert.is(status, 52, err)
  assert.not.match(out + err, /^has run/m)
  writeFileSync(file, `Bootstrap: compose\r\nFrom: base/host\r\n\r\n%post\r\n  echo has run\r\n`)
  const built = composeIn(world(), ['import', 'app/odd-1', file, '--bind', '/usr'])
  assert.is(built.status, 0, built.err)
})

texts.run()
