/**
 * The long runs: `node dist/test/crash/run.js --all [CASE...]` kills every command at each of its changes;
 * `--power --all` takes the power away after each of them instead. Without --all a sample.
 */
import { randomOf } from '../compose/helpers/random-layer.ts'
import { type CrashCase, crashCases } from './cases.ts'
import { killAll, planKills } from './kill.ts'
import { assertSafe, losePower, record } from './power.ts'

const SAMPLE = 20
const RANDOM_LOSSES = 5

const words = process.argv.slice(2)
const names = words.filter(word => !word.startsWith('--'))
const limit = words.includes('--all') ? undefined : SAMPLE
const isPower = words.includes('--power')
let failures = 0
let survived = 0

function tell(error: Error): void {
  failures++
  console.log(`FAIL ${error.message}\n${'details' in error ? error.details : error.stack}`)
}

async function kills(subject: CrashCase): Promise<string> {
  const plan = await planKills(subject, limit)
  const kills = await killAll(plan, tell)
  survived += kills
  return `${plan.changes} changes, ${kills} kills survived`
}

async function losses(subject: CrashCase): Promise<string> {
  const recorded = await record(subject)
  const { length } = recorded.changes
  const random = randomOf(length)
  const all = Array.from({ length: length + 1 }, (_, i) => i)
  const points = limit === undefined ? all : Array.from({ length: limit }, () => random(length + 1))
  let disks = 0
  try {
    disks = await losePower(recorded, new Set(points), RANDOM_LOSSES)
    await assertSafe(recorded)
  } catch (error) {
    tell(error as Error)
  }
  survived += disks
  return `${length} changes, ${points.length} prefixes, ${disks} disks sound`
}

for (const subject of crashCases()) {
  if (names.length > 0 ? !names.includes(subject.name) : isPower && subject.afterPowerLoss === 'unknown')
    continue
  const started = performance.now()
  const told = await (isPower ? losses(subject) : kills(subject))
  console.log(`${subject.name}: ${told}, ${((performance.now() - started) / 1000).toFixed(0)} s`)
}
console.log(`${survived} ${isPower ? 'disks sound' : 'kills survived'}, ${failures} failures`)
process.exitCode = failures > 0 ? 1 : 0
