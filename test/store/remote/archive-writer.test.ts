/** Archives and layouts that others disturb while they are written. */
import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { ArchiveWriter } from '../../../store/remote/archive-writer.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'

const tests = suite('remote: archives')

tests(
  'a folder or file that somebody makes under the name meanwhile stays, and nothing else is left',
  async () => {
    for (const form of ['layout', 'archive'] as const) {
      const folder = scratch()
      const file = join(folder, 'x')
      const writer = await ArchiveWriter.create({ form, file }, { replace: false })
      if (form === 'layout') mkdirSync(file)
      else writeFileSync(file, 'of another')
      await refusedLater(writer.finish(), 'OUTPUT_EXISTS', /x is there/)
      await writer.close()
      assert.equal(readdirSync(folder), ['x'])
      if (form === 'layout') assert.equal(readdirSync(file), [])
      else assert.is(readFileSync(file, 'utf8'), 'of another')
    }
  }
)

tests('a file is replaced if that is asked for, also one that came meanwhile', async () => {
  const file = join(scratch(), 'x')
  const writer = await ArchiveWriter.create({ form: 'archive', file }, { replace: true })
  writeFileSync(file, 'of another')
  await writer.finish()
  await writer.close()
  assert.ok(lstatSync(file).size > 1024)
})

tests.run()
