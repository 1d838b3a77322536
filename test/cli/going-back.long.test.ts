import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { quickStore } from '../helpers/quick-store.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { newStore } from '../helpers/stores.ts'
import { suite } from '../helpers/suite.ts'
import { archive, file } from '../helpers/tar-make.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

function tarball(content: string): string {
  const path = join(scratch(), 'layer.tar')
  writeFileSync(path, archive(file('opt/file', content)))
  return path
}

const history = suite('history of a module')

history('lists its records, newest first, and goes back to one of them', async () => {
  const { root } = await newStore()
  const importing = (content: string, ...flags: string[]) =>
    composed(root, ['import', 'lib/a-1', tarball(content), ...flags]).record
  const first = importing('1', '--summary', 'the first')
  const second = importing('2', '--replace', '--summary', 'the second')
  composed(root, ['unpublish', 'lib/a-1', '--reason', 'it was wrong'])
  const { records } = composed(root, ['history', 'lib/a-1'])
  assert.equal(
    records.map(({ record, current, reason }: Record<string, unknown>) => [record, current, reason]),
    [
      [second, false, 'it was wrong'],
      [first, false, undefined]
    ]
  )
  const beginning = first.slice(0, 20)
  assert.is(composed(root, ['history', 'lib/a-1', '--restore', beginning]).outcome, 'created')
  assert.is(composed(root, ['show', 'lib/a-1']).summary, 'the first')
  const back = composed(root, ['history', 'lib/a-1', '--restore', second])
  assert.equal(
    [back.outcome, back.previous, back.settings.changed],
    ['replaced', first, [{ setting: 'summary', removed: ['the first'], added: ['the second'] }]]
  )
  assert.match(compose(root, ['history', 'lib/a-1']).out, new RegExp(`Z  ${second}  current$`, 'm'))
  assert.equal(composed(root, ['fsck']).findings, [])
  assert.match(
    composeFails(root, ['history', 'lib/a-1', '--restore', 'baguqeerazzzz'], 14).message,
    /never stood for/
  )
  assert.is(composeFails(root, ['history', 'lib/none-1'], 14).code, 'MODULE_UNKNOWN')
})

history('a module that is taken away names those that cannot be loaded without it', async () => {
  const { root } = await newStore()
  for (const version of ['1', '2']) composed(root, ['import', `lib/a-${version}`, tarball('same')])
  for (const [name, ...wanted] of [
    ['app/any-1', 'lib/a'],
    ['app/first-1', 'lib/a-1'],
    ['app/range-1', 'lib/a < 2']
  ])
    composed(root, ['import', name, tarball('same'), ...wanted.flatMap(text => ['--requires', text])])
  const taken = composed(root, ['unpublish', 'lib/a-1'])
  assert.equal(taken.requiredBy, ['app/first-1', 'app/range-1'])
  composeFails(root, ['build', join(scratch(), 'x.sqfs'), 'app/first-1'], 43)
  composed(root, ['build', join(scratch(), 'y.sqfs'), 'app/any-1'])
  const { err } = compose(root, ['unpublish', 'lib/a-2'])
  assert.match(
    err,
    /app\/any-1 requires it and cannot be loaded without it; to have it back: compose history lib\/a-2 --restore baguqeera/
  )
  compose(root, ['history', 'lib/a-1', '--restore', taken.record])
  composed(root, ['build', join(scratch(), 'z.sqfs'), 'app/first-1'])
})

history('does not open a module that was closed since, unless --open-to allows it', async () => {
  const { root } = await newStore()
  const tar = tarball('same')
  const open = composed(root, ['import', 'app/a-1', tar]).record
  composed(root, ['import', 'app/a-1', tar, '--replace', '--access-group', '61001', '--no-redistribute'])
  const back = ['history', 'app/a-1', '--restore', open]
  assert.is(composeFails(root, back, 44).code, 'ACCESS_WIDER')
  assert.is(composeFails(root, [...back, '--open-to', 'everyone'], 19).code, 'NOT_REDISTRIBUTABLE')
  const closed = () => bash('find "$1/data" "$1/objects" -type f ! -perm -o+r', root).toString().trim()
  assert.is(closed().split('\n').length, 2)
  composed(root, [...back, '--open-to', 'everyone', '--allow-redistribution'])
  assert.is(closed(), '')
  assert.equal(composed(root, ['fsck']).findings, [])
})

history('does not open a module whose record of now is lost, unless --open-to allows it', async () => {
  const { root } = await newStore()
  const open = composed(root, ['import', 'app/a-1', tarball('open')]).record
  composed(root, ['import', 'app/a-1', tarball('closed'), '--replace', '--access-group', '61001'])
  bash('cd "$1/blobs"; grep -rl 61001 . | xargs grep -l \'"strata":"module"\' | xargs rm', root)
  const back = ['history', 'app/a-1', '--restore', open]
  assert.match(composeFails(root, back, 44).message, /app\/a-1, whose record cannot be read, is for/)
  const leaving = composeFails(root, [...back, '--open-to', 'everyone'], 19)
  assert.is(leaving.code, 'NOT_REDISTRIBUTABLE')
  composed(root, [...back, '--open-to', 'everyone', '--allow-redistribution'])
})

