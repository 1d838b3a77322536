/** SIGINT, SIGTERM or SIGHUP before a change of a command, and what has to hold afterwards: nothing is left half done. */
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { EXIT_STATUS } from '../../store/values/errors.ts'
import type { CrashCase } from './cases.ts'
import type { KillPlan } from './kill.ts'
import { watched } from './watched.ts'
import { assertSound, copyOf, drop, isSame, snapshot } from './world.ts'

export const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** @returns whether the signal ended the command: it looks at times, and may be done before */
export async function stopOnce(
  { subject, finished }: KillPlan,
  stopAt: number,
  signal: (typeof SIGNALS)[number]
): Promise<boolean> {
  const world = copyOf(subject.template)
  const temporary = join(world, 'temporary')
  mkdirSync(temporary)
  const before = snapshot(world)
  const stopped = await watched(world, subject.args, { stopAt, signal, environment: { TMPDIR: temporary } })
  const when = `${subject.name}: ${signal} at change ${stopAt} of ${stopped.changes.length}: ${stopped.err}`
  if (stopped.signal === null) assert.is(stopped.status, 0, when)
  else {
    assert.is(stopped.signal, signal, when)
    assert.match(stopped.err, `code: `, when)
    assert.match(stopped.err, `${signal}, exit ${EXIT_STATUS[signal]}`, when)
    assert.not.match(stopped.err, 'not removed', when)
  }
  assert.equal(readdirSync(temporary), [], when)
  assert.equal(unnamed(world), [], when)
  if (!before.has('store'))
    assert.is(existsSync(join(world, 'store')), existsSync(join(world, 'store/store.json')), when)
  assertNothingNew(subject, before, snapshot(world), finished, when)
  await assertSound(subject, world, finished, when)
  drop(world)
  return stopped.signal !== null
}

const unnamed = (world: string): string[] => {
  const inTmp = readdirSync(world).includes('store') ? readdirSync(join(world, 'store')) : []
  const left = inTmp.includes('tmp') ? readdirSync(join(world, 'store/tmp')) : []
  return [...left, ...[...snapshot(world).keys()].filter(path => path.includes('.compose-'))]
}

/** Outside of the store: as before, or as when nothing stops it; nothing between, and nothing beside. */
function assertNothingNew(
  { outputs }: CrashCase,
  before: ReturnType<typeof snapshot>,
  now: ReturnType<typeof snapshot>,
  finished: ReturnType<typeof snapshot>,
  when: string
): void {
  const outside = (tree: typeof now) =>
    new Map([...tree].filter(([path]) => !/^store(\/|$)/.test(path) && path !== 'temporary'))
  for (const output of outputs) {
    const of = (tree: typeof now) =>
      new Map([...outside(tree)].filter(([path]) => path === output || path.startsWith(`${output}/`)))
    const isOld = isSame(of(now), of(before))
    assert.ok(isOld || isSame(of(now), of(finished)), `${when}: ${output} is neither old nor new`)
  }
  const strangers = [...outside(now).keys()].filter(path => !before.has(path) && !finished.has(path))
  assert.equal(strangers, [], when)
}

/** At these changes, each signal in turn. @returns how many ended the command */
export async function stopAll(plan: KillPlan, points: number[]): Promise<number> {
  let ended = 0
  for (const [i, point] of points.entries())
    if (await stopOnce(plan, point, SIGNALS[i % SIGNALS.length])) ended++
  return ended
}
