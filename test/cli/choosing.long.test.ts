import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { atAllSize } from '../helpers/needs.ts'
import { quickStore } from '../helpers/quick-store.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'

/** The words of the commands, as a user types and reads them. */

const main = fileURLToPath(new URL('../../cli/main.js', import.meta.url))
const choosing = suite<{ folder: string; store: string }>('choosing modules')
const long = atAllSize(choosing)

choosing.before.each(async context => {
  context.store = scratch()
  context.folder = scratch()
  await quickStore(context.store, {
    'base/os-12': { kind: 'base' },
    'mpi/openmpi-4.1': { family: 'mpi', requires: ['lib/ucx'] },
    'mpi/openmpi-5.0': {
      family: 'mpi',
      requires: ['lib/ucx'],
      deprecated: { date: '2026-01-01', text: 'use 4' }
    },
    'mpi/mpich-4.2': { family: 'mpi' },
    'lib/ucx-1.16': {},
    'app/vasp-6.4': { kind: 'application', requires: ['mpi/openmpi < 5'] },
    'app/foe-1': { conflicts: ['app/vasp'] },
    'lib/secret-1': { hidden: true },
    'base/other-3': { kind: 'base' },
    'base/site-1': { kind: 'base', requires: ['base/os'] }
  })
})

interface Ran {
  status: number | null
  out: string
  said: string
}

function compose({ folder, store }: { folder: string; store: string }, ...words: string[]): Ran {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...words], {
    cwd: folder,
    encoding: 'utf8',
    env: {
      ...process.env,
      COMPOSE_STORE: store,
      COMPOSE_PATH: '',
      COMPOSE_STACK: '',
      XDG_CONFIG_HOME: join(folder, 'config')
    }
  })
  return { status, out: stdout, said: stderr }
}

long('a second base is noted when it is added, unless it requires the first', context => {
  assert.is(compose(context, 'add', 'base/site').said, 'base/os-12 is added too: required by base/site-1\n')
  const { said, status } = compose(context, 'add', 'base/other')
  assert.is(status, 0)
  assert.match(said, /^2 bases are in the stack: base\/other-3, base\/site-1\. /)
  assert.is(compose(context, 'add', 'lib/ucx').said, '')
})

choosing('adds, lists, replaces and removes in words that users of module know', context => {
  assert.equal(compose(context, 'list').out, 'No modules loaded\n')
  const added = compose(context, 'load', 'base/os', 'mpi/openmpi')
  assert.equal(added, {
    status: 0,
    out: '',
    said: 'lib/ucx-1.16 is added too: required by mpi/openmpi-5.0\nmpi/openmpi-5.0 is deprecated (2026-01-01): use 4\n'
  })
  assert.is(
    compose(context, 'list').out,
    `
Currently Loaded Modules:
  1) base/os-12     2) lib/ucx-1.16 (A)     3) mpi/openmpi-5.0 (X)

  Where:
   A:  Added automatically, others require it
   X:  Deprecated, see compose show

`.replace(/ {5}/g, '   ')
  )
  assert.is(
    compose(context, 'add', 'app/vasp').said,
    'The following have been reloaded with a version change:\n  1) mpi/openmpi-5.0 => mpi/openmpi-4.1\n'
  )
  assert.is(compose(context, 'list', '-t').out, 'base/os-12\nlib/ucx-1.16\nmpi/openmpi-4.1\napp/vasp-6.4\n')
  assert.is(compose(context, 'unload', 'app/vasp', 'app/none').said, '"app/none" is not loaded.\n')
  assert.is(
    compose(context, 'add', 'mpi/mpich').said,
    'compose is automatically replacing "mpi/openmpi-4.1" with "mpi/mpich-4.2".\nlib/ucx-1.16 is removed too: nothing requires it any more\n'
  )
  assert.is(
    readFileSync(join(context.folder, 'stack.yaml'), 'utf8'),
    'modules:\n  - base/os\n  - mpi/mpich\n'
  )
})

long('ends with a status and a hint for an impossible edit', context => {
  compose(context, 'add', 'app/vasp')
  const unknown = compose(context, 'add', 'mpi/opnmpi')
  assert.is(unknown.status, 14)
  assert.match(
    unknown.said,
    /The following module\(s\) are unknown: "mpi\/opnmpi"\n {2}did you mean: mpi\/openmpi\n/
  )
  const foe = compose(context, 'add', 'app/foe')
  assert.is(foe.status, 43)
  assert.match(
    foe.said,
    /Cannot load module "app\/foe-1" because these module\(s\) are loaded: app\/vasp-6.4/
  )
  const swap = compose(context, 'swap', 'base/os', 'app/foe')
  assert.is(swap.status, 14)
  assert.match(swap.said, /Swap failed: "base\/os" is not loaded\./)
  assert.is(compose(context, 'add').status, 2)
  const json = compose(context, '--json', 'add', 'app/foe')
  assert.is(JSON.parse(json.out).error.code, 'MODULE_CONFLICT')
})

