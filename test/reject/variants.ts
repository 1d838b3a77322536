import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type GroupName, groups } from './groups.ts'

/** Each case as whom and under which umask: as root and as somebody without an account, if root runs the tests. */
const isRoot = process.getuid!() === 0
const USER = 1234
const UMASKS = ['022', '077']
const ALL = (isRoot ? [0, USER] : [process.getuid!()]).flatMap((uid, i) =>
  UMASKS.map((umask, j) => ({ uid, umask, isUsual: !isRoot || i === j, title: `uid ${uid}, umask ${umask}` }))
)
/** As root, each user with one umask, which takes half as long; STRATA_REJECT_ALL=1 runs all four. */
const VARIANTS = ALL.filter(({ isUsual }) => isUsual || process.env.STRATA_REJECT_ALL === '1')

interface Outcome {
  id: string
  ran: boolean
  fault?: string
  milliseconds: number
}

function runVariant(group: GroupName, { uid, umask }: (typeof VARIANTS)[number], extent: string) {
  const worker = fileURLToPath(new URL('./worker.js', import.meta.url))
  const child = spawn(process.execPath, [worker, umask, group, extent], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, HOME: '/nonexistent', COMPOSE_STORE: '/nonexistent' },
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
    VARIANTS.map((variant, i) => runVariant(group, variant, i === 0 ? 'all' : 'quick'))
  )
  for (const { area, cases } of groups[group]) {
    const tests = suite(`hostile input: ${area}`)
    for (const { name, expect, reference } of cases)
      tests(`${name}${reference === undefined ? '' : ` (${reference})`}: ${expect}`, () => {
        const outcomes = runs.map(run => run.get(`${area}: ${name}`))
        assert.ok(outcomes.some(outcome => outcome?.ran) || !isRoot, 'it ran')
        outcomes.forEach((outcome, i) => {
          assert.is(outcome?.fault, undefined, `${VARIANTS[i].title}: ${outcome?.fault}`)
        })
      })
    tests.run()
  }
}
