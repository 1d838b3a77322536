import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { openRepository } from '../../../store/repository/open-repository.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import { atAllSize } from '../../helpers/needs.ts'
import { age, collect, isWhole, tarballs } from '../../helpers/old-store.ts'
import { scratch } from '../../helpers/scratch.ts'
import { importInto, newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'
import { composed } from '../../helpers/warm-compose.ts'

/** Packed layers that `compose build --format oci` kept: blobs, notes, notes of checks. */
const packed = suite('gc: packed layers')
const long = atAllSize(packed)

function buildLayout(store: Repository, modules: string[], path = ''): { used: number; kept: number } {
  const layout = join(scratch(), 'layout')
  const args = ['build', layout, ...modules, '--format', 'oci', '--on-conflict', 'upper']
  return composed(store.root, args, { env: { COMPOSE_PATH: path } }).cache
}

const kept = (store: Repository): string[] =>
  readdirSync(join(store.root, 'oci'), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(({ name }) => name)

async function storeWithTwo(): Promise<{ store: Repository; tars: string[] }> {
  const store = await newStore()
  const tars = tarballs(2)
  await importInto(store, 'base/a-1', [tars[0]])
  await importInto(store, 'lib/b-1', [tars[1]])
  return { store, tars }
}

long('stay while a build asks for them within 30 days, and go after that', async () => {
  const { store, tars } = await storeWithTwo()
  assert.equal(buildLayout(store, ['base/a', 'lib/b']), { used: 0, kept: 2 })
  const before = kept(store)
  assert.is(before.length, 6, 'two blobs, each with two notes')
  age(store.root, 29, 'oci')
  await collect(store)
  assert.equal(kept(store), before)
  assert.equal(buildLayout(store, ['base/a']), { used: 1, kept: 0 })
  age(store.root, 31, 'refs', 'blobs', 'data', 'parts', 'objects')
  assert.equal(buildLayout(store, ['base/a', 'lib/b']), { used: 2, kept: 0 })
  await collect(store)
  assert.equal(kept(store), before, 'the last build renewed their times')
  age(store.root, 31, 'oci')
  const told = await collect(store, { dryRun: true })
  const { freed } = await collect(store)
  assert.equal(told.freed, freed)
  assert.is(freed.objects.files, 6)
  assert.equal(kept(store), [])
  await isWhole(store, 'base/a-1', tars[0])
  assert.equal(buildLayout(store, ['base/a', 'lib/b']), { used: 0, kept: 2 })
})

packed('are removed with an unneeded layer, also those above it', async () => {
  const { store } = await storeWithTwo()
  buildLayout(store, ['lib/b'])
  buildLayout(store, ['base/a', 'lib/b'])
  assert.is(kept(store).length, 9)
  composed(store.root, ['unpublish', 'base/a-1'])
  age(store.root, 3, 'refs', 'blobs', 'data', 'parts', 'objects', 'oci', 'tmp')
  await collect(store, { olderThanSeconds: 86_400 })
  assert.is(kept(store).length, 3, 'that of lib/b alone')
  assert.equal(buildLayout(store, ['lib/b']), { used: 1, kept: 0 })
})

packed('of layers in another store stay, for there they are needed', async () => {
  const { store } = await storeWithTwo()
  const own = await newStore()
  assert.equal(buildLayout(own, ['base/a', 'lib/b'], store.root), { used: 0, kept: 2 })
  age(own.root, 3, 'oci')
  const both = await openRepository({ store: own.root, path: store.root })
  await collect(both)
  assert.is(kept(own).length, 6)
  await collect(await openRepository({ store: own.root, path: '' }))
  assert.is(kept(own).length, 0, 'nobody knows these layers any more')
})

packed('are removed with --objects, except within the grace period', async () => {
  const { store } = await storeWithTwo()
  buildLayout(store, ['base/a', 'lib/b'])
  await collect(store, { objects: true })
  assert.is(kept(store).length, 6)
  age(store.root, 1, 'oci')
  await collect(store, { objects: true })
  assert.is(kept(store).length, 0)
})

packed('that a killed build left without a note go', async () => {
  const { store } = await storeWithTwo()
  buildLayout(store, ['base/a'])
  const [folder] = readdirSync(join(store.root, 'oci'))
  const [start] = readdirSync(join(store.root, 'oci', folder))
  const names = readdirSync(join(store.root, 'oci', folder, start))
  rmSync(join(store.root, 'oci', folder, start, names.find(name => name.endsWith('.json'))!))
  age(store.root, 2, 'oci')
  await collect(store)
  assert.equal(kept(store), [])
})

packed.run()
