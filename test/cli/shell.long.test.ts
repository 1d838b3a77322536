import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { COMPOSE } from '../helpers/compose.ts'
import { type LaunchWorld, launchWorld } from '../helpers/launcher.ts'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { asUser, composeAs, userEnvironment } from '../helpers/runtimes.ts'
import { suite } from '../helpers/suite.ts'

const shell = suite('compose shell')

let made: LaunchWorld | undefined
const world = (): LaunchWorld => {
  made ??= launchWorld()
  return made
}

const NEEDS = ['fuse', 'squashfuse_ll']

/** What a person sees who types these lines; script(1) is the terminal. */
function typed(
  words: string[],
  lines: string,
  env = {},
  cwd = world().home
): { status: number | null; screen: string } {
  const { home } = world()
  const command = [process.execPath, COMPOSE, 'shell', ...words].join(' ')
  const [program, ...rest] = asUser(['script', '-qec', command, '/dev/null'])
  const { status, stdout } = spawnSync(program, rest, {
    cwd,
    env: userEnvironment(home, { TERM: 'dumb', ...env }),
    encoding: 'utf8',
    input: lines
  })
  return { status, screen: stdout.replaceAll('\r', '') }
}

needing(
  shell,
  ...NEEDS,
  'script'
)('has a terminal, a prompt that names the image, and ends as the shell does', () => {
  const { image } = world()
  const { status, screen } = typed([image], 'test -t 0 && echo a terminal\nexit 7\n')
  assert.is(status, 7, screen)
  assert.match(screen, '[base] ~ $ ')
  assert.match(screen, /^a terminal$/m)
})

needing(shell, ...NEEDS)('reads its commands from a pipe, too', () => {
  const { image, home } = world()
  const [program, ...rest] = asUser([process.execPath, COMPOSE, 'shell', image])
  const found = spawnSync(program, rest, { env: userEnvironment(home), input: 'echo $((6*7)); exit 3' })
  assert.is(found.stdout.toString(), '42\n')
  assert.is(found.status, 3)
})

needing(
  shell,
  ...NEEDS,
  'script'
)('names the folder of a stack, without characters that a shell acts on', () => {
  const { store, home } = world()
  const folder = join(home, 'my $(id) stack')
  bash('mkdir -p "$1"; printf "modules:\\n  - base/small\\n" > "$1/stack.yaml"; chmod -R a+rX "$1"', folder)
  const env = { COMPOSE_STORE: store, XDG_CACHE_HOME: join(home, 'cache') }
  const { screen } = typed([], 'exit\n', env, folder)
  assert.match(screen, '[my __id_ stack] ')
})

shell.run()

const writing = suite('compose run: --writable')

needing(writing, ...NEEDS)('lets a program write; --overlay keeps it; other runtimes refuse', () => {
  const { image, home } = world()
  const overlay = join(home, 'overlay')
  bash('mkdir "$1"; [ "$(id -u)" != 0 ] || chown 1000:1000 "$1"', overlay)
  const run = (...words: string[]) => composeAs(home, ['run', ...words])
  assert.is(run('--writable', image, '--', 'sh', '-c', 'echo a > /usr/new; cat /usr/new').out, 'a\n')
  assert.is(run(image, '--', 'cat', '/usr/new').status, 1)
  assert.is(run('--overlay', overlay, image, '--', 'sh', '-c', 'echo b > /usr/new').status, 0)
  assert.is(run('--overlay', overlay, image, '--', 'cat', '/usr/new').out, 'b\n')
  assert.is(run('--overlay', join(home, 'none'), image, '--', 'true').status, 2)
  assert.is(run('--runtime', 'bwrap', '--writable', image, '--', 'true').status, 2)
})

writing.run()
