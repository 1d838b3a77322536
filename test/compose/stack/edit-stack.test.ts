import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { keyOf } from '../../../compose/resolve/candidates.ts'
import {
  addModules,
  purgeModules,
  removeModules,
  type StackChange,
  swapModules,
  updateModules
} from '../../../compose/stack/edit-stack.ts'
import { loadedRequest } from '../../../compose/stack/loaded-request.ts'
import { formatLock, parseLock } from '../../../compose/stack/lock-file.ts'
import { parseModuleRequest } from '../../../store/module/name.ts'
import { parseRequirement } from '../../../store/module/requirement.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import { quickNames, quickPublish, quickStore } from '../../helpers/quick-store.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'

interface Project {
  root: string
  store: Repository
  file: string
}

const edits = suite<Project>('editing the stack')

edits.before.each(async project => {
  project.root = scratch()
  project.file = join(scratch(), 'stack.yaml')
  project.store = await quickStore(project.root, {
    'base/os-12': { kind: 'base' },
    'mpi/openmpi-4.1': { family: 'mpi', requires: ['lib/ucx'] },
    'mpi/openmpi-5.0': { family: 'mpi', requires: ['lib/ucx'] },
    'mpi/mpich-4.2': { family: 'mpi' },
    'lib/ucx-1.12': {},
    'lib/ucx-1.16': {},
    'app/vasp-6.4': { kind: 'application', requires: ['mpi/openmpi < 5'] },
    'app/old-1': { deprecated: { date: '2026-01-01', text: 'use app/vasp' } },
    'app/foe-1': { conflicts: ['app/vasp'] }
  })
})

const add = ({ store, file }: Project, ...words: string[]): Promise<StackChange> =>
  addModules(store, file, words.map(parseModuleRequest))
const remove = ({ store, file }: Project, ...words: string[]): Promise<StackChange> =>
  removeModules(store, file, words.map(parseModuleRequest))
const swap = ({ store, file }: Project, old: string, fresh: string): Promise<StackChange> =>
  swapModules(store, file, parseModuleRequest(old), parseModuleRequest(fresh))

const text = ({ file }: Project): string => readFileSync(file, 'utf8')
const lockText = ({ file }: Project): string => readFileSync(file.replace('.yaml', '.lock'), 'utf8')
const lockedNames = (project: Project): (string | undefined)[] =>
  parseLock(lockText(project), 'stack.lock').modules.map(({ name }) => name)

edits('makes a stack and its lock where there is none', async project => {
  const change = await add(project, 'base/os', 'mpi/openmpi-4')
  assert.is(text(project), 'modules:\n  - base/os\n  - mpi/openmpi-4\n')
  assert.equal(lockedNames(project), ['base/os-12', 'lib/ucx-1.16', 'mpi/openmpi-4.1'])
  assert.equal(change.alongside, [{ module: 'lib/ucx-1.16', by: 'mpi/openmpi-4.1' }])
})

edits('a range is kept as typed, and its version follows newer versions within it', async project => {
  await addModules(project.store, project.file, [parseRequirement('mpi/openmpi >= 4, < 5', 'module')])
  assert.is(text(project), 'modules:\n  - mpi/openmpi >= 4, < 5\n')
  assert.equal(lockedNames(project), ['lib/ucx-1.16', 'mpi/openmpi-4.1'])
  quickPublish(project.root, 'mpi/openmpi-4.2', { family: 'mpi' })
  await add(project, 'base/os')
  assert.equal(lockedNames(project), ['base/os-12', 'lib/ucx-1.16', 'mpi/openmpi-4.1'])
  await updateModules(project.store, project.file, [])
  assert.equal(lockedNames(project), ['base/os-12', 'mpi/openmpi-4.2'])
  await refusedLater(
    addModules(project.store, project.file, [parseRequirement('mpi/openmpi > 6', 'module')]),
    'MODULE_UNKNOWN',
    /"mpi\/openmpi > 6"/
  )
  await removeModules(project.store, project.file, [parseRequirement('mpi/openmpi >= 5', 'module')])
  assert.match(text(project), 'openmpi', 'it is not the version that was to go')
  await removeModules(project.store, project.file, [parseRequirement('mpi/openmpi < 5', 'module')])
  assert.is(text(project), 'modules:\n  - base/os\n')
})

