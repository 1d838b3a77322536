import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { needing } from '../helpers/needs.ts'
import { bySize, SIZE } from '../helpers/size.ts'
import { suite } from '../helpers/suite.ts'
import { areasOf, type GroupName } from './groups.ts'
import type { Extent } from './room.ts'

/**
 * Each case as root and as somebody without an account, where root runs the tests, and under two umasks. The first two
 * of them differ in both; STRATA_REJECT_ALL=1 runs all four.
 */
const isRoot = process.getuid!() === 0
const USER = 1234
const USUAL = isRoot
  ? [
      { uid: 0, umask: '022' },
      { uid: USER, umask: '077' }
    ]
  : ['022', '077'].map(umask => ({ uid: process.getuid!(), umask }))
const OTHERS = isRoot
  ? [
      { uid: 0, umask: '077' },
      { uid: USER, umask: '022' }
    ]
  : []
const VARIANTS =
  process.env.STRATA_REJECT_ALL === '1' ? [...USUAL, ...OTHERS] : USUAL.slice(0, bySize(isRoot ? 2 : 1, 2))

interface Outcome {
  id: string
  ran: boolean
  fault?: string
  milliseconds: number
}

function runVariant(group: GroupName, { uid, umask }: (typeof VARIANTS)[number], extent: Extent) {
  const worker = fileURLToPath(new URL('./worker.js', import.meta.url))
  const child = spawn(process.execPath, [worker, umask, group, extent], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      HOME: '/nonexistent',
      COMPOSE_STORE: '/nonexistent',
      STRATA_TEST_SIZE: SIZE
    },
    ...(isRoot && { uid, gid: uid })
  })
  let [out, err] = ['', '']
  child.stdout.on('data', data => {
    out += data
  })
  child.stderr.on('data', data => {
    err += data
  })
  return new Promise<Map<string, Outcome>>((resolve, reject) =>
    child.on('close', (code, signal) => {
      if (code !== 0)
        reject(new Error(`${group} as ${uid}: ended with ${code ?? signal}: ${err}${out.slice(-500)}`))
      const outcomes = out
        .split('\n')
        .filter(Boolean)
        .map((line): Outcome => JSON.parse(line))
      resolve(new Map(outcomes.map(outcome => [outcome.id, outcome])))
    })
  )
}

/** One test for each case of a group: in every variant what must happen happens. */
export async function testGroup(group: GroupName): Promise<void> {
  const runs = await Promise.all(
    VARIANTS.map((variant, i) => runVariant(group, variant, i === 0 ? bySize('most', 'all') : 'quick'))
  )
  for (const { area, cases } of areasOf(group)) {
    const tests = suite(`hostile input: ${area}`)
    for (const { name, expect, reference, program } of cases) {
      const title = `${name}${reference === undefined ? '' : ` (${reference})`}: ${expect}`
      needing(tests, ...(program === undefined ? [] : [program]))(title, () => {
        const outcomes = runs.map(run => run.get(`${area}: ${name}`))
        assert.ok(outcomes.some(outcome => outcome?.ran) || !isRoot, 'it ran')
        outcomes.forEach((outcome, i) => {
          const { uid, umask } = VARIANTS[i]
          assert.is(outcome?.fault, undefined, `uid ${uid}, umask ${umask}: ${outcome?.fault}`)
        })
      })
    }
    tests.run()
  }
}
