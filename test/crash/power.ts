/** Loss of power at any point of a command: what a disk may hold then, and what must hold of it. */
import * as assert from 'uvu/assert'
import { randomOf } from '../compose/helpers/random-layer.ts'
import type { CrashCase } from './cases.ts'
import type { Change } from './changes.ts'
import { Disk, dropsAll, dropsData, dropsNames, keepsAll, type Loss, losesSome, zeroesData } from './disk.ts'
import { type Watch, watched } from './watched.ts'
import {
  assertSound,
  assertStoreSound,
  contentsOnly,
  copyOf,
  drop,
  emptyWorld,
  type Snapshot,
  sameWorld,
  snapshot
} from './world.ts'

/** A disk, and what a command did to it. */
export interface Recorded {
  subject: CrashCase
  disk: Disk
  changes: Change[]
  finished: Snapshot
}

/** @param killed first killed so, then run again: what a killed command made and did not flush is relied on */
export async function record(subject: CrashCase, killed?: Watch): Promise<Recorded> {
  const world = copyOf(subject.template)
  const disk = new Disk(world)
  const before = killed && (await watched(world, subject.args, { ...killed, withData: true })).changes
  const { status, err, changes } = await watched(world, subject.args, { withData: true })
  assert.is(status, 0, `${subject.name}: ${err}`)
  const finished = snapshot(world)
  drop(world)
  return { subject, disk, changes: [...(before ?? []), ...changes], finished }
}

const LOSSES: Loss[] = [keepsAll, dropsAll, dropsData, zeroesData, dropsNames]

/**
 * @param points numbers of changes after which power is lost
 * @param randomLosses how many random ones beside the five systematic ones
 * @returns disks that were looked at
 */
export async function losePower(
  { subject, disk, changes, finished }: Recorded,
  points: ReadonlySet<number>,
  randomLosses: number
): Promise<number> {
  let looked = 0
  for (let done = 0; done <= changes.length; done++) {
    if (done > 0) disk.apply(changes[done - 1])
    if (!points.has(done)) continue
    const random = randomOf(done)
    const losses = Array.from({ length: randomLosses }, (_, i) => losesSome(random, `random loss ${i}`))
    for (const loss of [...LOSSES, ...losses]) {
      const last = done === 0 ? 'nothing' : `${changes[done - 1].call} ${changes[done - 1].path}`
      const when = `${subject.name}: power lost after ${done} of ${changes.length} changes (${last}), ${loss.name}`
      await look(subject, disk, loss, finished, when)
      looked++
    }
  }
  return looked
}

async function look(
  subject: CrashCase,
  disk: Disk,
  loss: Loss,
  finished: Snapshot,
  when: string
): Promise<void> {
  const world = emptyWorld()
  disk.recover(loss, world)
  await assertSound(subject, world, finished, when)
  drop(world)
}

/** When a command has ended, what it made is safe; what it removed may be back. @param disk all changes have been applied to it */
export async function assertSafe({ subject, disk, finished }: Recorded): Promise<void> {
  const world = emptyWorld()
  disk.recover(dropsAll, world)
  const when = `${subject.name}: power lost after its end`
  if (subject.afterPowerLoss === 'all') sameWorld(contentsOnly(snapshot(world)), contentsOnly(finished), when)
  await assertStoreSound(`${world}/store`, when)
  drop(world)
}
