import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { atCheckSize } from '../helpers/needs.ts'
import { scratch } from '../helpers/scratch.ts'
import type { Size } from '../helpers/size.ts'
import { suite } from '../helpers/suite.ts'
import { startedProcesses } from './processes.ts'

const runner = suite('the runner of tests')
const long = atCheckSize(runner)

const RUN = fileURLToPath(new URL('../run.js', import.meta.url))
const [SIZE_MODULE, SUITE_MODULE] = ['size', 'suite'].map(
  name => new URL(`../helpers/${name}.js`, import.meta.url).href
)

/** A folder of test files, and one for their temporary files. */
function testsOf(bodies: Record<string, string>) {
  const folder = scratch()
  const [tests, temporary] = [join(folder, 'tests'), join(folder, 'tmp')]
  mkdirSync(tests)
  mkdirSync(temporary)
  for (const [name, body] of Object.entries(bodies))
    writeFileSync(
      join(tests, `${name}.test.js`),
      `const { suite } = await import(${JSON.stringify(SUITE_MODULE)})
       const { mkdtempSync } = await import('node:fs')
       const tests = suite('example')
       ${body}
       tests.run()\n`
    )
  writeFileSync(join(tests, 'package.json'), '{"type":"module"}')
  const env = { PATH: process.env.PATH, TMPDIR: temporary, XDG_CACHE_HOME: join(folder, 'cache') }
  return { env, words: [RUN, '--in', tests], temporary }
}

type Tests = ReturnType<typeof testsOf>

function runAgain({ env, words, temporary }: Tests, more: string[] = [], size: Size = 'quick') {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...words, ...more], {
    env: { ...env, STRATA_TEST_SIZE: size },
    encoding: 'utf8'
  })
  assert.is(stderr, '')
  assert.equal(readdirSync(temporary), [], 'the run leaves nothing behind')
  return { status, lines: stdout.trimEnd().split('\n'), out: stdout }
}

const run = (bodies: Record<string, string>, more: string[] = [], size: Size = 'quick') =>
  runAgain(testsOf(bodies), more, size)

/** Names of files in the order in which they ended. */
const orderOf = (lines: string[]): string[] =>
  lines.flatMap(line => /^\[\d+\/\d+\] (?:ok {2}|FAIL) (\S+)\.test\.js /.exec(line)?.[1] ?? [])

const PASSING = `tests('is kept', () => {})`

const taking = (seconds: number): string =>
  `tests('takes a while', () => new Promise(resolve => setTimeout(resolve, ${seconds * 1000})))`

/** A test that fails in every second run, by a file beside the tests. */
const EVERY_SECOND = `
  const { existsSync, rmSync, writeFileSync } = await import('node:fs')
  tests('holds', () => {
    const mark = new URL(import.meta.url + '.mark')
    if (existsSync(mark)) return rmSync(mark)
    writeFileSync(mark, '')
    throw new Error('not yet')
  })`

runner('says after each file how many of all are done, and ends with one line of counts', () => {
  const { status, lines } = run({ one: PASSING, two: PASSING })
  assert.is(status, 0)
  assert.match(lines[0], /^\[1\/2\] ok {3}(one|two)\.test\.js {2}1 in \d+\.\d s$/)
  assert.match(lines[1], /^\[2\/2\] ok/)
  assert.is(lines.at(-1), '2 passed, 0 failed')
})

long('leaves long files to larger sizes and to those who name them, and counts what it leaves', () => {
  const cases = `const { someOf } = await import(${JSON.stringify(SIZE_MODULE)})
    for (const n of someOf([1, 2, 3, 4, 5], 2)) tests('case ' + n, () => {})`
  const tests = testsOf({ quick: cases, 'slow.long': PASSING, 'slower.longest': PASSING })
  assert.equal(runAgain(tests).lines.slice(-2), [
    'left to npm run test:all: 2 long files and 3 cases',
    '2 passed, 0 failed'
  ])
  assert.equal(runAgain(tests, [], 'check').lines.slice(-2), [
    'left to npm run test:all: 1 long file and 3 cases',
    '3 passed, 0 failed'
  ])
  const { lines, out } = runAgain(tests, [], 'all')
  assert.is(lines.at(-1), '7 passed, 0 failed')
  assert.not.match(out, 'left to')
  assert.is(runAgain(tests, ['slower']).lines.at(-1), '1 passed, 0 failed')
})

