/** Settings, logins, certificates and lists of offers that lie in the home of another user, whose HOME root inherits. */
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as assert from 'uvu/assert'
import { findCredentials } from '../../../store/registry/credentials.ts'
import { placesOf } from '../../../store/registry/registries-conf.ts'
import { readSettings } from '../../../store/registry/settings-files.ts'
import { trustFor } from '../../../store/registry/trust.ts'
import { fileName, readCatalogue, VERSION } from '../../../store/remote/catalogue.ts'
import { parsePrefix } from '../../../store/remote/module-place.ts'
import { needing } from '../../helpers/needs.ts'
import { refused } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'

const others = suite('registry: settings of others')
const asRoot = needing(others, 'root')

const OTHER = 12_345
const HOST = 'registry.example.org'
const IMAGE = { host: HOST, repository: 'tool', tag: '1' }

/** A home with files, all of which belong to a user. */
function homeOf(uid: number, files: Record<string, string>): string {
  const above = scratch()
  chmodSync(above, 0o755)
  const home = join(above, 'home')
  mkdirSync(home)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(home, path)), { recursive: true })
    writeFileSync(join(home, path), text)
  }
  for (const path of readdirSync(home, { recursive: true }) as string[]) chownSync(join(home, path), uid, uid)
  chownSync(home, uid, uid)
  return home
}

const MOVED = `[[registry]]\nprefix = "${HOST}"\nlocation = "evil.example.org"\ninsecure = true\n`
const AUTHORITY = '-----BEGIN CERTIFICATE-----\n'

asRoot('decide neither where root’s images come from, nor which authorities and programs root trusts', () => {
  const CONF = '.config/containers'
  const at = (files: Record<string, string>) => ({
    HOME: homeOf(OTHER, files),
    XDG_RUNTIME_DIR: '/nonexistent'
  })
  const believes = /not believed as root: .* belongs to user 12345/
  for (const name of ['registries.conf', 'registries.conf.d/1.conf']) {
    const environment = at({ [`${CONF}/${name}`]: MOVED })
    refused(() => placesOf(IMAGE, environment), 'FOLDER_UNSAFE', believes)
  }
  const certificates = { tlsCa: [], environment: at({ [`${CONF}/certs.d/${HOST}/ca.crt`]: AUTHORITY }) }
  refused(() => trustFor(HOST, certificates, { insecure: false }), 'FOLDER_UNSAFE', believes)
  for (const text of [{ credsStore: 'evil' }, { credHelpers: { [HOST]: 'evil' } }]) {
    const environment = at({ '.docker/config.json': JSON.stringify(text) })
    refused(() => findCredentials(IMAGE, { environment }), 'FOLDER_UNSAFE', believes)
  }
})

asRoot('are read by root where root wrote them, and a mere login wherever it lies', () => {
  const own = { HOME: homeOf(0, { '.config/containers/registries.conf': MOVED }) }
  assert.is(placesOf(IMAGE, own)[0].host, 'evil.example.org')
  const linked = homeOf(0, { '.config/containers/x': '' })
  const theirs = homeOf(OTHER, { 'registries.conf': MOVED })
  symlinkSync(join(theirs, 'registries.conf'), join(linked, '.config/containers/registries.conf'))
  refused(() => placesOf(IMAGE, { HOME: linked }), 'FOLDER_UNSAFE', /belongs to user 12345/)
  const auth = Buffer.from('me:secret').toString('base64')
  const text = JSON.stringify({ auths: { [HOST]: { auth } } })
  const environment = {
    HOME: homeOf(OTHER, { '.docker/config.json': text }),
    XDG_RUNTIME_DIR: '/nonexistent'
  }
  assert.equal(findCredentials(IMAGE, { environment }), { username: 'me', password: 'secret' })
})

others('that are a pipe, or have no end, do not hold the command', () => {
  const folder = scratch()
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  refused(() => readSettings(pipe), 'SETTINGS_INVALID', /is a pipe, wanted a file/)
  refused(() => readSettings('/dev/zero'), 'SETTINGS_INVALID', /has more than 8388608 bytes/)
  assert.is(readSettings('/dev/null'), '')
  assert.is(readSettings(join(folder, 'not-there')), undefined)
  const writer = spawn('bash', ['-c', 'echo named > "$1"', 'bash', pipe])
  assert.is(readSettings(pipe, true), 'named\n')
  writer.kill()
})

asRoot('list no offers to root, and a pipe in the place of a list counts as none', () => {
  const remote = { name: 'site', prefix: parsePrefix(`${HOST}/site`), file: '/etc/strata/remotes' }
  const list = JSON.stringify({ version: VERSION, readAtSeconds: 1, modules: [], unread: ['site/app/x:1'] })
  const place = `.cache/strata/remotes/${fileName(remote)}`
  const cache = process.env.XDG_CACHE_HOME
  const seen = (uid: number, files: Record<string, string>, more = (_: string) => {}): unknown => {
    const home = homeOf(uid, files)
    for (const folder of ['.cache/strata', '.cache/strata/remotes']) chmodSync(join(home, folder), 0o700)
    more(home)
    process.env.XDG_CACHE_HOME = join(home, '.cache')
    return readCatalogue(remote)?.unread
  }
  try {
    assert.equal(seen(0, { [place]: list }), ['site/app/x:1'])
    assert.is(seen(OTHER, { [place]: list }), undefined)
    const files = { '.cache/strata/remotes/x': '' }
    const makePipe = (home: string) => void execFileSync('mkfifo', [join(home, place)])
    assert.is(seen(0, files, makePipe), undefined)
    const link = (home: string) => symlinkSync(join(homeOf(OTHER, { list }), 'list'), join(home, place))
    assert.is(seen(0, files, link), undefined)
    const none = homeOf(OTHER, {})
    process.env.XDG_CACHE_HOME = join(none, '.cache')
    assert.is(readCatalogue(remote), undefined)
    assert.is(
      lstatSync(join(none, '.cache'), { throwIfNoEntry: false }),
      undefined,
      'nothing is made to read'
    )
  } finally {
    if (cache === undefined) delete process.env.XDG_CACHE_HOME
    else process.env.XDG_CACHE_HOME = cache
  }
})

others.run()
