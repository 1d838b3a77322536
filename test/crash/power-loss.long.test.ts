import * as assert from 'uvu/assert'
import { randomOf } from '../compose/helpers/random-layer.ts'
import { atAllSize, needing } from '../helpers/needs.ts'
import { someOf } from '../helpers/size.ts'
import { suite } from '../helpers/suite.ts'
import { crashCases } from './cases.ts'
import { assertSafe, losePower, record } from './power.ts'

/** A sample; `node dist/test/crash/run.js --power --all` takes every point. */
const POINTS_EACH = 2

const power = suite('crash: loss of power')
const test = needing(power, 'root', 'gcc', 'setfacl', 'setfattr')
const long = atAllSize(test)
const subjects =
  process.getuid?.() === 0 ? crashCases().filter(({ afterPowerLoss }) => afterPowerLoss !== 'unknown') : []

for (const subject of someOf(subjects, 2))
  test(`${subject.name}: whatever was not flushed is lost, all that has a name is whole`, async () => {
    const recorded = await record(subject)
    const random = randomOf(1)
    const points = new Set(
      Array.from({ length: POINTS_EACH - 1 }, () => random(recorded.changes.length)).concat(
        recorded.changes.length
      )
    )
    assert.ok((await losePower(recorded, points, 1)) > points.size)
    await assertSafe(recorded)
  })

for (const subject of subjects.filter(({ name }) => ['init', 'import'].includes(name)))
  long(`${subject.name}: what a killed run left unflushed is safe when the next one has ended`, async () => {
    const { changes } = await record(subject)
    const folders = changes.flatMap(({ call, result }, i) =>
      call === 'mkdir' && result === 0 ? [i + 2] : []
    )
    assert.ok(folders.length > 3)
    for (const killAt of folders) {
      const recorded = await record(subject, { killAt })
      await losePower(recorded, new Set(), 0)
      await assertSafe(recorded)
    }
  })

power.run()
