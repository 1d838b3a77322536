import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { composeEnvironment, environmentChanges } from '../../../compose/runtime-files/environment-changes.ts'
import {
  charliecloudLosses,
  formatApptainerEnvironment,
  formatCharliecloudEnvironment,
  formatProfileScript
} from '../../../compose/runtime-files/environment-files.ts'
import type { EnvironmentOperation } from '../../../store/module/environment.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { DOLLARS, randomOperations, TRICKY } from './tricky-values.ts'

const folder = scratch()

/** A module for each operation. */
const modules = (operations: EnvironmentOperation[]) =>
  operations.map(operation => ({ environment: [operation] }))

/** The variables of ours that a program sees when `shell` has sourced the script so many times. */
function sourced(shell: string, script: string, inherited: Record<string, string>, times = 1) {
  const file = join(folder, 'script.sh')
  writeFileSync(file, script)
  const program = `set -u; ${`. "${file}"; `.repeat(times)} exec env -0`
  return tricky(
    execFileSync(shell, ['-c', program], {
      env: { PATH: process.env.PATH, ...inherited },
      stdio: ['ignore', 'pipe', 'inherit']
    })
  )
}

const tricky = (env0: Buffer): Record<string, string> =>
  Object.fromEntries(
    env0
      .toString()
      .split('\0')
      .filter(line => line.startsWith('TRICKY_'))
      .map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])
      .sort()
  )

const INHERITED: Record<string, string>[] = [
  {},
  { TRICKY_A: '', TRICKY_B: 'b' },
  { TRICKY_A: "in he'rited", TRICKY_C: '/c:/c' }
]
const sorted = (from: Record<string, string>) => Object.fromEntries(Object.entries(from).sort())

const composed = suite('generated: composed environment')

composed('puts a later module’s prepend in front, a later append behind, with : only between', () => {
  const records = modules([
    { operation: 'prepend', name: 'PATH', value: '/opt/gcc/bin' },
    { operation: 'append', name: 'PATH', value: '/opt/gcc/late' },
    { operation: 'prepend', name: 'PATH', value: '/opt/mpi/bin' }
  ])
  assert.equal(composeEnvironment(records, { PATH: '/bin', HOME: '/' }), {
    PATH: '/opt/mpi/bin:/opt/gcc/bin:/bin:/opt/gcc/late',
    HOME: '/'
  })
  assert.is(composeEnvironment(records, {}).PATH, '/opt/mpi/bin:/opt/gcc/bin:/opt/gcc/late')
  assert.is(composeEnvironment(records, { PATH: '' }).PATH, '/opt/mpi/bin:/opt/gcc/bin:/opt/gcc/late')
})

composed('a set or an unset forgets what lower modules and the user had', () => {
  const records = modules([
    { operation: 'prepend', name: 'A', value: 'lost' },
    { operation: 'set', name: 'A', value: 'set' },
    { operation: 'append', name: 'A', value: 'more' },
    { operation: 'set', name: 'B', value: 'lost' },
    { operation: 'unset', name: 'B' },
    { operation: 'unset', name: 'C' },
    { operation: 'prepend', name: 'C', value: 'only' },
    { operation: 'set', name: 'D', value: '' },
    { operation: 'append', name: 'D', value: 'only' }
  ])
  const base = { A: 'user', B: 'user', C: 'user', D: 'user' }
  assert.equal(composeEnvironment(records, base), { A: 'set:more', C: 'only', D: 'only' })
  assert.equal(base, { A: 'user', B: 'user', C: 'user', D: 'user' }, 'the base is left alone')
})

const scripts = suite('generated: environment scripts')

for (const shell of ['dash', 'bash']) {
  for (const [title, format] of [
    ['90-environment.sh', formatApptainerEnvironment],
    ['profile script', formatProfileScript]
  ] as const) {
    scripts(`${title}: ${shell} sets every tricky value literally`, () => {
      const values = [...TRICKY, ...DOLLARS]
      const operations = values.map((value, i) => ({ operation: 'set' as const, name: `TRICKY_${i}`, value }))
      const expected = sorted(Object.fromEntries(operations.map(({ name, value }) => [name, value])))
      assert.equal(sourced(shell, format(environmentChanges(modules(operations))), {}), expected)
    })

    scripts(`${title}: ${shell} does what composeEnvironment says, over 25 random stacks`, () => {
      for (let seed = 0; seed < 25; seed++) {
        const records = modules(randomOperations(seed, [...TRICKY, ...DOLLARS]))
        const inherited = INHERITED[seed % INHERITED.length]
        const script = format(environmentChanges(records))
        // A profile script leaves a value alone that begins and ends as wanted; the inherited ones do not.
        assert.equal(
          sourced(shell, script, inherited),
          sorted(composeEnvironment(records, inherited)),
          `seed ${seed}: ${script}`
        )
      }
    })
  }

  scripts(`profile script: ${shell} adds no path twice when it is sourced twice`, () => {
    for (let seed = 0; seed < 10; seed++) {
      const records = modules(randomOperations(seed, [...TRICKY, ...DOLLARS]))
      const script = formatProfileScript(environmentChanges(records))
      const inherited = INHERITED[seed % INHERITED.length]
      assert.equal(sourced(shell, script, inherited, 2), sourced(shell, script, inherited), script)
    }
  })
}

scripts('under Apptainer an unset variable is set to nothing, which Apptainer turns into unset', () => {
  const script = formatApptainerEnvironment(
    environmentChanges(modules([{ operation: 'unset', name: 'TRICKY_A' }]))
  )
  const inherited = { TRICKY_A: 'x', APPTAINER_CONTAINER: '/image.sqfs' }
  assert.equal(sourced('dash', script, inherited), { TRICKY_A: '' })
  assert.equal(sourced('dash', script, { TRICKY_A: 'x' }), {})
})

const charliecloud = suite('generated: /ch/environment')

charliecloud('leaves out values that ch-run would expand, and says so', () => {
  const changes = environmentChanges(
    modules([
      ...DOLLARS.map((value, i) => ({ operation: 'set' as const, name: `D${i}`, value })),
      { operation: 'set', name: 'GOOD', value: 'a$b:$' },
      { operation: 'unset', name: 'GONE' }
    ])
  )
  assert.is(formatCharliecloudEnvironment(changes), 'GOOD=a$b:$\nGONE=\n')
  assert.equal(
    charliecloudLosses(changes).map(({ name }) => name),
    ['D0', 'D1', 'D2', 'D3', 'D4', 'GONE']
  )
})

composed.run()
scripts.run()
charliecloud.run()
