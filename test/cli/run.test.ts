import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { smallBase } from '../compose/runtime-files/small-base.ts'
import { makeSif, PARTITION, PRIMARY_SYSTEM, SQUASHFS } from '../compose/sources/sif-make.ts'
import { COMPOSE } from '../helpers/compose.ts'
import { atCheckSize, needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { asUser, composeAs, homeIn, podmanOptions, userEnvironment } from '../helpers/runtimes.ts'
import { scratch } from '../helpers/scratch.ts'
import { bySize } from '../helpers/size.ts'
import { suite } from '../helpers/suite.ts'
import { composed } from '../helpers/warm-compose.ts'

/** `compose run` as an ordinary user, each runtime on an image, a sandbox and modules. */

interface World {
  folder: string
  home: string
  store: string
  image: string
  sandbox: string
}

const commandLineOf = (pid: string): string | undefined => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
  } catch {
    return undefined // it has ended, or is no process
  }
}

async function until(isDone: () => boolean): Promise<void> {
  for (let round = 0; !isDone(); round++) {
    assert.ok(round < 600, 'it never came')
    await new Promise(resolve => setTimeout(resolve, 50))
  }
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

/** For daily work ours; the cases below and those of mounts start the others. */
const RUNTIMES = bySize(['strata'], ['strata', 'ch-run', 'bwrap', 'podman'])
const flags = (runtime: string) => [
  '--runtime',
  runtime,
  ...(runtime === 'podman' ? podmanOptions().flatMap(option => [`--runtime-option=${option}`]) : [])
]

const ODD_VALUES = {
  NOTHING: '',
  LINES: 'one\ntwo=2\n',
  QUOTED: "'single'",
  QUOTES: `'"'`,
  VARIABLE: '$HOME:x:$PATH:$NOPE',
  SEPARATORS: '=a=b:c,d;e::',
  SPACES: '  two before, one behind ',
  BACKSLASH: '\\n\\',
  GLOB: '* ?[a-z]',
  WORD: 'naïve – ünïcode'
}

const split = (variable: string): [string, string] => {
  const end = variable.indexOf('=')
  return [variable.slice(0, end), variable.slice(end + 1)]
}

const PATH = '/opt/app/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Our launcher is built with the command. */
const needsOf = (runtime: string): string[] => (runtime === 'strata' ? ['fuse', 'squashfuse_ll'] : [runtime])

for (const runtime of RUNTIMES) {
  const run = suite(`compose run: ${runtime}`)

  atCheckSize(needing(run, ...needsOf(runtime)))(
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

  needing(run, ...needsOf(runtime))(
    'runs a sandbox directory, and the runscript where no command is given',
    () => {
      const { home, sandbox } = world()
      const found = composeAs(home, ['run', ...flags(runtime), sandbox])
      assert.is(found.out, 'app of /opt/app with 1: from-runscript\n', found.err)
      assert.is(found.status, 0)
    }
  )

  atCheckSize(needing(run, ...needsOf(runtime)))(
    'ends as shells do where a program is not found, or not executable',
    () => {
      const { home, image, sandbox } = world()
      writeFileSync(join(home, 'text'), 'no program')
      for (const target of [image, sandbox])
        for (const [program, status] of [
          ['no-such-program', 127],
          ['/opt/app/bin/none', 127],
          ['/mnt/3/none', 127],
          ['/mnt/3/text', 126]
        ] as const) {
          const words = ['run', ...flags(runtime), '--bind', `${home}:/mnt/3`, target, '--', program]
          const found = composeAs(home, words)
          assert.is(found.status, status, `${target} ${program}: ${found.err}`)
        }
    }
  )

  if (runtime !== 'podman')
    needing(
      run,
      ...needsOf(runtime),
      'setpriv'
    )('leaves no program behind after kill -9', async () => {
      const { home, sandbox } = world()
      const seconds = `${86_400 + process.pid}`
      const words = ['run', ...flags(runtime), sandbox, '--', 'sleep', seconds]
      const [program, ...rest] = asUser([process.execPath, COMPOSE, ...words])
      const child = spawn(program, rest, { env: userEnvironment(home), stdio: 'ignore' })
      const isRunning = () => readdirSync('/proc').some(pid => commandLineOf(pid) === `sleep\0${seconds}\0`)
      await until(isRunning)
      child.kill('SIGKILL')
      await until(() => !isRunning())
    })

  needing(run, ...needsOf(runtime))('shows what is bound, and starts in the folder asked for', () => {
    const { home, image } = world()
    writeFileSync(join(home, 'data'), 'of the host')
    const found = composeAs(home, [
      ...['run', ...flags(runtime), '--bind', `${home}:/mnt/3`, '--cwd', '/mnt/3', image, '--'],
      ...['sh', '-c', 'pwd; cat data; echo > written']
    ])
    assert.is(found.out, '/mnt/3\nof the host', found.err)
    assert.ok(existsSync(join(home, 'written')))
  })

  needing(run, ...needsOf(runtime))(
    'starts in a working folder below /tmp, and hands TMPDIR on, wherever that leads',
    () => {
      const { folder, home, image, sandbox } = world()
      const temporary = join(home, 'temporary')
      bash('mkdir -p "$1"; chmod 1777 "$1"', temporary)
      for (const target of [image, sandbox]) {
        const words = ['run', ...flags(runtime), target, '--', 'sh', '-c', 'pwd; echo "$TMPDIR"']
        const found = composeAs(home, words, { TMPDIR: temporary }, folder)
        assert.is(found.out, `${folder}\n${temporary}\n`, found.err)
      }
    }
  )

  needing(run, ...needsOf(runtime))(
    'gives a program odd values as they are, and nothing of the loader of the host',
    () => {
      const { home, image } = world()
      const asked = Object.entries(ODD_VALUES).flatMap(([name, value]) => ['--env', `ASKED_${name}=${value}`])
      const host = Object.entries(ODD_VALUES).map(([name, value]) => [`HOST_${name}`, value])
      const found = composeAs(home, ['run', ...flags(runtime), ...asked, image, '--', 'env', '-0'], {
        ...Object.fromEntries(host),
        LD_PRELOAD: '',
        LD_LIBRARY_PATH: '/of/the/host',
        'BASH_FUNC_f%%': '() { :; }',
        TMPDIR: '/tmp'
      })
      const seen = new Map(found.out.split('\0').map(variable => split(variable)))
      for (const [name, value] of Object.entries(ODD_VALUES)) {
        assert.is(seen.get(`ASKED_${name}`), value, `--env of ${name}: ${found.err}`)
        assert.is(seen.get(`HOST_${name}`), value, `the host's ${name}`)
      }
      assert.equal(
        [...seen.keys()].filter(name => /^(LD_|BASH_FUNC)/.test(name)),
        []
      )
    }
  )

  needing(run, ...needsOf(runtime))('is no program that the environment of a module acts on', () => {
    const { folder, home, store } = world()
    const output = join(home, `loader-${runtime}`)
    const image = join(folder, `loader-${runtime}.sqfs`)
    composed(store, [
      ...['import', `app/loader-${runtime}-1`, join(folder, 'app.tar')],
      ...['--set', 'LD_DEBUG=files', '--set', `LD_DEBUG_OUTPUT=${output}`, '--set', 'TMPDIR=/etc'],
      ...['--set', 'LD_LIBRARY_PATH=/opt/app/lib']
    ])
    composed(store, ['build', image, 'base/small', `app/loader-${runtime}`])
    bash('chmod a+r "$1"', image)
    const script = 'echo "$LD_LIBRARY_PATH $LD_DEBUG $TMPDIR"'
    const found = composeAs(home, ['run', ...flags(runtime), image, '--', 'sh', '-c', script])
    assert.is(found.out, '/opt/app/lib files /etc\n', found.err)
    // ld.so of every program that was started with it wrote a file, which names the program.
    const written = bash('cat "$1".* 2>/dev/null || true', output).toString()
    const programs = [...written.matchAll(/initialize program: (\S+)/g)].map(([, program]) => program)
    assert.equal(
      programs.filter(program => program !== 'sh'),
      []
    )
  })

  atCheckSize(needing(run, ...needsOf(runtime)))(
    'hands SIGTERM on, and ends as the program does',
    async () => {
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
    }
  )

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
const long = atCheckSize(targets)

atCheckSize(needing(targets, 'bwrap'))('builds the stack once, and keeps its image in the cache', () => {
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

atCheckSize(needing(targets, 'fuse', 'bwrap', 'squashfuse'))(
  'needs no runtime folder of the user: another will do, else the image is unpacked',
  () => {
    const { home, image } = world()
    const run = (env: NodeJS.ProcessEnv) => {
      const found = composeAs(home, ['run', '--runtime', 'bwrap', image, 'app'], env)
      assert.is(found.out, 'app of /opt/app with 0: \n', found.err)
      return /mounted|unpacked/.exec(found.err)?.[0]
    }
    for (const folder of ['/nonexistent', '', 'relative', '/proc'])
      assert.is(run({ XDG_RUNTIME_DIR: folder }), 'mounted', folder)
    assert.is(run({ XDG_RUNTIME_DIR: '/nonexistent', TMPDIR: '/nonexistent' }), 'unpacked')
  }
)

/** A PATH with bwrap only, so that an image has to be unpacked. */
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

atCheckSize(needing(targets, 'bwrap', 'unsquashfs', 'mksquashfs'))(
  'an unpacked image is not taken for another that has its lock',
  () => {
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
  }
)

needing(targets, 'bwrap')('runs the image of a lock, for the audience of the lock', () => {
  const { folder, home, store } = world()
  const lock = join(folder, 'run.lock')
  composed(store, ['lock', 'base/small', 'app/app', '--for', 'everyone', '--output', lock])
  const env = { COMPOSE_STORE: store, XDG_CACHE_HOME: join(home, 'locked') }
  const found = composeAs(home, ['run', '--runtime', 'bwrap', lock, '--', 'app', 'x'], env)
  assert.is(found.out, 'app of /opt/app with 1: x\n', found.err)
  const images = join(home, 'locked/strata/images')
  const [image] = readdirSync(images)
  assert.is(statSync(join(images, image)).mode & 0o777, 0o644)
})

for (const [runtime, ...needs] of [
  ['strata', 'squashfuse_ll', 'fuse'],
  ['bwrap', 'squashfuse', 'fuse'],
  ['ch-run', 'squashfuse', 'fuse']
])
  needing(targets, ...needs)(`starts the system partition of a SIF file: ${runtime}`, () => {
    const { folder, home, image } = world()
    const path = join(folder, `${runtime}.sif`)
    const partition = { type: PARTITION, fileSystem: SQUASHFS, partitionType: PRIMARY_SYSTEM }
    writeFileSync(path, makeSif([{ ...partition, data: readFileSync(image) }]), { mode: 0o644 })
    const found = composeAs(home, ['run', '--runtime', runtime, path, 'app', 'x'])
    assert.is(found.out, 'app of /opt/app with 1: x\n', found.err)
  })

targets('names the byte of a SIF file without descriptors', () => {
  const { folder, home } = world()
  const path = join(folder, 'some.img')
  writeFileSync(path, Buffer.concat([Buffer.alloc(32), Buffer.from('SIF_MAGIC\0'), Buffer.alloc(1000)]))
  const found = composeAs(home, ['--json', 'run', path, 'true'])
  assert.is(found.status, 31)
  assert.match(JSON.parse(found.out).error.message, /SIF header at 0x2a/)
})

targets('names the programs it looked for if a runtime is not installed', () => {
  const { home, image } = world()
  const words = ['--json', 'run', '--runtime', 'apptainer', image, 'true']
  const found = composeAs(home, words, { PATH: '/nonexistent' })
  assert.is(found.status, 50)
  assert.match(JSON.parse(found.out).error.message, /looked for apptainer, singularity/)
})

needing(targets, 'userns')(
  'needs nothing that somebody installed: without FUSE, our launcher starts the unpacked image',
  () => {
    const { home, image } = world()
    const found = composeAs(home, ['run', image, 'app', 'x'], { PATH: '/nonexistent' })
    assert.is(found.out, 'app of /opt/app with 1: x\n', found.err)
    assert.match(found.err, /running with .*strata-launch, unpacked to /)
  }
)

long('refuses wrong binds, variables and programs before anything is started', () => {
  const { home, image } = world()
  const status = (...args: string[]) => composeAs(home, ['run', ...args]).status
  assert.is(status('--bind', '/no/such/folder', image, 'true'), 2)
  assert.is(status('--bind', '/tmp:relative', image, 'true'), 2)
  assert.is(status('--env', '1X=2', image, 'true'), 2)
  assert.is(status('--runtime', 'docker', image, 'true'), 2)
  assert.is(status('missing.sqfs', 'true'), 1)
})

needing(targets, 'ch-run')('a read-only bind is refused where the runtime has none', () => {
  const { home, image } = world()
  const found = composeAs(home, ['run', '--runtime', 'ch-run', '--bind', '/tmp:/mnt/0:ro', image, 'true'])
  assert.is(found.status, 2)
  assert.match(found.err, /ch-run: cannot be mounted read-only/)
})

needing(targets, 'bwrap')('a program that writes to a read-only bind fails', () => {
  const { home, image } = world()
  const words = ['run', '--runtime', 'bwrap', '--bind', `${home}:/mnt/0:ro`, image, '--']
  assert.is(composeAs(home, [...words, 'sh', '-c', ': > /mnt/0/new']).status, 2)
  assert.not.ok(existsSync(join(home, 'new')))
})

targets.run()
