import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { databaseFolders } from '../../../store/index/database-folder.ts'
import { openDatabase } from '../../../store/index/database-reader.ts'
import { FACTS } from '../../../store/index/facts-keys.ts'
import { openFactsViews } from '../../../store/index/facts-view.ts'
import { startCompose } from '../../helpers/compose.ts'
import { atAllSize, needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { bySize } from '../../helpers/size.ts'
import { importInto } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'
import { compose, composed } from '../../helpers/warm-compose.ts'
import {
  databaseOf,
  indexedStore,
  LOOK_UP,
  lookUp,
  PROVIDERS,
  removeIndex,
  stateOf,
  tarballOf
} from './indexed-store.ts'

const shared = suite('index: used by several')
const long = atAllSize(shared)

const NOBODY = 65534

const late = () => tarballOf({ 'bin/late': 'late' })
const LATE = { providers: ['lib/late-1 bin/late file'], unsearched: [] }

long('while one process holds the database, others look up and publish', async () => {
  const indexed = await indexedStore()
  const { store, look } = indexed
  const held = await openDatabase(databaseOf(indexed), FACTS, false)
  try {
    assert.equal(look('provides', 'bin/mpirun'), PROVIDERS)
    assert.is(compose(store.root, ['import', 'lib/late-1', late()]).status, 0)
    assert.equal(look('provides', 'bin/late'), LATE)
    assert.is((look('modules') as { modules: string[] }).modules.length, 4)
  } finally {
    await held.close()
  }
  assert.equal(databaseFolders(store.root, FACTS).length, 1, 'no second database')
  await importInto(store, 'lib/later-1', [tarballOf({ later: '1' })])
  const [view] = await openFactsViews(store.root)
  assert.is(view.layers.size, 6, 'what was left out is in it now')
  await view.close()
})

const FILES = bySize(80, 800)

shared('a reader sees a whole state of a database that is being written', async () => {
  const { store } = await indexedStore()
  const writer = startCompose(store.root, [
    'import',
    'lib/many-1',
    tarballOf(Object.fromEntries(many(FILES)))
  ])
  const end = once(writer, 'close')
  let ended = false
  end.then(() => {
    ended = true
  })
  let answers = 0
  while (!ended) {
    for (const view of await openFactsViews(store.root)) {
      // A layer that is covered is covered wholly.
      const found = await view.layersNaming(`file-${FILES - 1}`)
      if (view.layers.size === 5) assert.is(found.length, 1)
      await view.close()
    }
    answers++
  }
  assert.equal(await end, [0, null])
  assert.ok(answers > 0)
})

const many = (count: number): [string, string][] =>
  Array.from({ length: count }, (_, i) => [`file-${i}`, `${i}`])

shared('readers at the same time do not hinder each other, and leave nothing behind', async () => {
  const { store } = await indexedStore()
  const before = readdirSync(tmpdir()).filter(name => name.startsWith('strata-index-'))
  const state = stateOf(store.root)
  const readers = Array.from({ length: 6 }, () => {
    const child = spawn(process.execPath, [LOOK_UP, store.root, 'provides', 'bin/mpirun'])
    let out = ''
    child.stdout.on('data', data => {
      out += data
    })
    return once(child, 'close').then(() => JSON.parse(out))
  })
  for (const answer of await Promise.all(readers)) assert.equal(answer, PROVIDERS)
  assert.is(stateOf(store.root), state)
  const after = readdirSync(tmpdir()).filter(name => name.startsWith('strata-index-'))
  assert.equal(
    after.filter(name => !before.includes(name)),
    []
  )
})

/** Scratch folders are 0700. */
const openTo = (root: string) => chmodSync(join(root, '..'), 0o755)

atAllSize(needing(shared, 'root'))(
  'a reader without write permission gets the same answers, and changes nothing',
  async () => {
    const indexed = await indexedStore()
    const { store, look } = indexed
    openTo(store.root)
    const asNobody = (...words: string[]) => lookUp(store.root, words, { uid: NOBODY })
    for (const script of [
      'true',
      'rm "$1/modules.json"',
      'echo junk > "$1"/facts-*/CURRENT',
      'chmod 700 "$1"',
      'rm -r "$1"'
    ]) {
      bash(script, indexed.index)
      const state = stateOf(store.root)
      const modules = asNobody('modules')
      assert.equal(asNobody('provides', 'bin/mpirun'), PROVIDERS, script)
      assert.is(stateOf(store.root), state, script)
      assert.equal(modules, look('modules'), script)
    }
  }
)

atAllSize(needing(shared, 'root', 'unshare'))('a read-only file system gives the same answers', async () => {
  const indexed = await indexedStore()
  const { store, look } = indexed
  const modules = look('modules')
  const readOnly = 'mount --bind "$0" "$0"; mount -o remount,ro,bind "$0"; ! touch "$0/tmp/x" 2>&-; exec "$@"'
  const prefix = ['unshare', '-m', 'sh', '-euc', readOnly, store.root]
  for (const isIndexed of [true, false]) {
    if (!isIndexed) removeIndex(indexed)
    assert.equal(lookUp(store.root, ['modules'], { prefix }), modules)
    assert.equal(lookUp(store.root, ['provides', 'bin/mpirun'], { prefix }), PROVIDERS)
  }
})

needing(shared, 'root')('fsck without write permission says so, and reports no fault', async () => {
  const { store } = await indexedStore()
  openTo(store.root)
  bash('chmod 755 "$1/tmp"', store.root)
  const report = composed(store.root, ['fsck'], { uid: NOBODY })
  assert.equal([report.indexRebuilt, report.findings], ['read-only', []])
  assert.match(compose(store.root, ['fsck'], { uid: NOBODY }).out, /index left as it is/)
})

needing(shared, 'root')(
  'publishers of different users add to databases of their own, read together',
  async () => {
    const { store, look } = await indexedStore()
    openTo(store.root)
    bash('find "$1" -type d ! -name "facts-*" -exec chmod a+rwx {} +', store.root)
    const tar = late()
    bash('chmod -R a+rX "$(dirname "$1")"', tar)
    const { status, err } = compose(store.root, ['import', 'lib/late-1', tar], { uid: NOBODY })
    assert.is(status, 0, err)
    assert.equal(
      databaseFolders(store.root, FACTS)
        .map(({ uid }) => uid)
        .sort(),
      [0, NOBODY]
    )
    const views = await openFactsViews(store.root)
    assert.equal(views.map(view => view.layers.size).sort(), [1, 4])
    for (const view of views) await view.close()
    assert.equal(look('provides', 'bin/late'), LATE)
    assert.equal(look('provides', 'bin/mpirun'), PROVIDERS)
  }
)

shared('an import works when there can be no index', async () => {
  const { store, index, look } = await indexedStore()
  bash('rm -r "$1"; echo > "$1"', index)
  await importInto(store, 'lib/late-1', [late()])
  assert.equal(look('provides', 'bin/late'), LATE)
  assert.equal(readdirSync(join(store.root, 'tmp')), [])
})

shared.run()