long('begins with what failed last time, then with the slowest', () => {
  const tests = testsOf({ a: PASSING, b: taking(1), c: EVERY_SECOND })
  const alone = ['--lanes', '1']
  runAgain(tests, alone)
  assert.equal(orderOf(runAgain(tests, alone).lines).slice(0, 3), ['c', 'b', 'a'])
})

runner('calls a file flaky that fails and then passes, and stays green', () => {
  const { status, lines } = run({ a: EVERY_SECOND, b: PASSING })
  assert.is(status, 0)
  assert.equal(lines.slice(-2), [
    'flaky: a.test.js passed only the second time; before: "holds"',
    '2 passed, 0 failed'
  ])
})

atCheckSize(runner)('forgives three flaky files, and not four', () => {
  const three = { a: EVERY_SECOND, b: EVERY_SECOND, c: EVERY_SECOND }
  assert.is(run(three).status, 0)
  const { status, out, lines } = run({ ...three, d: EVERY_SECOND })
  assert.is(status, 1)
  assert.match(out, '4 flaky files, and at most 3 are forgiven')
  assert.is(lines.at(-1), '0 passed, 4 failed')
})

runner('ends a file at its limit, with all that it started, and names the test that it was in', () => {
  const { status, out, lines } = run(
    {
      hangs: `tests('comes first', () => {})
        const { spawn } = await import('node:child_process')
        tests('never ends', () => new Promise(() => {
          spawn('setsid', ['sh', '-c', 'sleep 98765 & sleep 98766 & wait'], { detached: true, stdio: 'inherit' })
          setInterval(() => {}, 1000)
        }))`
    },
    ['--at-most', '2']
  )
  assert.is(status, 1)
  assert.match(out, 'it was ended after 2 s, in example "never ends"')
  assert.is(lines.at(-1), '0 passed, 1 failed')
  assert.is(spawnSync('pgrep', ['-f', 'sleep 9876[56]']).status, 1, 'no process is left')
})

atCheckSize(runner)('takes a file as failed that leaves a process running, and ends the process', () => {
  const { status, out } = run({
    leaves: `${PASSING}
      const { spawn } = await import('node:child_process')
      spawn('sleep', ['98767'], { detached: true, stdio: 'ignore' }).unref()`
  })
  assert.is(status, 1)
  assert.match(out, /left running: \d+ sleep 98767/)
  assert.is(spawnSync('pgrep', ['-f', 'sleep 98767']).status, 1)
})

runner('leaves the processes of another file alone, whose folder has a longer number', () => {
  const folder = scratch()
  const child = spawn('sleep', ['98768'], { env: { ...process.env, TMPDIR: join(folder, '12') } })
  try {
    assert.equal(startedProcesses(join(folder, '1')), [])
    assert.equal(startedProcesses(join(folder, '12')), [child.pid])
    assert.equal(startedProcesses(folder), [child.pid])
  } finally {
    child.kill()
  }
})

long('fails, and names what did not run, when its minutes are over', () => {
  const { status, out, lines } = run({ a: taking(60), b: PASSING }, ['--lanes', '1', '--within', '0.05'])
  assert.is(status, 1)
  assert.match(out, /it was ended after \d+ s, in example "takes a while"/)
  assert.match(out, 'b.test.js\nit did not run: the minutes of the run were over')
  assert.is(lines.at(-1), '0 passed, 2 failed')
})

runner('refuses a size that it does not know', () => {
  const { status, stderr } = spawnSync(process.execPath, [RUN], {
    env: { PATH: process.env.PATH, STRATA_TEST_SIZE: 'full' },
    encoding: 'utf8'
  })
  assert.is(status, 1)
  assert.match(stderr, 'STRATA_TEST_SIZE is full, wanted one of quick, check, all')
})

long('repeats failures at the end, with the file and what was found', () => {
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

long('takes a file as failed that leaves something in the temporary folder, or ends before its tests', () => {
  const { status, out, lines } = run({
    leaves: `${PASSING}\nmkdtempSync(process.env.TMPDIR + '/rest-')`,
    ends: `${PASSING}\nprocess.exit(0)`
  })
  assert.is(status, 1)
  assert.match(out, /left behind in the temporary folder: rest-/)
  assert.match(out, /it ended before its tests did/)
  assert.is(lines.at(-1), '1 passed, 2 failed')
})

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
