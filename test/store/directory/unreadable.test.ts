import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { StrataError } from '../../../store/values/errors.ts'
import { needing } from '../../helpers/needs.ts'
import { openFiles } from '../../helpers/open-files.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { asNobody, failureOf, readingScript, readTree } from './trees.ts'

const directories = suite('directory as a tar: what goes wrong')

const MiB = 1 << 20

directories('a missing directory and a file are refused by name', async () => {
  const directory = scratch()
  writeFileSync(join(directory, 'file'), 'x')
  const missing = await failureOf(() => readTree(join(directory, 'none')))
  assert.is(missing.code, 'IO')
  assert.match(missing.message, `${directory}/none does not exist`)
  assert.match((await failureOf(() => readTree(join(directory, 'file')))).message, 'file is not a directory')
})

directories(
  'a file that grows, shrinks, goes away or is replaced meanwhile is an error that names it',
  async () => {
    const changes: [string, (file: string) => void][] = [
      ['grows', file => appendFileSync(file, 'more')],
      ['shrinks', file => truncateSync(file, 1000)],
      ['is written in place', file => writeFileSync(file, 'x', { flag: 'r+' })],
      ['has its mode set', file => chmodSync(file, 0o600)],
      ['goes away', file => unlinkSync(file)]
    ]
    for (const [title, change] of changes) {
      const directory = scratch()
      writeFileSync(join(directory, 'big\n'), randomBytes(4 * MiB))
      let done = false
      const error = await failureOf(() =>
        readTree(directory, () => {
          if (!done) change(join(directory, 'big\n'))
          done = true
        })
      )
      assert.is(error.code, 'SOURCE_CHANGED', title)
      assert.match(error.message, /^big\\012 in .* changed while it was read/, title)
    }
  }
)

directories(
  'an entry that comes, goes or turns into a link while the directory is read is an error',
  async () => {
    const changes: [string, (directory: string) => void][] = [
      ['comes', directory => writeFileSync(join(directory, 'z-new'), 'x')],
      ['goes', directory => unlinkSync(join(directory, 'b'))],
      [
        'turns into a link',
        directory => {
          unlinkSync(join(directory, 'b'))
          symlinkSync('/etc/passwd', join(directory, 'b'))
        }
      ]
    ]
    for (const [title, change] of changes) {
      const directory = scratch()
      writeFileSync(join(directory, 'a'), randomBytes(MiB))
      writeFileSync(join(directory, 'b'), 'x')
      let done = false
      const error = await failureOf(() =>
        readTree(directory, () => {
          if (!done) change(directory)
          done = true
        })
      )
      assert.is(error.code, 'SOURCE_CHANGED', title)
    }
  }
)

needing(
  directories,
  'root',
  'setpriv'
)('what the user may not read is an error, never an empty file', () => {
  const directory = scratch()
  chmodSync(directory, 0o755)
  mkdirSync(join(directory, 'sub'))
  writeFileSync(join(directory, 'sub/secret'), 'secret', { mode: 0o600 })
  const run = () => JSON.parse(asNobody(readingScript(directory)))
  const file = run()
  assert.is(file.code, 'IO')
  assert.match(file.message, `sub/secret in ${directory} cannot be read: EACCES`)
  assert.match(file.hint, 'run as a user who may read it')
  unlinkSync(join(directory, 'sub/secret'))
  chmodSync(join(directory, 'sub'), 0o700)
  assert.match(run().message, `sub in ${directory} cannot be read: EACCES`)
})

directories('memory does not grow with the size of the files', () => {
  const directory = scratch()
  execFileSync('sh', ['-c', `head -c ${300 * MiB} /dev/zero | tr '\\0' x > "$0"`, join(directory, 'big')])
  const [program, ...options] = readingScript(directory)
  const { sizeBytes, memoryBytes } = JSON.parse(execFileSync(program, options, { encoding: 'utf8' }))
  assert.ok(sizeBytes > 300 * MiB)
  assert.ok(memoryBytes < 200 * MiB, `${memoryBytes} bytes were used`)
})

directories('the descriptors are closed, also where reading stops early', async () => {
  const directory = scratch()
  mkdirSync(join(directory, 'a/b/c'), { recursive: true })
  writeFileSync(join(directory, 'a/b/c/file'), randomBytes(2 * MiB))
  const left = () => openFiles().filter(path => path.startsWith(directory))
  let held: string[] = []
  const stop = () => {
    held = left()
    throw new StrataError('IO', { message: 'stop' })
  }
  await failureOf(() => readTree(directory, stop))
  assert.ok(held.length > 0)
  assert.equal(left(), [])
  await readTree(directory)
  assert.equal(left(), [])
})

directories.run()
