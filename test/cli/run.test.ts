import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { smallBase } from '../compose/generated/small-base.ts'
import { COMPOSE, composed } from '../helpers/compose.ts'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { asUser, composeAs, homeIn, podmanOptions, userEnvironment } from '../helpers/runtimes.ts'
import { scratch } from '../helpers/scratch.ts'

/** `compose run` as an ordinary user, each runtime on an image, a sandbox and modules. */

interface World {
  folder: string
  home: string
  store: string
  image: string
  sandbox: string
}

let made: World | undefined

function world(): World {
  made ??= makeWorld()
  return made
}

function makeWorld(): World {
  const folder = scratch()
  const store = join(folder, 'store')
  bash(
    `chmod 755 "$1"; cd "$1"; mkdir -p app/opt/app/bin
    printf '#!/bin/sh\\necho "app of $APP_HOME with $#: $*"\\n' > app/opt/app/bin/app; chmod 755 app/opt/app/bin/app
    tar -C app --owner=0 --group=0 -cf app.tar opt
    printf 'runscript: exec app from-runscript "$@"\\n' > app.yaml
    printf 'modules:\\n  - base/small\\n  - app/app\\n' > stack.yaml`,
    folder
  )
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'base/small-1', smallBase()])
  composed(store, [
    ...['import', 'app/app-1', join(folder, 'app.tar'), '--spec', join(folder, 'app.yaml')],
    ...['--set', 'APP_HOME=/opt/app', '--prepend', 'PATH=/opt/app/bin']
  ])
  const image = join(folder, 'app.sqfs')
  composed(store, ['build', image, 'base/small', 'app/app'])
  const sandbox = join(folder, 'sandbox')
  composed(store, ['build', '--sandbox', sandbox, 'base/small', 'app/app'])
  bash('chmod -R a+rX "$1"', folder)
  return { folder, home: homeIn(folder), store, image, sandbox }
}

const RUNTIMES = ['ch-run', 'bwrap', 'podman']
const flags = (runtime: string) => [
  '--runtime',
  runtime,
  ...(runtime === 'podman' ? podmanOptions().flatMap(option => [`--runtime-option=${option}`]) : [])
]

const PATH = '/opt/app/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

for (const runtime of RUNTIMES) {
  const run = suite(`compose run: ${runtime}`)

  needing(run, runtime)(
    'gives a program its arguments, the environment of the modules, and its exit status',
    () => {
      const { home, image } = world()
      const script = 'app a "b c"; echo "$PATH $APP_HOME $EXTRA"; exit 7'
      const { status, out, err } = composeAs(
        home,
        [...['run', ...flags(runtime), '--env', 'EXTRA=x y,z', image, '--'], ...['sh', '-c', script]],
        { LD_LIBRARY_PATH: '/of/the/host' }
      )
      assert.is(status, 7, err)
      assert.is(out, `app of /opt/app with 2: a b c\n${PATH} /opt/app x y,z\n`)
      assert.match(err, new RegExp(`running with /.*${runtime}`))
    }
  )

  needing(run, runtime)('runs a sandbox directory, and the runscript where no command is given', () => {
    const { home, sandbox } = world()
    const found = composeAs(home, ['run', ...flags(runtime), sandbox])
    assert.is(found.out, 'app of /opt/app with 1: from-runscript\n', found.err)
    assert.is(found.status, 0)
  })

  needing(run, runtime)('shows what is bound, and starts in the folder asked for', () => {
    const { home, image } = world()
    writeFileSync(join(home, 'data'), 'of the host')
    const found = composeAs(home, [
      ...['run', ...flags(runtime), '--bind', `${home}:/mnt/3`, '--cwd', '/mnt/3', image, '--'],
      ...['sh', '-c', 'pwd; cat data; echo > written']
    ])
    assert.is(found.out, '/mnt/3\nof the host', found.err)
    assert.ok(existsSync(join(home, 'written')))
  })

  needing(run, runtime)('hands SIGTERM on, and ends as the program does', async () => {
    const { home, sandbox } = world()
    const trapped = await signalled(
      home,
      [...flags(runtime), sandbox, '--'],
      'trap "echo caught; exit 5" TERM'
    )
    assert.equal(trapped, { code: 5, signal: null, out: 'up\ncaught\n' })
    if (runtime === 'podman') return // the shell is process 1 there, and ignores what it does not catch
    const killed = await signalled(home, [...flags(runtime), sandbox, '--'], ':')
    assert.equal(killed, { code: null, signal: 'SIGTERM', out: 'up\n' })
  })

  run.run()
}

/** SIGTERM to `compose run` as soon as the program has said that it is up. */
function signalled(
  home: string,
  args: string[],
  before: string
): Promise<{ code: number | null; signal: NodeJS.Signals | null; out: string }> {
  const script = `${before}; echo up; while :; do read -t 1 x < /dev/zero; done`
  const [program, ...rest] = asUser([process.execPath, COMPOSE, 'run', ...args, 'bash', '-c', script])
  const child = spawn(program, rest, {
    cwd: home,
    env: userEnvironment(home),
    stdio: ['ignore', 'pipe', 'ignore']
  })
  let out = ''
  child.stdout.on('data', data => {
    out += data
    if (out === 'up\n') child.kill('SIGTERM')
  })
  return new Promise(resolve => child.on('close', (code, signal) => resolve({ code, signal, out })))
}

