import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { findModule } from '../../../store/lookup/find-module.ts'
import { removeAlias, writeAlias } from '../../../store/module/aliases.ts'
import { readDefault, removeDefault, writeDefault } from '../../../store/module/defaults.ts'
import { formatModuleName, parseModuleName, parseModuleRequest } from '../../../store/module/name.ts'
import { openRepository } from '../../../store/repository/open-repository.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import { quickStore } from '../../helpers/quick-store.ts'
import { refused, refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'

const notes = suite('defaults and aliases')

const MODULES = {
  'mpi/openmpi-2.1': {},
  'mpi/openmpi-2.4': {},
  'mpi/openmpi-3.0': {},
  'mpi/openmpi-4.0': { hidden: true }
}

const find = async (store: Repository, word: string): Promise<string> =>
  formatModuleName((await findModule(store, parseModuleRequest(word))).name)

notes('a name, and a part of a version that it fits, stand for the default', async () => {
  const root = scratch()
  const store = await quickStore(root, MODULES)
  assert.is(await find(store, 'mpi/openmpi'), 'mpi/openmpi-3.0')
  await writeDefault(root, parseModuleName('mpi/openmpi-2.1'))
  assert.is(readFileSync(join(root, 'refs/defaults/mpi/openmpi'), 'utf8'), '2.1\n')
  assert.is(await find(store, 'mpi/openmpi'), 'mpi/openmpi-2.1')
  assert.is(await find(store, 'mpi/openmpi-2'), 'mpi/openmpi-2.1')
  assert.is(await find(store, 'mpi/openmpi-2.4'), 'mpi/openmpi-2.4')
  assert.is(await find(store, 'mpi/openmpi-3'), 'mpi/openmpi-3.0')
  assert.ok(await removeDefault(root, parseModuleRequest('mpi/openmpi')))
  assert.not.ok(await removeDefault(root, parseModuleRequest('mpi/openmpi')))
  assert.is(await find(store, 'mpi/openmpi'), 'mpi/openmpi-3.0')
})

notes(
  'a default that is hidden is taken all the same, one that is not published is passed over',
  async () => {
    const root = scratch()
    const store = await quickStore(root, MODULES)
    await writeDefault(root, parseModuleName('mpi/openmpi-4.0'))
    assert.is(await find(store, 'mpi/openmpi'), 'mpi/openmpi-4.0')
    await writeDefault(root, parseModuleName('mpi/openmpi-9'))
    assert.is(await find(store, 'mpi/openmpi'), 'mpi/openmpi-3.0')
  }
)

notes(
  'the versions of all stores are looked at together, and a version in two is the first one’s',
  async () => {
    const [one, two] = [scratch(), scratch()]
    await quickStore(one, { 'lib/a-1': {}, 'lib/a-2': {} })
    await quickStore(two, { 'lib/a-2': {}, 'lib/a-3': {} })
    const store = await openRepository({ store: one, path: two })
    assert.is(await find(store, 'lib/a'), 'lib/a-3')
    assert.is((await findModule(store, parseModuleRequest('lib/a-2'))).store.root, one)
    await writeDefault(two, parseModuleName('lib/a-2'))
    assert.is(await find(store, 'lib/a'), 'lib/a-2')
  }
)

notes('an alias stands for a module, with the version that was typed behind it', async () => {
  const root = scratch()
  const store = await quickStore(root, MODULES)
  await writeAlias(store, parseModuleRequest('mpi/best'), parseModuleRequest('mpi/openmpi'))
  assert.is(await find(store, 'mpi/best'), 'mpi/openmpi-3.0')
  assert.is(await find(store, 'mpi/best-2'), 'mpi/openmpi-2.4')
  await writeAlias(store, parseModuleRequest('mpi/best'), parseModuleRequest('mpi/openmpi-2.1'))
  assert.is(await find(store, 'mpi/best'), 'mpi/openmpi-2.1')
  assert.ok(await removeAlias(root, parseModuleRequest('mpi/best')))
  await refusedLater(find(store, 'mpi/best'), 'MODULE_UNKNOWN', /mpi\/best/)
})

notes('an alias never hides a published module, and does not lead in circles', async () => {
  const root = scratch()
  const store = await quickStore(root, { ...MODULES, 'mpi/mpich-1': {} })
  await writeAlias(store, parseModuleRequest('mpi/mpich'), parseModuleRequest('mpi/openmpi'))
  assert.is(await find(store, 'mpi/mpich'), 'mpi/mpich-1')
  await writeAlias(store, parseModuleRequest('x/a'), parseModuleRequest('x/b'))
  await writeAlias(store, parseModuleRequest('x/b'), parseModuleRequest('x/a'))
  await refusedLater(find(store, 'x/a'), 'MODULE_UNKNOWN', /x\/b/)
  await refusedLater(
    writeAlias(store, parseModuleRequest('x/a'), parseModuleRequest('x/a-1')),
    'USAGE',
    /itself/
  )
  await refusedLater(
    writeAlias(store, parseModuleRequest('x/a-1'), parseModuleRequest('x/c')),
    'USAGE',
    /version/
  )
})

for (const [what, text] of Object.entries({
  junk: 'latest\n',
  nothing: '',
  'no newline': '2.1',
  'two lines': '2.1\n3\n'
}))
  notes(`a file with ${what} is refused with its name`, async () => {
    const root = scratch()
    await quickStore(root, MODULES)
    mkdirSync(join(root, 'refs/defaults/mpi'), { recursive: true })
    writeFileSync(join(root, 'refs/defaults/mpi/openmpi'), text)
    refused(
      () => readDefault(root, parseModuleRequest('mpi/openmpi')),
      'MANIFEST_INVALID',
      /refs\/defaults\/mpi\/openmpi/
    )
    await writeDefault(root, parseModuleName('mpi/openmpi-2.1'))
    assert.is(readDefault(root, parseModuleRequest('mpi/openmpi')), '2.1')
  })

notes('a folder that is a link is not followed, to read or to write', async () => {
  const root = scratch()
  const outside = scratch()
  await quickStore(root, MODULES)
  symlinkSync(outside, join(root, 'refs/defaults'))
  refused(() => readDefault(root, parseModuleRequest('mpi/openmpi')), 'STORE_FOLDER', /symbolic link/)
  await refusedLater(writeDefault(root, parseModuleName('mpi/openmpi-2.1')), 'STORE_FOLDER', /symbolic link/)
})

notes.run()
