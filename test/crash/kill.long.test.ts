import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { COMPOSE, environment } from '../helpers/compose.ts'
import { needing } from '../helpers/needs.ts'
import { scratch } from '../helpers/scratch.ts'
import { bySize, someOf } from '../helpers/size.ts'
import { suite } from '../helpers/suite.ts'
import { crashCases } from './cases.ts'
import { killAll, planKills } from './kill.ts'
import { watched } from './watched.ts'
import { copyOf } from './world.ts'

/** A sample; `node dist/test/crash/run.js --all` kills at each change. */
const KILLS_EACH = bySize(2, 3)

const kill = suite('crash: kill -9')
const test = needing(kill, 'root', 'gcc', 'setfacl', 'setfattr')
const isReady = process.getuid?.() === 0

for (const subject of isReady ? someOf(crashCases(), 2) : [])
  test(`${subject.name}: whatever change it is killed at, nothing published is broken, and it works again`, async () => {
    const plan = await planKills(subject, KILLS_EACH)
    assert.ok(plan.changes >= 10, `only ${plan.changes} changes were seen`)
    const kills = await killAll(plan)
    assert.ok(kills >= KILLS_EACH - 2, `only ${kills} were killed: the kills test nothing`)
  })

/** Calls of strace's by the name that the shim has for them; what is written to a database is its own affair. */
const SEEN_AS: Record<string, string> = {
  fsync: 'fsync',
  fdatasync: 'fsync',
  link: 'link',
  linkat: 'link',
  rename: 'rename',
  renameat: 'rename',
  renameat2: 'rename',
  unlink: 'unlink',
  unlinkat: 'unlink',
  mkdir: 'mkdir',
  mkdirat: 'mkdir',
  fchmod: 'chmod',
  chmod: 'chmod',
  fchownat: 'chown',
  symlinkat: 'symlink',
  mknodat: 'mknod',
  removexattr: 'removexattr',
  fremovexattr: 'removexattr',
  setxattr: 'setxattr',
  fsetxattr: 'setxattr',
  utimensat: 'utimens',
  ftruncate: 'ftruncate',
  pwrite64: 'write',
  write: 'write',
  copy_file_range: 'copy'
}

needing(
  kill,
  'root',
  'gcc',
  'strace',
  'setfacl',
  'setfattr'
)('the changes that are counted are those that strace sees', async () => {
  const names = bySize(['import', 'build --sandbox'], ['import', 'build', 'build --sandbox', 'fsck --repair'])
  for (const subject of crashCases().filter(({ name }) => names.includes(name))) {
    const { changes } = await watched(copyOf(subject.template), subject.args)
    const { fsync: flushes, ...counted } = count(
      changes.filter(({ call, result }) => call !== 'mkdir' || result === 0)
    )
    const { fsync: traced, ...seen } = count(tracedChanges(copyOf(subject.template), subject.args))
    assert.equal(counted, seen, subject.name)
    // Two layers that are opened at once may both flush a folder that they both need.
    assert.ok(Math.abs(flushes - traced) <= 2, `${subject.name}: ${flushes} flushes, ${traced} seen`)
  }
})

interface Seen {
  call: string
  path: string
  other: string
}

function count(changes: Seen[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { call, path, other } of changes) {
    // LevelDB writes through stdio, whose buffers the C library empties by itself. It sets no modes: we do.
    const isOfDatabase = `${path} ${other}`.includes('/store/index') || IN_DATABASE.test(path)
    if (isOfDatabase && call !== 'chmod') continue
    if (call === 'open' || call === 'rmdir') continue
    counts[call] = 1 + (counts[call] ?? 0)
  }
  return Object.fromEntries(Object.entries(counts).sort())
}

/**
 * A database is made in a folder of `tmp`, of whose descriptor LevelDB is told, and its modes are set below it. LevelDB's files
 * have names of its own; outputs are named below a descriptor too.
 */
const IN_DATABASE =
  /\/tmp\/[0-9a-f]{32}(\/|$)(?=.)|\/tmp\/[0-9a-f]{32}>, "[^"]|^"\/proc\/self\/fd\/\d+\/(?:CURRENT|LOCK|LOG|MANIFEST|\d{6}\.)/

const OF_THE_WORLD = /^"(\/proc\/self\/fd\/|(?!\/))/

function tracedChanges(world: string, args: string[]): Seen[] {
  const log = join(scratch(), 'strace')
  execFileSync(
    'strace',
    [
      '-f',
      '-y',
      '-qq',
      '-s',
      '0',
      '-o',
      log,
      '-e',
      `trace=${Object.keys(SEEN_AS)}`,
      process.execPath,
      COMPOSE,
      ...args
    ],
    { cwd: world, env: environment(join(world, 'store'), { UV_USE_IO_URING: '0' }), stdio: 'ignore' }
  )
  return readFileSync(log, 'latin1')
    .split('\n')
    .flatMap(line => {
      const [, name, rest] = /^\d+ +(\w+)\((.*)/.exec(line) ?? []
      const call = SEEN_AS[name]
      // A relative path is one of the world's; so is a descriptor that is addressed by path.
      const isOurs = call !== undefined && (rest.includes(world) || OF_THE_WORLD.test(rest))
      // LevelDB makes its folder whenever it opens one.
      const isInVain = call === 'mkdir' && rest.includes('= -1 EEXIST')
      return isOurs && !isInVain ? [{ call, path: rest, other: '' }] : []
    })
}

kill.run()
