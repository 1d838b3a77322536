/** The section on encryption of the administrator's page, typed as it stands. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { COMPOSE, environment } from '../helpers/compose.ts'
import { atAllSize, needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { composed, composeFails } from '../helpers/warm-compose.ts'
import { commandsOf } from './pages.ts'

const encryption = suite('guides: encryption by other programs')

const SECRET = 'a licensed program that nobody else may read'

function world(): { folder: string; store: string; home: string } {
  const folder = scratch()
  const [store, home] = ['store', 'home'].map(name => join(folder, name))
  for (const name of ['base/etc', 'vasp/opt', 'home', 'bin'])
    mkdirSync(join(folder, name), { recursive: true })
  writeFileSync(join(folder, 'base/etc/os-release'), 'ID=debian\n')
  writeFileSync(join(folder, 'vasp/opt/vasp'), SECRET)
  writeFileSync(join(folder, 'bin/compose'), `#!/bin/sh\nexec "${process.execPath}" "${COMPOSE}" "$@"\n`, {
    mode: 0o755
  })
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'base/debian-12', join(folder, 'base')])
  composed(store, ['import', 'app/vasp-6.4', join(folder, 'vasp'), '--no-redistribute'])
  return { folder, store, home }
}

/** Types commands of the section, in one shell. */
function type({ folder, store, home }: ReturnType<typeof world>, commands: string[]): string {
  const { PATH } = process.env
  const { status, stdout, stderr } = spawnSync('bash', ['-euo', 'pipefail', '-c', commands.join('\n')], {
    cwd: home,
    env: environment(store, { PATH: `${join(folder, 'bin')}:${PATH}`, HOME: home }),
    encoding: 'utf8'
  })
  assert.is(status, 0, `${stdout}${stderr}`)
  return stdout
}

/** The blocks before and behind the first command that builds. */
function blocks(): [exported: string[], built: string[]] {
  const commands = commandsOf('spec/administrator.md', 'Encryption')
  const second = commands.findIndex(command => command.startsWith('compose build'))
  return [commands.slice(0, second), commands.slice(second)]
}

needing(
  encryption,
  'age',
  'age-keygen'
)('by age: the tarballs of a module come back, and nobody else reads them', () => {
  const there = world()
  const [exported] = blocks()
  assert.is(exported.length, 4)
  assert.match(type(there, exported), /layer\.tar$/m)
  const closed = readFileSync(join(there.home, 'vasp-6.4.tar.age'))
  assert.match(closed.toString('latin1', 0, 30), 'age-encryption.org/v1')
  assert.not.ok(closed.includes(SECRET))
  bash('cd "$1"; mkdir back; age -d -i backup.key vasp-6.4.tar.age | tar -C back -x', there.home)
  const [back, out] = ['back', 'vasp-out'].map(name => readFileSync(join(there.home, name, 'layer.tar')))
  assert.ok(back.equals(out) && back.includes(SECRET))
})

atAllSize(needing(encryption, 'skopeo', 'openssl'))(
  'by skopeo: an image of modules is read with the key alone, and told apart by import',
  () => {
    const there = world()
    const [, built] = blocks()
    assert.is(built.length, 5)
    type(there, built)
    const refused = composeFails(
      there.store,
      ['import', 'base/closed-1', join(there.home, 'vasp-closed')],
      29
    )
    assert.match(refused.message, 'encrypted')
    composed(there.store, ['import', 'base/open-1', join(there.home, 'vasp-open')])
    const manifest = (name: string) =>
      readFileSync(join(there.home, name, 'index.json'), 'utf8').match(/sha256:\w+/)![0]
    assert.is(manifest('vasp-open'), manifest('vasp-oci'))
    assert.is.not(manifest('vasp-closed'), manifest('vasp-oci'))
  }
)

encryption.run()
