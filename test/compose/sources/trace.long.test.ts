import { copyFileSync, existsSync, lstatSync, mkdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { callsIn } from '../../../compose/sources/host/trace.ts'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { composeAs, homeIn } from '../../helpers/runtimes.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { compose } from '../../helpers/warm-compose.ts'

/** What a command of this host opens becomes a module (spec/sources.md#trace). */
const trace = suite('sources: trace')

trace('reads the lines of strace', () => {
  const text = [
    'execve("tools/run", ["run"], 0x7ffd /* 3 vars */) = 0',
    'openat(AT_FDCWD</opt/w\\x3e>, "/etc/ld.so.cache", O_RDONLY|O_CLOEXEC) = 3</etc/ld.so.cache>',
    'openat(AT_FDCWD</opt/w>, "data\\n\\303\\244\\"q", O_RDONLY) = 3</opt/w/x>',
    'openat(5</usr/lib>, "x.so", O_RDONLY) = 4</usr/lib/x.so>',
    'open("/a) = b", O_RDONLY) = 4</a>',
    'openat(AT_FDCWD</opt/w>, "/none", O_RDONLY) = -1 ENOENT (No such file or directory)',
    'openat(AT_FDCWD</opt/w>, "/out", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3</out>',
    'newfstatat(3</etc/passwd>, "", {st_mode=S_IFREG|0644, st_size=9, ...}, AT_EMPTY_PATH) = 0',
    'readlink("/usr/bin/cc", "gcc", 4096) = 3',
    '+++ exited with 0 +++',
    'openat(AT_FDCWD</>, "/cut'
  ].join('\n')
  assert.equal(
    callsIn(text).map(({ kind, path }) => `${kind} ${path}`),
    [
      'started /opt/w>/tools/run',
      'read /etc/ld.so.cache',
      'read /opt/w/data\n\u00c3\u00a4"q',
      'read /usr/lib/x.so',
      'read /a) = b',
      'written /out',
      'asked /usr/bin/cc'
    ]
  )
})

interface World {
  store: string
  env: NodeJS.ProcessEnv
  folder: string
}

function newWorld(): World {
  const folder = scratch()
  const home = join(folder, 'home')
  mkdirSync(home)
  writeFileSync(join(home, 'mine'), 'mine')
  const env = { HOME: home, TMPDIR: folder }
  const store = join(folder, 'store')
  compose(store, ['init', '--level', '1'], { env })
  return { store, env, folder }
}

function imported({ store, env, folder }: World, ...words: string[]): string {
  const { status, err } = compose(store, ['import', 'app/traced-1', '--replace', ...words], { env })
  assert.is(status, 0, err)
  const box = join(folder, `box-${Math.random()}`)
  const built = compose(store, ['build', '--sandbox', box, 'app/traced'], { env })
  assert.is(built.status, 0, built.err)
  return box
}

const live = needing(trace, 'strace')

needing(
  trace,
  'root',
  'strace',
  'python3'
)('a program runs by what it opened alone', () => {
  const script = 'import json, sqlite3; print(json.dumps(sqlite3.sqlite_version > "3"))'
  const program = ['/usr/bin/env', 'LC_ALL=C.UTF-8', 'python3', '-I', '-c']
  const box = imported(newWorld(), '--trace', '--', ...program, script)
  const ran = bash('box=$1; shift; chroot "$box" "$@"', box, ...program, script)
  assert.is(ran.toString(), 'true\n')
})

live('links on the way stay links, and what belongs to the user or the host stays out', () => {
  const world = newWorld()
  const home = world.env.HOME!
  const command = [
    'sh',
    '-c',
    `cat /etc/os-release "${home}/mine" /etc/passwd /proc/version > "${home}/out"; ls /usr/share/doc`
  ]
  const box = imported(world, '--trace', '--', ...command)
  if (lstatSync('/etc/os-release').isSymbolicLink())
    assert.is(readlinkSync(join(box, 'etc/os-release')), readlinkSync('/etc/os-release'))
  assert.ok(existsSync(join(box, 'usr/lib/os-release')))
  for (const path of [home, '/etc/ld.so.cache', '/proc/version', '/usr/share/doc/bash'])
    assert.not.ok(existsSync(join(box, path)), path)
  const asked = imported(world, '--include', `${home}/mine`, '--trace', '--', 'cat', `${home}/mine`)
  assert.ok(existsSync(join(asked, home, 'mine')))
  assert.not.ok(existsSync(join(asked, home, 'out')))
})

live('programs, files and libraries that the base has are left out', () => {
  const world = newWorld()
  const { store, env } = world
  const made = compose(store, ['import', 'base/reader-1', '--host-program', '/usr/bin/cat'], { env })
  assert.is(made.status, 0, made.err)
  const command = ['--trace', '--', '/usr/bin/env', '/usr/bin/cat', '/etc/os-release']
  const has = (box: string, path: string) => existsSync(join(box, path))
  const whole = imported(world, ...command)
  const beside = imported(world, '--base', 'base/reader', ...command)
  for (const path of ['usr/bin/env', 'usr/lib/os-release'])
    assert.ok(has(whole, path) && has(beside, path), path)
  assert.ok(has(whole, 'usr/bin/cat'))
  assert.not.ok(has(beside, 'usr/bin/cat'))
  const libraries = (box: string) => bash('find "$1" -name "libc.so*" -o -name "ld-linux*"', box).toString()
  assert.is.not(libraries(whole), '')
  assert.is(libraries(beside), '')
})

live('files of the user are counted, and a command of the user is asked for by name', () => {
  const world = newWorld()
  const { store, env } = world
  const home = env.HOME!
  const trace = (...words: string[]) => {
    const { status, out, err } = compose(store, ['import', 'app/own-1', '--replace', ...words], { env })
    return { status, err: out + err }
  }
  const counted = trace('--trace', '--', 'cat', `${home}/mine`, '/etc/hostname')
  assert.is(counted.status, 0, counted.err)
  assert.ok(
    counted.err.includes(`1 file below ${home} was left out: --include PATH brings them`),
    counted.err
  )
  const tool = join(home, 'tool')
  copyFileSync('/bin/true', tool)
  const refused = trace('--trace', '--', tool)
  assert.is(refused.status, 2, refused.err)
  assert.ok(refused.err.includes(`--host-program ${tool}`), refused.err)
  for (const flag of ['--host-program', '--include'])
    assert.ok(existsSync(join(imported(world, flag, tool, '--trace', '--', tool), tool)), flag)
  assert.not.match(trace('--include', `${home}/**`, '--trace', '--', 'cat', `${home}/mine`).err, /left out/)
})

live('files that a program only asks about need not be readable', () => {
  const home = homeIn(scratch())
  const as = (...words: string[]) =>
    composeAs(home, words, { COMPOSE_STORE: join(home, 'store'), TMPDIR: home })
  assert.is(as('init', '--level', '1').status, 0)
  const { status, out, err } = as(
    'import',
    'app/asked-1',
    '--trace',
    '--',
    'stat',
    '/etc/shadow',
    '/etc/os-release'
  )
  assert.is(status, 0, err)
  assert.match(out + err, /etc\/shadow.*only asked about it/)
  const box = join(home, 'box')
  assert.is(as('build', '--sandbox', box, 'app/asked').status, 0)
  assert.ok(existsSync(join(box, 'usr/lib/os-release')))
  assert.not.ok(existsSync(join(box, 'etc/shadow')))
})

live('a command that fails publishes nothing', () => {
  const { store, env } = newWorld()
  for (const [words, status, message] of [
    [['--', 'sh', '-c', 'exit 3'], 53, /sh ended with status 3, so nothing was published/],
    [[], 2, /--trace wants a command/],
    [['--', '/no/such/program'], 53, /program ended with status/]
  ] as const) {
    const ran = compose(store, ['import', 'app/failed-1', '--trace', ...words], { env })
    assert.is(ran.status, status, ran.err)
    assert.match(ran.err, message)
  }
  assert.is.not(compose(store, ['show', 'app/failed-1'], { env }).status, 0)
})

trace('without strace, the error says what to install', () => {
  const { store, env, folder } = newWorld()
  const { status, err } = compose(store, ['import', 'app/none-1', '--trace', '--', '/bin/true'], {
    env: { ...env, PATH: join(folder, 'empty') }
  })
  assert.is(status, 77, err)
  assert.match(err, /strace.* cannot be started[\s\S]*apt-get install strace/)
})

trace.run()
