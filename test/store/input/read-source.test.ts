import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { readSource } from '../../../store/input/read-source.ts'
import { StrataError } from '../../../store/values/errors.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { sha256 } from '../../helpers/tar-read.ts'

const source = suite('input: source')
const base = scratch()

source('reads a file in chunks that stay as they are', async () => {
  const bytes = randomBytes(2_500_000)
  writeFileSync(join(base, 'file'), bytes)
  const chunks: Uint8Array[] = []
  for await (const chunk of readSource(join(base, 'file'))) chunks.push(chunk)
  assert.ok(Buffer.concat(chunks).equals(bytes))
  assert.ok(chunks.every(({ length }) => length <= 1 << 20))
})

source('reads standard input for "-"', () => {
  const bytes = randomBytes(300_000)
  const script = `
    import { createHash } from 'node:crypto'
    import { readSource } from ${JSON.stringify(new URL('../../../store/input/read-source.js', import.meta.url).href)}
    const hash = createHash('sha256')
    for await (const chunk of readSource('-')) hash.update(chunk)
    console.log(hash.digest('hex'))`
  const found = execFileSync(process.execPath, ['--input-type=module', '-e', script], { input: bytes })
  assert.is(found.toString().trim(), sha256(bytes))
})

source('names the file that cannot be read', async () => {
  mkdirSync(join(base, 'directory'))
  for (const [name, errno] of [
    ['missing', 'ENOENT'],
    ['directory', 'EISDIR']
  ]) {
    try {
      for await (const _ of readSource(join(base, name)));
      assert.unreachable()
    } catch (error) {
      assert.instance(error, StrataError)
      assert.is((error as StrataError).code, 'IO')
      assert.ok((error as StrataError).message.includes(join(base, name)))
      assert.ok((error as StrataError).message.includes(errno))
    }
  }
})

source.run()
