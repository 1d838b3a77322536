/** kill -9 at a change of a command, and what has to hold afterwards. */
import * as assert from 'uvu/assert'
import { type Random, randomOf } from '../compose/helpers/random-layer.ts'
import type { CrashCase } from './cases.ts'
import { type Watch, watched } from './watched.ts'
import { assertSound, copyOf, drop, isSame, type Snapshot, sameWorld, snapshot } from './world.ts'

export interface KillPlan {
  subject: CrashCase
  /** The world after an undisturbed run. */
  finished: Snapshot
  points: Watch[]
  changes: number
}

/** @param limit points at most: the first and the last changes, and random ones between; undefined: all */
export async function planKills(subject: CrashCase, limit?: number): Promise<KillPlan> {
  const world = copyOf(subject.template)
  const { status, err, changes } = await watched(world, subject.args)
  assert.is(status, 0, `${subject.name}: ${err}`)
  const finished = snapshot(world)
  await assertSound({ ...subject, faults: undefined }, world, finished, `${subject.name}, not killed`)
  drop(world)
  const all = changes.flatMap(({ call }, i): Watch[] => [
    { killAt: i + 1 },
    ...(call === 'write' || call === 'copy' ? [{ killAt: i + 1, torn: true }] : [])
  ])
  const points = limit === undefined ? all : sampled(all, limit, randomOf(changes.length))
  return { subject, finished, points, changes: changes.length }
}

function sampled<T>(items: T[], limit: number, random: Random): T[] {
  if (items.length <= limit) return items
  const ends = Math.floor(limit / 3)
  const chosen = new Set<number>()
  for (let i = 0; i < ends; i++) chosen.add(i).add(items.length - 1 - i)
  while (chosen.size < limit) chosen.add(random(items.length))
  return [...chosen].sort((a, b) => a - b).map(place => items[place])
}

/** @returns whether it was killed: a command whose changes vary may have ended before */
export async function killOnce({ subject, finished }: KillPlan, watch: Watch): Promise<boolean> {
  const world = copyOf(subject.template)
  const killed = await watched(world, subject.args, watch)
  const next = killed.changes.length + 1
  const when = `${subject.name}: killed at change ${watch.killAt}${watch.torn ? ' (torn)' : ''}, after ${next - 1}: ${killed.changes.at(-1)?.call} ${killed.changes.at(-1)?.path}`
  await assertSound(subject, world, finished, when)
  const isDone = isSame(snapshot(world), finished)
  const again = await watched(world, subject.args)
  const wanted = isDone && subject.doneStatus !== undefined ? subject.doneStatus : 0
  assert.is(again.status, wanted, `${when}; again: ${again.err}`)
  sameWorld(snapshot(world), finished, `${when}; again`)
  await assertSound({ ...subject, faults: undefined }, world, finished, `${when}; again`)
  drop(world)
  return killed.signal === 'SIGKILL'
}

/** All points, two at a time. @returns kills */
export async function killAll(plan: KillPlan, onFailure: (error: Error) => void = throwIt): Promise<number> {
  const queue = [...plan.points]
  let kills = 0
  const lane = async () => {
    for (let watch = queue.shift(); watch !== undefined; watch = queue.shift())
      if (await killOnce(plan, watch).catch(onFailure)) kills++
  }
  await Promise.all([lane(), lane()])
  return kills
}

function throwIt(error: Error): never {
  throw error
}
