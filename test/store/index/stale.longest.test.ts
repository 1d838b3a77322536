import { readFileSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { CID } from 'multiformats/cid'
import * as assert from 'uvu/assert'
import { openCatalogue } from '../../../store/index/catalogue.ts'
import { decodeModules } from '../../../store/index/modules-file.ts'
import { rebuildIndex } from '../../../store/index/update-index.ts'
import { formatModuleName, parseModuleName } from '../../../store/module/name.ts'
import { readRef } from '../../../store/module/ref-file.ts'
import { writeRef } from '../../../store/module/refs.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import { formatCid } from '../../../store/values/digest.ts'
import { bash } from '../../helpers/real-tree.ts'
import { importInto, newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'
import { type IndexedStore, indexedStore, tarballOf } from './indexed-store.ts'

const stale = suite('index: out of date')

/** Until then no folder counts as settled; spec/index.md#stamps. */
const SETTLING_MS = 2200

const recordsIn = async (store: Repository) =>
  Object.fromEntries(
    (await openCatalogue(store).modules()).modules.map(({ name, record }) => [formatModuleName(name), record])
  )

const modulesFile = ({ index }: IndexedStore) => join(index, 'modules.json')

/** An index all of whose folders are settled. */
async function settledStore(): Promise<IndexedStore> {
  const indexed = await indexedStore()
  await setTimeout(SETTLING_MS)
  await rebuildIndex(indexed.store)
  const { stamp, categories } = decodeModules(readFileSync(modulesFile(indexed)))
  assert.ok(
    stamp !== null && categories.every(({ stamp, names }) => stamp && names.every(({ stamp }) => stamp))
  )
  return indexed
}

/** A module of one name with two records. */
async function twoRecords(): Promise<{ store: Repository; ids: CID[] }> {
  const store = await newStore()
  const ids: CID[] = []
  for (const content of ['a', 'b'])
    ids.push((await importInto(store, 'lib/x-1', [tarballOf({ x: content })], { replace: true })).record)
  return { store, ids }
}

stale('is noticed at once, however quickly one ref follows the other', async () => {
  const { store, ids } = await twoRecords()
  const name = parseModuleName('lib/x-1')
  for (let time = 0; time < 60; time++) {
    const id = ids[time % 2]
    await writeRef(store.root, name, id, { replace: true })
    assert.equal(await recordsIn(store), { 'lib/x-1': formatCid(id) }, `time ${time}`)
  }
})

stale('is feared of each folder that was changed less than two seconds before it was read', async () => {
  const indexed = await settledStore()
  await importInto(indexed.store, 'mpi/mpich-4.3', [tarballOf({ x: 'x' })])
  const { stamp, categories } = decodeModules(readFileSync(modulesFile(indexed)))
  assert.ok(stamp)
  assert.equal(
    categories.map(({ category, names }) => [
      category,
      names.map(({ name, stamp }) => [name, stamp !== null])
    ]),
    [
      ['apps', [['two', true]]],
      [
        'mpi',
        [
          ['mpich', false],
          ['openmpi', true]
        ]
      ]
    ]
  )
})

stale('is noticed when the index was settled', async () => {
  const { store, ids } = await twoRecords()
  await setTimeout(SETTLING_MS)
  await rebuildIndex(store)
  await writeRef(store.root, parseModuleName('lib/x-1'), ids[0], { replace: true })
  assert.equal(await recordsIn(store), { 'lib/x-1': formatCid(ids[0]) })
})

stale('is noticed when somebody sets the times of a folder back', async () => {
  const { store } = await settledStore()
  const folder = join(store.root, 'refs/modules/mpi/mpich')
  const { atime, mtime } = statSync(folder)
  const other = formatCid(readRef(store.root, parseModuleName('mpi/openmpi-4.1.6'))!)
  writeFileSync(join(folder, 'new'), `${other}\n`)
  renameSync(join(folder, 'new'), join(folder, '4.2'))
  utimesSync(folder, atime, mtime)
  assert.is((await recordsIn(store))['mpi/mpich-4.2'], other)
})

for (const [what, script, left] of [
  ['a version', 'rm mpi/mpich/4.2', ['apps/two-1.0', 'mpi/openmpi-4.1.6']],
  ['a name', 'rm -r mpi/mpich', ['apps/two-1.0', 'mpi/openmpi-4.1.6']],
  ['a category', 'rm -r mpi', ['apps/two-1.0']],
  ['everything', 'rm -r mpi apps', []]
] as const)
  stale(`is noticed when ${what} is removed by hand`, async () => {
    const { store } = await settledStore()
    bash(`cd "$1/refs/modules"; ${script}`, store.root)
    assert.equal(Object.keys(await recordsIn(store)), left)
  })

stale('is noticed when refs are copied in, times and all', async () => {
  const [from, to] = [await settledStore(), await settledStore()]
  await importInto(from.store, 'lib/new-1', [tarballOf({ new: 'new' })])
  bash('cp -a --force "$1/refs" "$1/blobs" "$2/"', from.store.root, to.store.root)
  assert.equal(await recordsIn(to.store), await recordsIn(from.store))
  assert.ok((await recordsIn(to.store))['lib/new-1'])
})

stale('is noticed in a copy of a whole store', async () => {
  const { store } = await settledStore()
  const copy = `${store.root}-copy`
  bash('cp -a "$1" "$2"; rm "$2/refs/modules/mpi/mpich/4.2"', store.root, copy)
  const there = { ...store, root: copy, searched: [{ root: copy, profile: store.profile }] }
  assert.equal(Object.keys(await recordsIn(there)), ['apps/two-1.0', 'mpi/openmpi-4.1.6'])
})

stale('is repaired by the command that finds it, and then left alone', async () => {
  const indexed = await settledStore()
  bash('rm -r "$1/refs/modules/mpi/mpich"', indexed.store.root)
  await setTimeout(SETTLING_MS)
  const before = readFileSync(modulesFile(indexed))
  await recordsIn(indexed.store)
  const after = readFileSync(modulesFile(indexed))
  assert.not.equal(after, before)
  assert.not.ok(after.includes('mpich'))
  const { ino } = statSync(modulesFile(indexed))
  await recordsIn(indexed.store)
  assert.is(statSync(modulesFile(indexed)).ino, ino)
})

stale('never covers a missing layer, and layers published without the database are found', async () => {
  const { store, index, look } = await indexedStore()
  // The same state as if another process had held the database during this import.
  bash('mv "$1" "$1.away"', index)
  await importInto(store, 'lib/late-1', [tarballOf({ 'bin/late': 'late' })])
  bash('rm -r "$1"; mv "$1.away" "$1"', index)
  assert.equal(look('provides', 'bin/late'), { providers: ['lib/late-1 bin/late file'], unsearched: [] })
})

stale.run()
