/** The image of a lock, which others pull from a registry or an archive and run. */
import { execFileSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { smallBase } from '../compose/runtime-files/small-base.ts'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { startRegistry, stopRegistries } from '../helpers/registry.ts'
import { homeIn, podmanAs, podmanOptions } from '../helpers/runtimes.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { composed } from '../helpers/warm-compose.ts'

const tests = suite('registry: what was pushed runs elsewhere')
tests.after(stopRegistries)

/** A lock of a base and an application, with a start script. */
function newSite(): { folder: string; home: string; store: string; options: object } {
  const folder = scratch()
  const store = join(folder, 'store')
  const options = { cwd: folder, env: { XDG_CONFIG_HOME: folder, XDG_CACHE_HOME: folder } }
  chmodSync(folder, 0o755)
  bash(
    `cd "$1"; mkdir -p app/opt/app; echo of the app > app/opt/app/file
    printf 'runscript: |\\n  echo "run with $#: $*"\\n' > app.yaml`,
    folder
  )
  composed(store, ['init', '--level', '1'], options)
  composed(store, ['import', 'base/small-1', smallBase()], options)
  composed(store, ['import', 'app/app-1', join(folder, 'app'), '--spec', 'app.yaml'], options)
  composed(store, ['lock', 'base/small', 'app/app', '-o', 'stack.lock'], options)
  return { folder, home: homeIn(folder), store, options }
}

needing(
  tests,
  'root',
  'podman',
  'docker-registry',
  'openssl'
)("a user's podman pulls the image of a lock, from a registry and from an archive, and runs it", async () => {
  const { host } = await startRegistry()
  const { folder, home, store, options } = newSite()
  composed(store, ['push', 'stack.lock', `${host}/stacks/app:1`], options)
  composed(store, ['push', 'stack.lock', 'oci-archive:app.tar:app:1'], options)
  const pull = (...words: string[]) => podmanAs(home, folder, ['pull', '--quiet', ...words]).trim()
  const pulled = pull('--tls-verify=false', `docker://${host}/stacks/app:1`)
  assert.is(pull('oci-archive:app.tar:app:1'), pulled)
  const run = ['run', '--rm', '--network=host', ...podmanOptions()]
  assert.is(podmanAs(home, folder, [...run, pulled, 'a', 'b c']), 'run with 2: a b c\n')
  const file = podmanAs(home, folder, [...run, '--entrypoint', 'cat', pulled, '/opt/app/file'])
  assert.is(file, 'of the app\n')
})

needing(
  tests,
  'docker-registry',
  'openssl',
  'ch-image',
  'python3-lark'
)('ch-image pulls the image of a lock, and passes over the rest', async () => {
  const { host, authority } = await startRegistry({ tls: true })
  const { folder, store, options } = newSite()
  composed(store, ['push', 'stack.lock', `${host}/stacks/app:1`, '--tls-ca', authority], options)
  // Its packages are those of the system's Python.
  const PATH = `/usr/bin:${process.env.PATH}`
  const cache = { CH_IMAGE_CACHE: 'disabled' } // it would need git with a name of the user
  const env = { ...process.env, ...cache, PATH, USER: 'user', HOME: folder, REQUESTS_CA_BUNDLE: authority }
  const words = ['-s', join(folder, 'ch'), 'pull', `${host}/stacks/app:1`]
  execFileSync('ch-image', words, { env, stdio: 'pipe' })
  assert.is(bash('cat "$1"/ch/img/*/opt/app/file', folder).toString(), 'of the app\n')
})

tests.run()
