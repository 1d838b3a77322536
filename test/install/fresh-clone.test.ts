/**
 * The promises of README about a fresh clone, on a machine with only Debian, git and Node, as an ordinary user.
 * Without a compiler the first command says what to install; with it all commands succeed. npm's packages come from
 * the registry of this machine's npm.
 */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { commandsOf } from '../guides/pages.ts'
import { Site } from '../guides/site.ts'
import { atAllSize, needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'

const clone = suite('a fresh clone')

const root = fileURLToPath(new URL('../../../', import.meta.url))
const NODE = dirname(dirname(process.execPath))

/** Debian's smallest system with git, and this machine's Node, as its maker packs it: command, headers, npm. */
function smallSystem(folder: string): string {
  const system = join(folder, 'system')
  bash(
    `mmdebstrap --quiet --variant=minbase --include=git,ca-certificates bookworm "$1"
    mkdir -p "$1/usr/lib/node_modules" "$1/usr/include"; cp "$2" "$1/usr/bin/node"; cp -r "$3/include/node" "$1/usr/include/node"
    cp -r "$3/lib/node_modules/npm" "$1/usr/lib/node_modules/npm"
    ln -s ../lib/node_modules/npm/bin/npm-cli.js "$1/usr/bin/npm"
    for file in /etc/resolv.conf /etc/hosts; do [ ! -e "$file" ] || cp -L "$file" "$1/etc/"; done`,
    system,
    process.execPath,
    NODE
  )
  return system
}

/** Access to npm's registry as on this machine; its certificates are copied into the system. */
function registry(system: string): Record<string, string> {
  const env: Record<string, string> = { npm_config_update_notifier: 'false' }
  for (const key of ['registry', 'proxy', 'https-proxy', 'noproxy']) {
    const value = execFileSync('npm', ['config', 'get', key], { encoding: 'utf8' }).trim()
    if (!['', 'null', 'undefined'].includes(value)) env[`npm_config_${key.replace('-', '_')}`] = value
  }
  const certificates = process.env.NODE_EXTRA_CA_CERTS
  if (certificates !== undefined && existsSync(certificates)) {
    bash('cp -L "$1" "$2/etc/extra-ca.pem"', certificates, system)
    env.NODE_EXTRA_CA_CERTS = '/etc/extra-ca.pem'
  }
  return env
}

/** The two commands of README; `npm test` with a word, as CONTRIBUTING has it: all tests run elsewhere. */
const README = commandsOf('README.md').filter(command => command.startsWith('npm '))

const title = "README's commands on a machine with Node and git alone"
atAllSize(needing(clone, 'root', 'unshare', 'mmdebstrap', 'git', 'npm'))(title, () => {
  const folder = scratch()
  bash('chmod 755 "$1"', folder)
  const system = smallSystem(folder)
  const newcomer = { uid: 61103, groups: [] }
  const machine = new Site(join(folder, 'machine'), {}, { newcomer }, { system, env: registry(system) })
  bash('git -C "$1" bundle create --quiet "$2" HEAD', root, machine.at('/home/newcomer/strata.bundle'))
  const without = machine.work('newcomer', [
    'git clone -q strata.bundle strata',
    'cd strata',
    ...README.slice(0, 1)
  ])
  assert.is(without.status, 1, without.said)
  const said =
    /^strata: .*lacks python3, make, a C compiler \(cc\), a C\+\+ compiler \(g\+\+\)\n {2}Debian, Ubuntu: (.*)$/m.exec(
      without.said
    )
  assert.ok(said !== null, without.said)
  const installing = machine.work('root', ['apt-get update -qq', `${said[1]} -y -qq --no-install-recommends`])
  assert.is(installing.status, 0, installing.said)
  const [demo, tests] = README
  assert.match(demo, /^npm run demo/)
  assert.match(tests, /^npm test/)
  const working = machine.work('newcomer', [
    'cd strata',
    demo,
    tests.replace('npm test', 'npm test -- store/values'),
    'npm install -g . --prefix ~/prefix',
    '~/prefix/bin/compose --version'
  ])
  assert.is(working.status, 0, working.said.split('\n').slice(-60).join('\n'))
  assert.match(working.said, /^\d+ passed, 0 failed$/m)
  assert.match(working.said, /\n\+ ~\/prefix\/bin\/compose --version\n\S+\n$/)
})

clone.run()
