import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { age, tarballs } from '../helpers/old-store.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

/** unpublish, pin and gc as users type them. */
const command = suite<{ folder: string; store: string }>('cli: unpublish, pin, gc')

command.before.each(context => {
  context.folder = scratch()
  context.store = join(context.folder, 'store')
  const [one, two] = tarballs(2)
  composed(context.store, ['init', '--level', '1'])
  composed(context.store, ['import', 'base/os-1', one])
  composed(context.store, ['import', 'base/os-2', two])
})

command(
  'unpublishes one version, tells what pointed at it, and tells what it was when asked again',
  ({ store }) => {
    composed(store, ['default', 'base/os-1'])
    composed(store, ['alias', 'base/old', 'base/os-1'])
    composed(store, ['alias', 'base/any', 'base/os'])
    const { record } = composed(store, ['show', 'base/os-1'])
    const ran = compose(store, ['unpublish', 'base/os-1', '--reason', 'out of date'])
    assert.is(ran.status, 0)
    assert.is(ran.out, `base/os-1 is not published any more (it was ${record})\n`)
    assert.match(
      ran.err,
      /base\/os-1 was the default of base\/os; to remove the default: compose default base\/os --unset/
    )
    assert.match(ran.err, /alias base\/old now stands for a module that does not exist/)
    assert.not.match(ran.err, /base\/any/)
    const again = composeFails(store, ['unpublish', 'base/os-1'], 14)
    assert.equal(again.facts.before, [record])
    assert.is(composed(store, ['show', record]).version, '1')
    assert.is(composed(store, ['show', 'base/os']).version, '2')
    assert.equal(composed(store, ['unpublish', 'base/os-2']).aliases, ['base/any'])
  }
)

command('unpublishes nothing that is not named with its whole version', ({ store }) => {
  assert.is(composeFails(store, ['unpublish', 'base/os'], 2).code, 'MODULE_NAME')
  composed(store, ['import', 'base/os-1.5', tarballs(1)[0]])
  composed(store, ['unpublish', 'base/os-1'])
  const { code, facts } = composeFails(store, ['unpublish', 'base/os-1'], 14)
  assert.is(code, 'MODULE_UNKNOWN')
  assert.ok(facts.before)
  assert.is(composeFails(store, ['unpublish', 'base/none-1'], 14).code, 'MODULE_UNKNOWN')
  assert.is(composed(store, ['show', 'base/os-1.5']).version, '1.5')
  assert.is(composeFails(store, ['unpublish', 'base/os-1.5', '--reason', 'two\nlines'], 2).code, 'USAGE')
})

command(
  'builds a lock of what was unpublished until gc drops it, and for ever when it is pinned',
  ({ folder, store }) => {
    const lock = join(folder, 'stack.lock')
    const stackFile = join(folder, 'stack.yaml')
    writeFileSync(stackFile, 'modules: [base/os-1]\n')
    composed(store, ['--stack', stackFile, 'lock'], { cwd: folder })
    const image = join(folder, 'a.sqfs')
    composed(store, ['build', image, lock])
    const before = readFileSync(image)
    composed(store, ['unpublish', 'base/os-1'])
    assert.is(composed(store, ['gc', '--grace', '0s']).bytes, 0)
    const pinned = composed(store, ['pin', lock, '--name', 'old'])
    assert.equal(pinned, { name: 'old', isNew: true, records: 1, layers: 1 })
    age(store, 3)
    assert.is(composed(store, ['gc', '--older-than', '2d']).dropped[0].module, 'base/os-1')
    const again = join(folder, 'b.sqfs')
    composed(store, ['build', again, lock])
    assert.ok(readFileSync(again).equals(before))
    assert.is(compose(store, ['pin', '--print', 'old']).out, readFileSync(lock, 'utf8'))
    assert.equal(composed(store, ['pin', '--list']).pins, ['old'])
    composed(store, ['pin', '--remove', 'old'])
    age(store, 3)
    assert.ok(composed(store, ['gc', '--older-than', '2d']).bytes > 0)
    const gone = composeFails(store, ['build', join(folder, 'c.sqfs'), lock], 11)
    assert.is(gone.code, 'BLOB_MISSING')
    assert.not.ok(existsSync(join(folder, 'c.sqfs')))
    assert.is(composeFails(store, ['pin', lock], 11).code, 'BLOB_MISSING')
    assert.equal(composed(store, ['pin', '--list']).pins, [])
    assert.equal(composed(store, ['fsck']).findings, [])
  }
)

command('takes a layer list, a name, and nothing else', ({ folder, store }) => {
  const list = join(folder, 'l.list')
  writeFileSync(list, compose(store, ['list', '--layers', 'base/os-2']).out)
  const { name } = composed(store, ['pin', list])
  assert.match(name, /^[0-9a-f]{64}$/)
  assert.is(composed(store, ['pin', list]).isNew, false)
  assert.is(composeFails(store, ['pin', list, '--name', '../x'], 2).code, 'USAGE')
  assert.is(composeFails(store, ['pin'], 2).code, 'USAGE')
  assert.is(composeFails(store, ['pin', list, '--list'], 2).code, 'USAGE')
  assert.is(composeFails(store, ['pin', '--remove', 'none'], 14).code, 'PIN_UNKNOWN')
  assert.is(composeFails(store, ['pin', join(folder, 'none')], 1).code, 'IO')
  writeFileSync(list, 'modules: []\n')
  assert.is(composeFails(store, ['pin', list], 40).code, 'LOCK_INVALID')
})

command('tells with --dry-run what it then does', ({ store }) => {
  composed(store, ['unpublish', 'base/os-1'])
  age(store, 3)
  const options = ['gc', '--older-than', '1d', '--grace', '1h']
  const said = compose(store, [...options, '--dry-run']).out
  assert.match(said, /^dropped: base\/os-1 baguqeera/)
  assert.match(said, /3 blobs would be removed/)
  const did = compose(store, options).out
  assert.is(did, said.replaceAll('would be ', ''))
  assert.match(
    compose(store, options).out,
    /: 0 bytes freed; kept for 1 module, 0 records replaced or unpublished, 0 pins\n$/
  )
})

command('refuses invalid times', ({ store }) => {
  for (const time of ['5', 'd', '-1d', '1.5d', '9999999999d'])
    assert.is(composeFails(store, ['gc', `--older-than=${time}`], 2).code, 'USAGE')
})

command.run()
