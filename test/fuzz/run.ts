/**
 * `node run.js [--seconds N] [--target NAME] [--seed S]` fuzzes every target, or one, for N seconds each, and puts what
 * it found into the folder fuzz-finds/ below the current one.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { digestOf } from '../../store/values/digest.ts'
import { targets } from './targets/index.ts'
import { watchTarget } from './watch.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    target: { type: 'string' },
    seed: { type: 'string', default: '1' }
  }
})
const chosen = targets.filter(({ name }) => values.target === undefined || values.target === name)
if (chosen.length === 0)
  throw new Error(`no target ${values.target}: ${targets.map(({ name }) => name).join(', ')}`)

let finds = 0
for (const { name } of chosen) {
  const report = await watchTarget(name, {
    seed: Number(values.seed),
    milliseconds: 1000 * Number(values.seconds)
  })
  const { executions, refused, kept, reached } = report
  console.log(
    `${name}: ${executions} executions, ${refused} refused, ${kept} inputs kept, ${reached} places, ${report.finds.length} finds`
  )
  for (const { bytes, fault } of report.finds) {
    const folder = join('fuzz-finds', name)
    mkdirSync(folder, { recursive: true })
    const path = join(folder, digestOf(bytes).slice(0, 12))
    writeFileSync(path, bytes)
    console.log(`  ${path} (${bytes.length} bytes): ${fault.split('\n').slice(0, 6).join('\n    ')}`)
  }
  finds += report.finds.length
}
process.exitCode = finds > 0 ? 1 : 0
