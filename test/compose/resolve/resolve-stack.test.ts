import * as assert from 'uvu/assert'
import { resolveStack } from '../../../compose/resolve/resolve-stack.ts'
import { parseModuleRequest } from '../../../store/module/name.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import { type QuickModule, quickNames, quickPublish, quickStore } from '../../helpers/quick-store.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'

const resolve = suite('resolve')

const names = async (store: Repository, ...words: string[]): Promise<string[]> =>
  quickNames(await resolveStack(store, words.map(parseModuleRequest)))

const storeOf = (modules: Record<string, QuickModule>): Promise<Repository> => quickStore(scratch(), modules)

const MPI = {
  'mpi/openmpi-2': {},
  'mpi/openmpi-2.1': {},
  'mpi/openmpi-2-beta': {},
  'mpi/openmpi-4.1': {},
  'mpi/openmpi-21': {}
}

resolve(
  'takes a part of a version for the highest that begins with it, never for a longer number',
  async () => {
    const store = await storeOf(MPI)
    assert.equal(await names(store, 'mpi/openmpi'), ['mpi/openmpi-21'])
    assert.equal(await names(store, 'mpi/openmpi-4'), ['mpi/openmpi-4.1'])
    assert.equal(await names(store, 'mpi/openmpi-2'), ['mpi/openmpi-2'], 'an exact version is that one')
    await refusedLater(names(store, 'mpi/openmpi-3'), 'MODULE_UNKNOWN', /unknown: "mpi\/openmpi-3"/)
  }
)

resolve('orders bases below libraries below applications, each above its requirements', async () => {
  const store = await storeOf({
    'base/os-1': { kind: 'base' },
    'lib/a-1': { requires: ['lib/b', 'base/os'] },
    'lib/b-1': { requires: ['lib/c'] },
    'lib/c-1': {},
    'app/x-1': { kind: 'application', requires: ['lib/a'] }
  })
  const order = ['base/os-1', 'lib/c-1', 'lib/b-1', 'lib/a-1', 'app/x-1']
  assert.equal(await names(store, 'app/x'), order)
  assert.equal(await names(store, 'lib/c', 'app/x', 'base/os'), order)
})

resolve('keeps the order of requests where nothing else decides', async () => {
  const store = await storeOf({ 'lib/a-1': {}, 'lib/b-1': {}, 'lib/c-1': {} })
  assert.equal(await names(store, 'lib/c', 'lib/a', 'lib/b', 'lib/a'), ['lib/c-1', 'lib/a-1', 'lib/b-1'])
})

resolve('keeps every constraint of a range', async () => {
  const versions = ['1.2', '4.0', '4.1', '4.9', '5.0']
  const ranges: Record<string, string> = {
    '>= 4.1, < 5': '4.9',
    '< 4.1': '4.0',
    '> 4.9': '5.0',
    '<= 4.1, != 4.1': '4.0',
    '= 4.1': '4.1'
  }
  for (const [range, version] of Object.entries(ranges)) {
    const modules: Record<string, QuickModule> = { 'app/x-1': { requires: [`mpi/openmpi ${range}`] } }
    for (const each of versions) modules[`mpi/openmpi-${each}`] = {}
    assert.equal(await names(await storeOf(modules), 'app/x'), [`mpi/openmpi-${version}`, 'app/x-1'], range)
  }
})

resolve(
  'steps back to an older version where the newest does not go with what another requires',
  async () => {
    const store = await storeOf({
      'lib/a-1': { requires: ['lib/c < 2'] },
      'lib/a-2': { requires: ['lib/c >= 2'] },
      'lib/b-1': { requires: ['lib/c < 2'] },
      'lib/c-1': {},
      'lib/c-2': {}
    })
    assert.equal(await names(store, 'lib/a'), ['lib/c-2', 'lib/a-2'])
    assert.equal(await names(store, 'lib/a', 'lib/b'), ['lib/c-1', 'lib/a-1', 'lib/b-1'])
  }
)

resolve('finds its way out of many independent choices without trying them all', async () => {
  const modules: Record<string, QuickModule> = {
    'lib/last-1': { requires: ['lib/first < 2'] },
    'lib/first-1': {},
    'lib/first-2': {}
  }
  const words = ['lib/first']
  for (let i = 0; i < 30; i++) {
    for (let version = 1; version <= 5; version++) modules[`lib/n${i}-${version}`] = {}
    words.push(`lib/n${i}`)
  }
  const found = await names(await storeOf(modules), ...words, 'lib/last')
  assert.is(found.length, 32)
  assert.ok(found.includes('lib/first-1'))
  assert.ok(found.includes('lib/n7-5'))
})

resolve('accepts a hidden module only by its exact name or with --hidden', async () => {
  const root = scratch()
  const store = await quickStore(root, {
    'lib/a-1': {},
    'lib/a-2': { hidden: true },
    'lib/b-1': { hidden: true }
  })
  assert.equal(await names(store, 'lib/a'), ['lib/a-1'])
  assert.equal(await names(store, 'lib/a-2'), ['lib/a-2'])
  await refusedLater(names(store, 'lib/b'), 'MODULE_UNKNOWN', /"lib\/b"/)
  assert.equal(quickNames(await resolveStack(store, [parseModuleRequest('lib/a')], { hidden: true })), [
    'lib/a-2'
  ])
})

