import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { writeSettings } from '../../../store/disk/settings-file.ts'
import { forgetCredentials, saveCredentials } from '../../../store/registry/credentials.ts'
import { compose, composeFails } from '../../helpers/compose.ts'
import { needing } from '../../helpers/needs.ts'
import { refused } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'

const settings = suite('settings')
const asRoot = needing(settings, 'root')

const OTHER = 12_345

/** A home of another user, with what that user placed there. */
function homeOf(uid: number, place: (home: string) => void = () => {}): string {
  const folder = scratch()
  chmodSync(folder, 0o755)
  const home = join(folder, 'home')
  mkdirSync(home, { mode: 0o755 })
  place(home)
  for (const name of readdirSync(home))
    lstatSync(join(home, name)).isDirectory() && chownSync(join(home, name), uid, uid)
  chownSync(home, uid, uid)
  return home
}

/** A folder of root, which another user wants root to write to. */
function target(): string {
  const folder = join(scratch(), 'etc')
  mkdirSync(folder)
  writeFileSync(join(folder, 'remotes'), 'site registry.example.org/site\n')
  writeFileSync(join(folder, 'auth.json'), '{"credHelpers": {"registry.example.org": "evil"}}')
  return folder
}

const ADD = ['remote', 'add', 'new', '127.0.0.1:1/site']

asRoot('are not written through links that another user placed, nor into folders of that user', async () => {
  const { root } = await newStore()
  const folder = target()
  const before = readdirSync(folder).map(name => readFileSync(join(folder, name), 'utf8'))
  const homes = [
    homeOf(OTHER),
    homeOf(OTHER, home => mkdirSync(join(home, '.config'))),
    homeOf(OTHER, home => symlinkSync(folder, join(home, '.config'))),
    homeOf(OTHER, home => symlinkSync(join(folder, 'not-there'), join(home, '.config'))),
    homeOf(OTHER, home => {
      mkdirSync(join(home, '.config'))
      symlinkSync(folder, join(home, '.config/strata'))
    })
  ]
  for (const HOME of homes) {
    const inside = readdirSync(HOME, { recursive: true })
    const { code, hint } = composeFails(root, ADD, 51, { env: { HOME } })
    assert.is(code, 'FOLDER_UNSAFE')
    assert.match(hint ?? '', 'sudo -i')
    assert.equal(readdirSync(HOME, { recursive: true }), inside)
  }
  assert.equal(
    readdirSync(folder).map(name => readFileSync(join(folder, name), 'utf8')),
    before
  )
})

asRoot(
  'with passwords are neither written to another user nor told to the helper that the user names',
  () => {
    const folder = target()
    const credentials = { username: 'me', password: 'secret' }
    const linked = homeOf(OTHER, home => symlinkSync(folder, join(home, 'containers')))
    const searched = [
      { authFile: join(homeOf(OTHER), '.config/containers/auth.json'), environment: {} },
      { authFile: join(linked, 'containers/auth.json'), environment: {} },
      { environment: { XDG_RUNTIME_DIR: homeOf(OTHER) } },
      { environment: { XDG_RUNTIME_DIR: linked } }
    ]
    for (const found of searched) {
      const save = () => saveCredentials('registry.example.org', credentials, found)
      refused(save, 'FOLDER_UNSAFE', /belongs to user 12345/)
    }
    refused(() => forgetCredentials('registry.example.org', searched[3]), 'FOLDER_UNSAFE', /./)
    assert.match(readFileSync(join(folder, 'auth.json'), 'utf8'), 'evil')
  }
)

asRoot('are not written by root into a folder that others can write to', () => {
  const folder = scratch()
  chmodSync(folder, 0o777)
  const { hint } = refused(
    () => writeSettings(join(folder, 'a/b'), 'x'),
    'FOLDER_UNSAFE',
    /others may write to/
  )
  assert.is(hint, `chmod go-w ${folder}`)
  assert.equal(readdirSync(folder), [])
})

settings('of one’s own are written, whole and for oneself alone, in place of a link', async () => {
  const { root } = await newStore()
  const folder = target()
  const home = scratch()
  mkdirSync(join(home, '.config/strata'), { recursive: true })
  symlinkSync(join(folder, 'remotes'), join(home, '.config/strata/remotes'))
  assert.is(compose(root, ADD, { env: { HOME: home } }).status, 0)
  const file = join(home, '.config/strata/remotes')
  assert.ok(lstatSync(file).isFile())
  assert.is(lstatSync(file).mode & 0o777, 0o600)
  assert.match(readFileSync(file, 'utf8'), /site registry.example.org\/site\nnew 127.0.0.1:1\/site\n/)
  assert.equal(readdirSync(join(home, '.config/strata')), ['remotes'])
})

settings.run()
