import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'

const runner = suite('the runner of tests')

const RUN = fileURLToPath(new URL('../run.js', import.meta.url))

/** A folder of test files, and one for their temporary files. */
function testsOf(bodies: Record<string, string>) {
  const folder = scratch()
  const [tests, temporary] = [join(folder, 'tests'), join(folder, 'tmp')]
  mkdirSync(tests)
  mkdirSync(temporary)
  for (const [name, body] of Object.entries(bodies))
    writeFileSync(
      join(tests, `${name}.test.js`),
      `const { suite } = await import(${JSON.stringify(import.meta.resolve('uvu'))})
       const { mkdtempSync } = await import('node:fs')
       const tests = suite('example')
       ${body}
       tests.run()\n`
    )
  writeFileSync(join(tests, 'package.json'), '{"type":"module"}')
  const env = { PATH: process.env.PATH, TMPDIR: temporary }
  return { env, words: [RUN, '--in', tests], temporary }
}

function run(bodies: Record<string, string>, parts: string[] = [], more: NodeJS.ProcessEnv = {}) {
  const { env, words, temporary } = testsOf(bodies)
  const { status, stdout } = spawnSync(process.execPath, [...words, ...parts], {
    env: { ...env, ...more },
    encoding: 'utf8'
  })
  assert.equal(readdirSync(temporary), [], 'the run leaves nothing behind')
  return { status, lines: stdout.trimEnd().split('\n'), out: stdout }
}

const PASSING = `tests('is kept', () => {})`

runner('says after each file how many of all are done, and ends with one line of counts', () => {
  const { status, lines } = run({ one: PASSING, two: PASSING })
  assert.is(status, 0)
  assert.match(lines[0], /^\[1\/2\] ok {3}(one|two)\.test\.js {2}1 in \d+\.\d s$/)
  assert.match(lines[1], /^\[2\/2\] ok/)
  assert.is(lines.at(-1), '2 passed, 0 failed')
})

runner('leaves long files to the full size, and to those who name them', () => {
  const bodies = { quick: PASSING, 'slow.long': PASSING }
  const { lines } = run(bodies)
  assert.is(lines[0], '1 long file is left to npm run test:all')
  assert.is(lines.at(-1), '1 passed, 0 failed')
  assert.is(run(bodies, ['slow']).lines.at(-1), '1 passed, 0 failed')
  assert.is(run(bodies, [], { STRATA_TEST_ALL: '1' }).lines.at(-1), '2 passed, 0 failed')
})

runner('repeats failures at the end, with the file and what was found', () => {
  const { status, out, lines } = run({
    bad: `${PASSING}\ntests('is broken', () => { throw new Error('five is not four') })`,
    good: PASSING
  })
  assert.is(status, 1)
  const end = out.slice(out.indexOf('What failed, once more:'))
  assert.match(end, /\nbad\.test\.js\n[\s\S]*is broken[\s\S]*five is not four/)
  assert.is(out.split('five is not four').length, 3)
  assert.is(lines.at(-1), '2 passed, 1 failed')
})

runner('counts skipped tests by their reason', () => {
  const skip = (title: string, reason: string) =>
    `\nconsole.log('skipped: ${title}: needs ${reason}'); tests.skip('${title}', () => {})`
  const { status, lines } = run({
    one: PASSING + skip('mounts', 'root') + skip('is read by podman', 'podman'),
    two: skip('gives files away', 'root')
  })
  assert.is(status, 0, lines.join('\n'))
  assert.equal(lines.slice(-3), [
    '2 skipped: needs root',
    '1 skipped: needs podman',
    '1 passed, 0 failed, 3 skipped'
  ])
})

runner(
  'takes a file as failed that leaves something in the temporary folder, or ends before its tests',
  () => {
    const { status, out, lines } = run({
      leaves: `${PASSING}\nmkdtempSync(process.env.TMPDIR + '/rest-')`,
      ends: `${PASSING}\nprocess.exit(0)`
    })
    assert.is(status, 1)
    assert.match(out, /left behind in the temporary folder: rest-/)
    assert.match(out, /it ended before its tests did/)
    assert.is(lines.at(-1), '1 passed, 2 failed')
  }
)

runner('stops its tests and leaves nothing when it is interrupted', async () => {
  const { env, words, temporary } = testsOf({
    slow: `tests('never ends', () => new Promise(() => setInterval(() => {}, 1000)))
           mkdtempSync(process.env.TMPDIR + '/rest-'); console.log('begun')`
  })
  const child = spawn(process.execPath, words, { env, stdio: 'ignore' })
  const isBegun = () => readdirSync(temporary, { recursive: true }).some(name => `${name}`.includes('rest-'))
  while (!isBegun()) await new Promise(resolve => setTimeout(resolve, 20))
  child.kill('SIGINT')
  const [status] = await once(child, 'exit')
  assert.is(status, 1)
  assert.equal(readdirSync(temporary), [])
})

runner.run()
