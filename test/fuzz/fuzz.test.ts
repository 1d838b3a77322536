import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { bySize, SIZE, someOf } from '../helpers/size.ts'
import { suite } from '../helpers/suite.ts'
import { tryInput } from './loop.ts'
import { targets } from './targets/index.ts'
import { watchTarget } from './watch.ts'

const fuzzing = suite('fuzzing')

/** Beside the sources: fixtures are not compiled. */
const FINDS = fileURLToPath(new URL('../../../test/fuzz/finds', import.meta.url))
/** A sample; `node dist/test/fuzz/run.js --seconds N` goes on for longer. */
const MILLISECONDS = bySize(50, 150)

for (const target of targets)
  fuzzing(`${target.name}: what was found once is refused or taken as it should be`, async () => {
    const folder = join(FINDS, target.name)
    for (const name of existsSync(folder) ? readdirSync(folder) : []) {
      const { fault } = await tryInput(target, readFileSync(join(folder, name)))
      assert.is(fault, undefined, `${name}: ${fault}`)
    }
  })

for (const target of someOf(targets, SIZE === 'quick' ? 2 : 8))
  fuzzing(`${target.name}: changed inputs are refused with a code or taken, and end`, async () => {
    const { executions, finds } = await watchTarget(target.name, { seed: 1, milliseconds: MILLISECONDS })
    assert.ok(executions > 0)
    for (const { bytes, fault } of finds)
      assert.unreachable(`${fault}: ${bytes.subarray(0, 4096).toString('base64')}`)
  })

fuzzing.run()