edits('a short name is first looked up in the stack, then among published modules', async project => {
  quickPublish(project.root, 'old/ucx-1', {})
  await add(project, 'lib/ucx')
  assert.equal(keyOf(await loadedRequest(project.store, project.file, 'ucx')), 'lib/ucx')
  await refusedLater(
    loadedRequest(project.store, join(scratch(), 'stack.yaml'), 'ucx'),
    'MODULE_CHOICE',
    /2 modules/
  )
})

edits('keeps every comment and every line that an edit does not touch', async project => {
  const before = `# for the chemistry group

modules: # bottom first
  # the system
  - base/os # Debian
  - mpi/openmpi-4   # not 5: see ticket 17
  - app/vasp
# end of list
for: everyone # until March
`
  writeFileSync(project.file, before)
  await add(project, 'app/old')
  assert.is(text(project), before.replace('  - app/vasp\n', '  - app/vasp\n  - app/old\n'))
  await remove(project, 'app/old')
  assert.is(text(project), before)
  await remove(project, 'app/vasp')
  await swap(project, 'mpi/openmpi', 'mpi/mpich')
  assert.is(text(project), before.replace('  - app/vasp\n', '').replace('mpi/openmpi-4 ', 'mpi/mpich '))
})

edits('keeps comments in other forms of YAML too', async project => {
  writeFileSync(project.file, '# mine\nmodules: [base/os, "app/vasp"] # two\nfor: "everyone"\n')
  await add(project, 'app/old')
  assert.match(
    text(project),
    /^# mine\nmodules: \[ ?base\/os, "app\/vasp", app\/old ?\] # two\nfor: "everyone"\n$/
  )
  assert.ok(lockedNames(project).includes('app/old-1'))
})

edits('puts another version of a name in its place, and says so', async project => {
  await add(project, 'base/os', 'mpi/openmpi-4')
  const change = await add(project, 'mpi/openmpi-5')
  assert.equal(change.reloaded, [{ from: 'mpi/openmpi-4.1', to: 'mpi/openmpi-5.0' }])
  assert.is(text(project), 'modules:\n  - base/os\n  - mpi/openmpi-5\n')
})

edits('replaces a module of the same family, and the modules that only it required', async project => {
  await add(project, 'mpi/openmpi')
  const change = await add(project, 'mpi/mpich')
  assert.equal(change.replaced, [{ from: 'mpi/openmpi-5.0', to: 'mpi/mpich-4.2' }])
  assert.equal(change.gone, ['lib/ucx-1.16'])
  assert.equal(quickNames(change.modules), ['mpi/mpich-4.2'])
})

edits("replaces a version that a new module's requirement excludes", async project => {
  await add(project, 'mpi/openmpi-5')
  const change = await add(project, 'app/vasp')
  assert.equal(change.reloaded, [{ from: 'mpi/openmpi-5.0', to: 'mpi/openmpi-4.1' }])
  assert.is(text(project), 'modules:\n  - app/vasp\n')
})

edits('keeps a short request and gives it an older version, where that does', async project => {
  await add(project, 'mpi/openmpi')
  await add(project, 'app/vasp')
  assert.is(text(project), 'modules:\n  - mpi/openmpi\n  - app/vasp\n')
  assert.ok(lockedNames(project).includes('mpi/openmpi-4.1'))
})

edits('keeps what another requires, and what the user asked for', async project => {
  await add(project, 'lib/ucx', 'mpi/openmpi')
  assert.equal((await remove(project, 'mpi/openmpi')).gone, [])
  assert.equal(lockedNames(project), ['lib/ucx-1.16'])
  await add(project, 'mpi/openmpi')
  const { stays } = await remove(project, 'lib/ucx')
  assert.equal(stays, [{ module: 'lib/ucx-1.16', by: 'mpi/openmpi-5.0' }])
  assert.equal((await remove(project, 'mpi/openmpi')).gone, ['lib/ucx-1.16'])
  assert.is(text(project), 'modules: []\n')
  assert.not.ok(existsSync(project.file.replace('.yaml', '.lock')), 'nothing to lock')
})

edits('accepts the removal of a module that is not in the stack', async project => {
  await add(project, 'base/os')
  assert.equal((await remove(project, 'app/vasp', 'base/os-11')).notLoaded, ['app/vasp', 'base/os-11'])
  assert.equal(lockedNames(project), ['base/os-12'])
})

