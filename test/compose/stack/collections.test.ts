import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import {
  collectionsFolder,
  describeCollection,
  listCollections,
  restoreCollection,
  saveCollection
} from '../../../compose/stack/collections.ts'
import { addModules, purgeModules } from '../../../compose/stack/edit-stack.ts'
import { writeDefault } from '../../../store/module/defaults.ts'
import { parseModuleName, parseModuleRequest } from '../../../store/module/name.ts'
import { quickNames, quickStore } from '../../helpers/quick-store.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'

const collections = suite('collections')

const project = async () => {
  const root = scratch()
  const store = await quickStore(root, { 'lib/a-1': {}, 'lib/a-2': {}, 'lib/b-1': {}, 'lib/b-2': {} })
  return { root, store, file: join(scratch(), 'stack.yaml'), folder: join(scratch(), 'strata/collections') }
}

collections('come back with their comments; full names stay, short ones follow the default', async () => {
  const { root, store, file, folder } = await project()
  const text = '# mine\nmodules:\n  - lib/a-1 # pinned\n  - lib/b\nfor: everyone\n'
  writeFileSync(file, text)
  await saveCollection(file, 'mine', folder)
  await purgeModules(store, file)
  await addModules(store, file, [parseModuleRequest('lib/a-2')])
  await writeDefault(root, parseModuleName('lib/a-2'))
  await writeDefault(root, parseModuleName('lib/b-1'))
  const { modules } = await restoreCollection(store, file, 'mine', folder)
  assert.equal(quickNames(modules), ['lib/a-1', 'lib/b-1'])
  assert.is(readFileSync(file, 'utf8'), text)
})

collections('that do not resolve any more change nothing', async () => {
  const { store, file, folder } = await project()
  writeFileSync(file, 'modules:\n  - lib/gone\n')
  await saveCollection(file, 'old', folder)
  await purgeModules(store, file)
  await addModules(store, file, [parseModuleRequest('lib/a')])
  const before = readFileSync(file, 'utf8')
  await refusedLater(restoreCollection(store, file, 'old', folder), 'MODULE_UNKNOWN', /lib\/gone/)
  assert.is(readFileSync(file, 'utf8'), before)
})

collections('are listed and described as they were typed', async () => {
  const { store, file, folder } = await project()
  assert.equal(await listCollections(folder), [])
  await addModules(store, file, ['lib/b-1', 'lib/a'].map(parseModuleRequest))
  await saveCollection(file, 'two', folder)
  await saveCollection(file, 'default', folder)
  writeFileSync(join(folder, 'stray.txt'), '')
  assert.equal(await listCollections(folder), ['default', 'two'])
  assert.equal(await describeCollection('two', folder), ['lib/b-1', 'lib/a'])
})

collections('are not saved empty, and not under a name that leads elsewhere', async () => {
  const { store, file, folder } = await project()
  await refusedLater(saveCollection(file, 'x', folder), 'STACK_INVALID', /empty collection/)
  await addModules(store, file, [parseModuleRequest('lib/a')])
  for (const name of ['../x', 'a/b', '.x', 'a.b', '', '-x'])
    await refusedLater(saveCollection(file, name, folder), 'USAGE', /is not a valid name for a collection/)
  assert.not.ok(existsSync(folder))
})

collections('that do not exist are an error that lists the existing ones', async () => {
  const { store, file, folder } = await project()
  await addModules(store, file, [parseModuleRequest('lib/a')])
  await saveCollection(file, 'there', folder)
  const error = await refusedLater(
    restoreCollection(store, file, 'here', folder),
    'COLLECTION_UNKNOWN',
    /"here" does not exist/
  )
  assert.equal(error.facts.saved, ['there'])
})

collections('lie where the XDG specification puts configuration', () => {
  assert.is(collectionsFolder({ XDG_CONFIG_HOME: '/etc/x' }), '/etc/x/strata/collections')
  assert.match(collectionsFolder({ XDG_CONFIG_HOME: 'relative' }), /\/\.config\/strata\/collections$/)
})

collections.run()