resolve('keeps a preferred version as long as it fits', async () => {
  const store = await storeOf({ 'lib/a-1': {}, 'lib/a-2': {}, 'app/x-1': { requires: ['lib/a'] } })
  const preferred = new Map([['lib/a', '1']])
  const found = await resolveStack(store, [parseModuleRequest('app/x')], { preferred })
  assert.equal(quickNames(found), ['lib/a-1', 'app/x-1'])
  assert.equal(quickNames(await resolveStack(store, [parseModuleRequest('lib/a-2')], { preferred })), [
    'lib/a-2'
  ])
})

resolve('reports the shortest chain of reasons, without requests that have no part in it', async () => {
  const store = await storeOf({
    'app/x-1': { requires: ['lib/m'] },
    'lib/m-1': { requires: ['lib/c >= 2'] },
    'lib/c-1': {},
    'lib/c-2': {},
    'app/y-1': { requires: ['lib/c < 2'] },
    'lib/other-1': {}
  })
  const error = await refusedLater(
    names(store, 'lib/other', 'app/x', 'app/y'),
    'MODULE_CONFLICT',
    /cannot be loaded as requested: "lib\/c/
  )
  const because = error.facts.because as string[]
  assert.equal([...because].sort(), [
    'app/x is asked for',
    'app/x-1 requires lib/m',
    'app/y is asked for',
    'app/y-1 requires lib/c < 2',
    'lib/m-1 requires lib/c >= 2'
  ])
})

resolve('refuses a conflict whichever of the two names it', async () => {
  const store = await storeOf({ 'app/x-1': { conflicts: ['app/y < 2'] }, 'app/y-1': {}, 'app/y-2': {} })
  for (const words of [
    ['app/x', 'app/y-1'],
    ['app/y-1', 'app/x']
  ])
    await refusedLater(names(store, ...words), 'MODULE_CONFLICT', /because these module\(s\) are loaded: app/)
  assert.equal(await names(store, 'app/x', 'app/y'), ['app/x-1', 'app/y-2'])
})

resolve('refuses two of a family, and two versions of a name', async () => {
  const store = await storeOf({
    'mpi/a-1': { family: 'mpi' },
    'mpi/a-2': { family: 'mpi' },
    'mpi/b-1': { family: 'mpi' }
  })
  const family = await refusedLater(names(store, 'mpi/a', 'mpi/b'), 'MODULE_CONFLICT', /mpi\/b-1.*mpi\/a-/)
  assert.match(family.hint ?? '', /family mpi/)
  await refusedLater(names(store, 'mpi/a-1', 'mpi/a-2'), 'MODULE_CONFLICT', /as requested/)
})

resolve('names the existing versions if none meets a requirement', async () => {
  const store = await storeOf({
    'app/x-1': { requires: ['lib/c >= 3'] },
    'lib/c-1': {},
    'lib/c-2': {},
    'app/y-1': { requires: ['lib/none'] }
  })
  const error = await refusedLater(
    names(store, 'app/x'),
    'MODULE_CONFLICT',
    /"app\/x-1" without .*lib\/c >= 3/
  )
  assert.equal(error.facts.published, ['2', '1'])
  await refusedLater(names(store, 'app/y'), 'MODULE_CONFLICT', /without .*lib\/none/)
})

resolve('shows the shortest circle of requirements', async () => {
  const store = await storeOf({
    'lib/a-1': { requires: ['lib/b', 'lib/c'] },
    'lib/b-1': { requires: ['lib/c'] },
    'lib/c-1': { requires: ['lib/a'] }
  })
  const error = await refusedLater(names(store, 'lib/b'), 'MODULE_CONFLICT', /in a circle/)
  assert.equal([...(error.facts.because as string[])].sort(), [
    'lib/a-1 requires lib/c-1',
    'lib/c-1 requires lib/a-1'
  ])
})

resolve('suggests names that are similar to a missing one', async () => {
  const store = await storeOf(MPI)
  const error = await refusedLater(names(store, 'mpi/opnmpi'), 'MODULE_UNKNOWN', /unknown: "mpi\/opnmpi"/)
  assert.equal(error.facts['did you mean'], ['mpi/openmpi'])
})

resolve('reads large and odd records as well as plain ones', async () => {
  const root = scratch()
  const store = await quickStore(root, { 'lib/c-1': {} })
  // Text outside ASCII, and more than 4 KiB: both are left to the decoder.
  const conflicts = Array.from({ length: 300 }, (_, i) => `lib/some-other-module-${i}.0`)
  quickPublish(root, 'app/x-1', { requires: ['lib/c'], deprecated: { date: '2026-01-31', text: 'größer' } })
  quickPublish(root, 'app/y-1', { requires: ['lib/c'], conflicts })
  const [, x, y] = await resolveStack(store, ['app/x', 'app/y'].map(parseModuleRequest))
  assert.is(x.record.deprecated?.text, 'größer')
  assert.is(y.record.conflicts.length, 300)
})

resolve.run()