const targets = suite('compose run: targets')

needing(targets, 'bwrap')('builds the stack once, and keeps its image in the cache', () => {
  const { folder, home, store } = world()
  const env = { COMPOSE_STORE: store, XDG_CACHE_HOME: join(home, 'cache') }
  const stackFile = join(folder, 'stack.yaml')
  const run = () =>
    composeAs(home, ['--stack', stackFile, 'run', '--runtime', 'bwrap', '--', 'app', 'x'], env)
  for (const found of [run(), run()]) assert.is(found.out, 'app of /opt/app with 1: x\n', found.err)
  assert.is(readdirSync(join(home, 'cache/strata/images')).length, 1)
  const modules = ['run', '--runtime', 'bwrap', 'base/small', 'app/app', '--', 'app', 'y']
  assert.is(composeAs(home, modules, env).out, 'app of /opt/app with 1: y\n')
  assert.is(readdirSync(join(home, 'cache/strata/images')).length, 1, 'the same stack is the same image')
})

needing(
  targets,
  'fuse',
  'bwrap',
  'squashfuse'
)('leaves no mount behind', () => {
  const { home, image } = world()
  const temporary = join(home, 'tmp')
  bash('mkdir -m 1777 "$1"', temporary)
  const found = composeAs(home, ['run', '--runtime', 'bwrap', image, 'app'], { TMPDIR: temporary })
  assert.match(found.err, /mounted by squashfuse/)
  assert.equal(readdirSync(temporary), [])
  assert.not.match(execFileSync('mount').toString(), new RegExp(temporary))
})

/** Nothing but bwrap: an image is unpacked. */
function withoutFuse(home: string): NodeJS.ProcessEnv {
  const bin = join(home, 'bin')
  mkdirSync(bin, { recursive: true })
  bash('ln -sf "$(command -v bwrap)" "$1/bwrap"', bin)
  return { PATH: bin }
}

needing(targets, 'bwrap')('unpacks an image where FUSE cannot be used', () => {
  const { home, image } = world()
  const found = composeAs(home, ['run', image, 'app', 'z'], withoutFuse(home))
  assert.is(found.out, 'app of /opt/app with 1: z\n', found.err)
  assert.match(found.err, /unpacked to /)
})

needing(
  targets,
  'bwrap',
  'unsquashfs',
  'mksquashfs'
)('an unpacked image is not taken for another that has its lock', () => {
  const { folder, home, image } = world()
  const forged = join(folder, 'forged.sqfs')
  bash(
    `cd "$1"; unsquashfs -q -n -no-xattrs -d forged "$2"; printf '#!/bin/sh\necho forged\n' > forged/opt/app/bin/app
    mksquashfs forged "$3" -quiet -no-progress -comp zstd; chmod 644 "$3"`,
    folder,
    image,
    forged
  )
  const run = (path: string) => composeAs(home, ['run', path, 'app'], withoutFuse(home)).out
  assert.equal([forged, image, forged].map(run), ['forged\n', 'app of /opt/app with 0: \n', 'forged\n'])
})

targets('says what was looked for when no runtime is installed', () => {
  const { home, image } = world()
  const found = composeAs(home, ['--json', 'run', image, 'true'], { PATH: '/nonexistent' })
  assert.is(found.status, 50)
  assert.match(JSON.parse(found.out).error.message, /apptainer, singularity, ch-run, bwrap, podman/)
})

targets('refuses what cannot be bound, set or found, before anything is started', () => {
  const { home, image } = world()
  const status = (...args: string[]) => composeAs(home, ['run', ...args]).status
  assert.is(status('--bind', '/nonexistent', image, 'true'), 2)
  assert.is(status('--bind', '/tmp:relative', image, 'true'), 2)
  assert.is(status('--env', '1X=2', image, 'true'), 2)
  assert.is(status('--runtime', 'docker', image, 'true'), 2)
  assert.is(status('missing.sqfs', 'true'), 1)
})

needing(targets, 'ch-run')('a read-only bind is refused where the runtime has none', () => {
  const { home, image } = world()
  const found = composeAs(home, ['run', '--runtime', 'ch-run', '--bind', '/tmp:/mnt/0:ro', image, 'true'])
  assert.is(found.status, 2)
  assert.match(found.err, /ch-run cannot bind \/tmp read-only/)
})

needing(targets, 'bwrap')('a program that writes to a read-only bind fails', () => {
  const { home, image } = world()
  const words = ['run', '--runtime', 'bwrap', '--bind', `${home}:/mnt/0:ro`, image, '--']
  assert.is(composeAs(home, [...words, 'sh', '-c', ': > /mnt/0/new']).status, 2)
  assert.not.ok(existsSync(join(home, 'new')))
})

targets.run()
