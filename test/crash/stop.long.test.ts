import * as assert from 'uvu/assert'
import { needing } from '../helpers/needs.ts'
import { bySize, someOf } from '../helpers/size.ts'
import { suite } from '../helpers/suite.ts'
import { type CrashCase, crashCases } from './cases.ts'
import { planKills } from './kill.ts'
import { SIGNALS, stopAll } from './stop.ts'

const STOPS_EACH = bySize(3, 6)

/** Quick ones, whose last look at signals may come before their first change. */
const MAY_FINISH = ['init', 'lock', 'add', 'default', 'unpublish']

const stop = suite('crash: Ctrl-C')
const test = needing(stop, 'root', 'gcc', 'setfacl', 'setfattr')
const isReady = process.getuid?.() === 0

/** These change nothing that a kill could break, but write, beside what they read. */
function casesBeside(cases: CrashCase[]): CrashCase[] {
  const { template } = cases.find(({ name }) => name === 'build')!
  const writing = (name: string, args: string[], outputs: string[] = []): CrashCase => ({
    ...{ name, args, template, outputs },
    afterPowerLoss: 'sound'
  })
  return [
    writing('export', ['export', 'base/a-1', 'exported'], ['exported']),
    writing('verify', ['verify', 'image.sqfs']),
    writing('build -', ['build', '--format', 'oci', '--no-sync', 'layout'], ['layout'])
  ]
}

const allCases = (): CrashCase[] => {
  const cases = crashCases()
  return [...casesBeside(cases), ...cases]
}

for (const subject of isReady ? someOf(allCases(), 2) : [])
  test(`${subject.name}: ${SIGNALS.join(', ')} at any change leave nothing half done, and say so`, async () => {
    const plan = await planKills(subject, 0)
    const step = Math.max(1, Math.floor(plan.changes / STOPS_EACH))
    const points = Array.from({ length: STOPS_EACH }, (_, i) => 1 + i * step).filter(at => at <= plan.changes)
    const ended = await stopAll(plan, points)
    if (!MAY_FINISH.includes(subject.name)) assert.ok(ended > 0, 'no signal ended it: the test shows nothing')
  })

stop.run()
