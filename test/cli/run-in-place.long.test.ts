import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { COMPOSE } from '../helpers/compose.ts'
import { LAUNCHER, type LaunchWorld, launchWorld } from '../helpers/launcher.ts'
import { suiteNeeding } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { asUser, userEnvironment } from '../helpers/runtimes.ts'

/** `compose run` becomes the launcher, and the launcher becomes `compose run` again where it cannot start a program. */

const inPlace = suiteNeeding('run in place', 'userns', 'fuse', 'squashfuse_ll')

let made: LaunchWorld | undefined
const world = (): LaunchWorld => {
  made ??= launchWorld()
  return made
}

const words = (...more: string[]): string[] => asUser([process.execPath, COMPOSE, 'run', ...more])

function ran(more: string[], env: NodeJS.ProcessEnv = {}, shell = 'exec "$@"') {
  const { home, store } = world()
  const [program, ...rest] = words(...more)
  return spawnSync('bash', ['-c', shell, 'bash', program, ...rest], {
    ...{ cwd: home, encoding: 'utf8', input: '' },
    env: userEnvironment(home, { COMPOSE_STORE: store, ...env })
  })
}

inPlace('the program has the launcher for its parent, and no Node takes memory', async () => {
  const { home, store, image } = world()
  const [program, ...rest] = words(image, '--', 'sh', '-c', 'echo up; read -r line')
  const child = spawn(program, rest, {
    ...{ cwd: home, stdio: ['pipe', 'pipe', 'ignore'] as const },
    env: userEnvironment(home, { COMPOSE_STORE: store })
  })
  await once(child.stdout, 'data')
  assert.is(readFileSync(`/proc/${child.pid}/comm`, 'latin1'), 'strata-launch\n')
  const [, kilobytes] = /VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'latin1'))!
  assert.ok(Number(kilobytes) < 8 * 1024, `${kilobytes} KB`)
  child.stdin.end('\n')
  assert.equal(await once(child, 'exit'), [0, null])
})

inPlace('its streams wait as a program expects, and SIGPIPE ends it', () => {
  const { image } = world()
  const counted = ran([image, '--', 'cat'], {}, 'yes | head -c 3000000 | "$@" | wc -c')
  assert.is(counted.stdout.trim(), '3000000')
  const cut = ran(
    [image, '--', 'sh', '-c', 'while echo y; do :; done'],
    {},
    'set -o pipefail; "$@" | head -1; echo $?'
  )
  assert.is(cut.stdout, 'y\n141\n')
})

inPlace('the socket of PMI keeps its number, also a low one', () => {
  const { image } = world()
  const script = 'exec 3< <(echo from-pmi) 4<&3; exec 3<&-; PMI_FD=4 exec "$@"'
  const { stdout, stderr } = ran([image, '--', 'sh', '-c', 'echo "$PMI_FD"; cat <&4'], {}, script)
  assert.is(stdout, '4\nfrom-pmi\n', stderr)
})

inPlace('errors of the launcher are those of the command', () => {
  const { image } = world()
  const wrong = ran(['--json', '--cwd', '/nowhere', image, '--', 'true'])
  assert.is(wrong.status, 2)
  assert.is(JSON.parse(wrong.stdout).error.code, 'USAGE')
  assert.match(wrong.stderr, /cannot start in \/nowhere/)
  // A program that ends as the launcher does when it cannot start one is no failure of the launcher.
  assert.is(ran([image, '--', 'sh', '-c', 'exit 125']).status, 125)
})

inPlace('a missing program is said once, and not with --quiet', () => {
  const { image } = world()
  const loud = ran([image, '--', 'nosuch'])
  assert.is(loud.status, 127)
  assert.is(loud.stderr.match(/nosuch is not found/g)?.length, 1)
  const quiet = ran(['--quiet', image, '--', 'nosuch'])
  assert.equal([quiet.status, quiet.stderr], [127, ''])
})

inPlace('a run from the cache keeps its entry in use', () => {
  const { folder, home, image } = world()
  const file = join(home, 'used')
  bash(asUser(['touch', '"$1"']).join(' '), file)
  utimesSync(file, 1e9, 1e9)
  mkdirSync(join(folder, 'beat'), { recursive: true })
  const [program, ...rest] = asUser([LAUNCHER, 'run', '--beat', '1', file, image, 'sleep', '2.5'])
  const { status, stderr } = spawnSync(program, rest, {
    cwd: home,
    env: userEnvironment(home),
    encoding: 'utf8'
  })
  assert.is(status, 0, stderr)
  assert.ok(statSync(file).mtimeMs > 1e12)
})

inPlace.run()