edits('changes nothing when it is refused', async project => {
  await add(project, 'base/os', 'app/vasp')
  const before = [text(project), lockText(project)]
  await refusedLater(add(project, 'lib/ucx', 'app/foe'), 'MODULE_CONFLICT', /app\/foe-1.*app\/vasp-6.4/)
  await refusedLater(add(project, 'mpi/mpich'), 'MODULE_CONFLICT', /family|mpich/)
  await refusedLater(add(project, 'app/none'), 'MODULE_UNKNOWN', /app\/none/)
  await refusedLater(
    swap(project, 'app/old', 'base/os'),
    'NOT_LOADED',
    /Swap failed: "app\/old" is not loaded/
  )
  await refusedLater(
    swap(project, 'mpi/openmpi', 'app/old'),
    'MODULE_CONFLICT',
    /is required by app\/vasp-6.4/
  )
  assert.equal([text(project), lockText(project)], before)
})

edits('stays with locked versions until it is updated, and then within what is asked for', async project => {
  await add(project, 'mpi/openmpi-4')
  quickPublish(project.root, 'mpi/openmpi-4.2', { family: 'mpi', requires: ['lib/ucx'] })
  quickPublish(project.root, 'lib/ucx-2.0', {})
  await add(project, 'app/old')
  assert.equal(lockedNames(project), ['app/old-1', 'lib/ucx-1.16', 'mpi/openmpi-4.1'])
  await updateModules(project.store, project.file, [parseModuleRequest('lib/ucx')])
  assert.equal(lockedNames(project), ['app/old-1', 'lib/ucx-2.0', 'mpi/openmpi-4.1'])
  const { reloaded } = await updateModules(project.store, project.file, [])
  assert.equal(reloaded, [{ from: 'mpi/openmpi-4.1', to: 'mpi/openmpi-4.2' }])
  assert.is(text(project), 'modules:\n  - mpi/openmpi-4\n  - app/old\n')
})

edits('notes new modules that are deprecated', async project => {
  assert.equal((await add(project, 'app/old')).deprecated, [
    { module: 'app/old-1', date: '2026-01-01', text: 'use app/vasp' }
  ])
  assert.equal((await add(project, 'base/os')).deprecated, [])
})

edits('keeps what the lock says of images, and its digests only while nothing changes', async project => {
  await add(project, 'base/os')
  const lock = parseLock(lockText(project), 'stack.lock')
  const path = project.file.replace('.yaml', '.lock')
  writeFileSync(
    path,
    formatLock({ ...lock, parameters: { ...lock.parameters, bare: true }, treeDigest: 'a'.repeat(64) })
  )
  await add(project, 'base/os')
  assert.is(parseLock(lockText(project), 'stack.lock').treeDigest, 'a'.repeat(64))
  await add(project, 'app/old')
  const after = parseLock(lockText(project), 'stack.lock')
  assert.is(after.treeDigest, undefined)
  assert.is(after.parameters.bare, true)
})

edits('takes the audience of the stack, else that of the modules', async project => {
  quickPublish(project.root, 'app/licensed-1', { accessGroups: [{ name: 'chem', gid: 4242 }] })
  await add(project, 'app/licensed')
  assert.is(parseLock(lockText(project), '').parameters.audience, 'group:4242')
  writeFileSync(project.file, `${text(project)}for: group:77\n`)
  await add(project, 'base/os')
  assert.is(parseLock(lockText(project), '').parameters.audience, 'group:77')
})

edits('also empties a stack that cannot be resolved any more', async project => {
  writeFileSync(project.file, '# mine\nmodules:\n  - app/vanished # gone\n')
  await purgeModules(project.store, project.file)
  assert.is(text(project), '# mine\nmodules: []\n')
  await add(project, 'base/os')
  assert.is(text(project), '# mine\nmodules:\n  - base/os\n')
})

edits('replaces a lock that cannot be read, and says so', async project => {
  await add(project, 'base/os')
  writeFileSync(project.file.replace('.yaml', '.lock'), '{')
  assert.match((await add(project, 'app/old')).lockFault ?? '', /stack\.lock: is not JSON/)
  assert.equal(lockedNames(project), ['base/os-12', 'app/old-1'])
})

edits.run()