history(
  'does not go back to a record whose paths lack the ACLs of now, unless --drop-acls allows it',
  async () => {
    const { root } = await newStore()
    const tar = tarball('same')
    const acl = join(scratch(), 'listing')
    writeFileSync(acl, '# file: opt/file\nuser::rw-\nuser:61001:r--\ngroup::r--\nmask::r--\nother::r--\n')
    const open = composed(root, ['import', 'app/a-1', tar]).record
    const closed = composed(root, ['import', 'app/a-1', tar, '--replace', '--acl', acl]).record
    const refused = composeFails(root, ['history', 'app/a-1', '--restore', open], 44)
    assert.is(refused.code, 'ACCESS_WIDER')
    assert.match(refused.message, /1 path of app\/a-1 had an ACL/)
    assert.is(composed(root, ['show', 'app/a-1']).record, closed)
    assert.is(composed(root, ['history', 'app/a-1', '--restore', open, '--drop-acls']).outcome, 'replaced')
    assert.is(composed(root, ['history', 'app/a-1', '--restore', closed]).outcome, 'replaced')
  }
)

history.run()

const again = suite('typed again')

again('init of a store that is there is fine, unless another one is asked for', () => {
  const root = join(scratch(), 'store')
  assert.is(composed(root, ['init', root, '--level', '3']).made, true)
  const { made, profile } = composed(root, ['init', root])
  assert.equal([made, profile.level], [false, 3])
  assert.is(composed(root, ['init', root, '--level', '3', '--comp', 'zstd']).made, false)
  const { code, message } = composeFails(root, ['init', root, '--level', '4'], 10)
  assert.is(code, 'STORE_EXISTS')
  assert.match(message, /level 3.*, not with zstd level 4/)
})

again(
  'alias without a name lists all aliases, and update reports newer versions that it does not take',
  async () => {
    const root = join(scratch(), 'store')
    await quickStore(root, {
      'lib/a-1': {},
      'lib/a-2': {},
      'lib/b-1': { requires: ['lib/a < 2'] },
      'lib/c-1': {}
    })
    assert.equal(composed(root, ['alias']).aliases, [])
    composed(root, ['alias', 'lib/z', 'lib/a-1'])
    composed(root, ['alias', 'lib/d', 'lib/c'])
    assert.equal(
      composed(root, ['alias']).aliases.map(
        ({ alias, module }: Record<string, string>) => `${alias} ${module}`
      ),
      ['lib/d lib/c', 'lib/z lib/a-1']
    )
    assert.is(compose(root, ['alias']).out, 'lib/d stands for lib/c\nlib/z stands for lib/a-1\n')
    const folder = scratch()
    mkdirSync(join(folder, 'work'))
    const cwd = join(folder, 'work')
    composed(root, ['add', 'lib/b', 'lib/c'], { cwd })
    const updated = composed(root, ['update'], { cwd })
    assert.equal(updated.newer, [{ module: 'lib/a-1', newer: 'lib/a-2' }])
    assert.match(compose(root, ['update'], { cwd }).err, /lib\/a-2 exists, but the stack keeps lib\/a-1/)
    assert.ok(existsSync(join(cwd, 'stack.lock')))
  }
)

again.run()

const dry = suite('build --dry-run')

dry('prints what a build would print, refuses what a build would refuse, and writes nothing', async () => {
  const { root } = await newStore()
  composed(root, ['import', 'lib/a-1', tarball('a')])
  composed(root, ['import', 'app/b-1', tarball('b'), '--no-redistribute'])
  const folder = scratch()
  const files = () => bash('find "$1" "$2" -type f -printf "%p %T@\\n" | sort', root, folder).toString()
  const before = files()
  const plan = composed(root, ['build', '--dry-run', join(folder, 'a.sqfs'), 'lib/a'])
  assert.is(
    composeFails(root, ['build', '--dry-run', join(folder, 'x'), 'lib/a', 'app/b'], 30).code,
    'CONFLICT'
  )
  const leaving = ['build', '--dry-run', join(folder, 'x'), 'app/b', '--format', 'oci']
  assert.is(composeFails(root, leaving, 19).code, 'NOT_REDISTRIBUTABLE')
  composed(root, [...leaving, '--internal'])
  composed(root, ['build', '--dry-run', '--sandbox', join(folder, 'x'), 'lib/a'])
  assert.match(
    composeFails(root, ['build', '--dry-run', join(folder, 'x'), tarball('c')], 2).message,
    /writes nothing/
  )
  assert.is(files(), before)
  const built = composed(root, ['build', join(folder, 'a.sqfs'), 'lib/a'])
  assert.equal([plan.inodes, plan.lock.tree], [built.inodes, built.lock.tree])
})

dry.run()
