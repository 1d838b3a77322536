import { mkdirSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { compose, composed, composeFails } from '../../helpers/warm-compose.ts'

/** Directories that somebody else made: what `.compose` holds is read as it lies there, or not at all. */

const directories = suite("compose run: another's directory")

interface World {
  store: string
  sandbox: string
}

function world(): World {
  const folder = scratch()
  const store = join(folder, 'store')
  bash('cd "$1"; mkdir -p tree/opt; echo a > tree/opt/a; tar -C tree -cf some.tar opt', folder)
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'app/some-1', join(folder, 'some.tar'), '--set', 'SOME=of the module'])
  const sandbox = join(folder, 'sandbox')
  composed(store, ['build', '--sandbox', sandbox, 'app/some'])
  return { store, sandbox }
}

const LOCK = '.compose/lock'
const RECORD = '.compose/modules/app/some-1.json'

/** Things that may take the place of a file, made from the moved file. */
const PLANTED: Record<string, (path: string, moved: string) => void> = {
  link: (path, moved) => symlinkSync(moved, path),
  pipe: path => bash('mkfifo "$1"', path),
  folder: path => mkdirSync(path),
  'file of a terabyte': path => {
    writeFileSync(path, '')
    truncateSync(path, 2 ** 40)
  }
}

for (const [what, plant] of Object.entries(PLANTED))
  for (const file of [LOCK, RECORD])
    directories(`a ${what} for ${file} is an error: nothing is followed or waited for`, () => {
      const { store, sandbox } = world()
      const path = join(sandbox, file)
      renameSync(path, `${sandbox}.moved`)
      plant(path, `${sandbox}.moved`)
      const { code, message } = composeFails(store, ['run', sandbox, 'true'], 36)
      assert.is(code, 'SANDBOX_INVALID')
      assert.match(message, file)
    })

directories('a link for a folder on the way is one, too', () => {
  const { store, sandbox } = world()
  const folder = join(sandbox, '.compose/modules')
  renameSync(folder, `${sandbox}.modules`)
  symlinkSync(`${sandbox}.modules`, folder)
  assert.match(composeFails(store, ['run', sandbox, 'true'], 36).message, /is a link, or lies behind one/)
})

directories('a missing module of the lock is named', () => {
  const { store, sandbox } = world()
  rmSync(join(sandbox, RECORD))
  assert.match(composeFails(store, ['run', sandbox, 'true'], 36).message, RECORD)
})

directories('import of a sandbox waits for no pipe in the place of a record', () => {
  const { sandbox } = world()
  const other = join(scratch(), 'store')
  composed(other, ['init', '--level', '1'])
  rmSync(join(sandbox, RECORD))
  bash('mkfifo "$1"', join(sandbox, RECORD))
  const found = compose(other, ['import', 'app/again-1', sandbox, '--flatten'])
  assert.is(found.status, 0, found.err)
  assert.match(
    found.err + found.out,
    /environment, labels and access groups of app\/some-1 are not known here/
  )
})

directories.run()