long('saves and restores under names, in the configuration of the user', context => {
  compose(context, 'add', 'base/os', 'mpi/openmpi-4')
  assert.is(compose(context, 'save', 'work').said, 'Saved current collection of modules to: "work"\n')
  assert.ok(existsSync(join(context.folder, 'config/strata/collections/work.yaml')))
  compose(context, 'purge')
  assert.not.ok(existsSync(join(context.folder, 'stack.lock')))
  assert.match(compose(context, 'restore', 'work').said, /^Restoring modules from user's work\n/)
  assert.is(compose(context, 'list', '-t').out, 'base/os-12\nlib/ucx-1.16\nmpi/openmpi-4.1\n')
  assert.is(compose(context, 'savelist').out, 'Named collection list :\n  1) work\n')
  assert.match(
    compose(context, 'describe', 'work').out,
    /^Collection "work" contains: \n +1\) base\/os +2\) mpi\/openmpi-4\n$/
  )
  assert.is(compose(context, 'restore').status, 14)
})

long('sets defaults and aliases, and accepts hidden modules with --hidden', context => {
  assert.is(compose(context, 'default', 'mpi/openmpi-4').out, 'mpi/openmpi is mpi/openmpi-4.1\n')
  assert.is(compose(context, 'default', 'mpi/openmpi').out, 'mpi/openmpi-4.1\n')
  assert.is(compose(context, 'alias', 'mpi/best', 'mpi/openmpi').out, 'mpi/best stands for mpi/openmpi\n')
  compose(context, 'add', 'mpi/best')
  assert.is(readFileSync(join(context.folder, 'stack.yaml'), 'utf8'), 'modules:\n  - mpi/openmpi\n')
  assert.is(compose(context, 'list', '-t').out, 'lib/ucx-1.16\nmpi/openmpi-4.1\n')
  assert.is(compose(context, 'alias', 'mpi/mpich', 'mpi/openmpi').status, 15)
  assert.is(compose(context, 'default', 'mpi/openmpi-9').status, 14)
  compose(context, 'default', 'mpi/openmpi', '--unset')
  assert.match(compose(context, 'update').said, /mpi\/openmpi-4.1 => mpi\/openmpi-5.0/)
  assert.is(compose(context, 'add', 'lib/secret').status, 14)
  assert.is(compose(context, 'add', '--hidden', 'lib/secret').status, 0)
  assert.match(compose(context, 'list').out, /lib\/secret-1 \(H\)/)
})

long('keeps a hidden module in later edits', context => {
  compose(context, 'add', '--hidden', 'lib/secret')
  assert.is(readFileSync(join(context.folder, 'stack.yaml'), 'utf8'), 'modules:\n  - lib/secret-1\n')
  rmSync(join(context.folder, 'stack.lock'))
  assert.is(compose(context, 'add', 'base/os').status, 0)
  assert.is(compose(context, 'list', '-t').out, 'base/os-12\nlib/secret-1\n')
})

choosing('gives one JSON document', context => {
  const change = JSON.parse(compose(context, '--json', 'add', 'app/vasp').out)
  assert.equal(
    change.modules.map(({ module }: { module: string }) => module),
    ['lib/ucx-1.16', 'mpi/openmpi-4.1', 'app/vasp-6.4']
  )
  const listed = JSON.parse(compose(context, '--json', 'list').out)
  assert.is(listed.modules[0].automatic, true)
  assert.is(listed.modules[2].automatic, false)
})

choosing('works on another stack file, whose lock lies beside it', context => {
  mkdirSync(join(context.folder, 'deep'))
  writeFileSync(join(context.folder, 'deep/chem.yml'), '# chem\nmodules: []\n')
  assert.is(compose(context, '--stack', 'deep/chem.yml', 'add', 'base/os').status, 0)
  assert.is(readFileSync(join(context.folder, 'deep/chem.yml'), 'utf8'), '# chem\nmodules:\n  - base/os\n')
  assert.ok(existsSync(join(context.folder, 'deep/chem.lock')))
  assert.not.ok(existsSync(join(context.folder, 'stack.yaml')))
})

choosing('leaves a lock alone that came without its stack, and tells how to keep it', context => {
  const lock = join(context.folder, 'stack.lock')
  compose(context, 'add', 'lib/ucx')
  rmSync(join(context.folder, 'stack.yaml'))
  const text = readFileSync(lock, 'utf8')
  const { status, said } = compose(context, 'add', 'base/os')
  assert.is(status, 37)
  assert.match(said, /stack\.lock is there without \S*stack\.yaml[\s\S]*mv \S*stack\.lock NAME\.lock/)
  assert.is(readFileSync(lock, 'utf8'), text)
  assert.not.ok(existsSync(join(context.folder, 'stack.yaml')))
  assert.is(compose(context, 'build', 'image.sqfs', 'base/os,lib/ucx').status, 2)
  assert.match(
    compose(context, 'build', 'image.sqfs', 'base/os,lib/ucx').said,
    /each by itself: base\/os lib\/ucx/
  )
})

choosing.run()
