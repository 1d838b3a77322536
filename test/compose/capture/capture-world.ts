import { type ChildProcess, type StdioOptions, spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { COMPOSE, type Ran } from '../../helpers/compose.ts'
import { bash } from '../../helpers/real-tree.ts'
import { asUser, homeIn, USER, userEnvironment } from '../../helpers/runtimes.ts'
import { scratch } from '../../helpers/scratch.ts'
import { SIZE } from '../../helpers/size.ts'
import { becomesAnother, runWarm } from '../../helpers/warm-compose.ts'

/** A base whose /usr is that of this host, a store with it, and a user who captures on top of it. */
export interface CaptureWorld {
  folder: string
  home: string
  store: string
  /** The base as a tarball. */
  base: string
}

const BASE = `
mkdir -p "$1"/{etc,opt,tmp,usr,proc,dev,sys,root,run}; cd "$1"
for l in bin sbin lib lib64; do [ -L /$l ] && ln -s usr/$l $l; done
for f in passwd group nsswitch.conf login.defs; do [ -e /etc/$f ] && cp /etc/$f etc/; done
for f in pam.d security alternatives; do cp -a /etc/$f etc/ 2>/dev/null || true; done
touch etc/environment etc/hostname
printf 'root:*:1::::::\\nman:*:1::::::\\n' > etc/shadow; printf 'root:*::\\n' > etc/gshadow
chmod -R go-w .; chmod 640 etc/shadow etc/gshadow; chmod 1777 tmp; chmod 755 .
find . -exec touch -h -d @1500000000 {} +
tar --owner=0 --group=0 --numeric-owner -cf "$2" .
`

export function captureWorld(): CaptureWorld {
  const folder = scratch()
  const base = join(folder, 'base.tar')
  bash(BASE, join(folder, 'base'), base)
  const home = homeIn(folder)
  bash('chmod a+r "$1"', base)
  const world = { folder, home, base, store: join(home, 'store') }
  for (const args of [
    ['init', '--level', '1'],
    ['import', 'base/host-1', base, '--kind', 'base']
  ]) {
    const { status, err } = composeIn(world, args)
    if (status !== 0) throw new Error(err)
  }
  return world
}

let made: CaptureWorld | undefined

/** The same for all tests of a file. */
export const world = (): CaptureWorld => {
  made ??= captureWorld()
  return made
}

/** A text file in the home of the user. */
export function define(name: string, text: string): string {
  const file = join(world().home, name)
  writeFileSync(file, text)
  return file
}

/** Of `compose` as an ordinary user. */
export const commandLine = (args: string[]): string[] => asUser([process.execPath, COMPOSE, ...args])

/** `compose` as that user, in a process that stays for all commands of a file but at the size `all`. */
export function composeIn({ home, store }: CaptureWorld, args: string[], more: NodeJS.ProcessEnv = {}): Ran {
  const env = userEnvironment(home, { COMPOSE_STORE: store, TMPDIR: home, ...more })
  if (SIZE !== 'all' && !becomesAnother(args)) return runWarm({ args, env, cwd: home }, asUser([]))
  const [program, ...rest] = commandLine(args)
  const { status, stdout, stderr } = spawnSync(program, rest, {
    cwd: home,
    env,
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'pipe']
  })
  return { status, out: stdout.toString(), err: stderr.toString() }
}

/** A range for this user alone, in a mount namespace of root. */
const WITH_IDS = `
printf '%s:%s:65536\\n' "$1" "$3" > "$2"; mount --bind "$2" /etc/subuid; mount --bind "$2" /etc/subgid; shift 3; exec "$@"
`

const withIds = ({ folder }: CaptureWorld, args: string[], first = 200_000): string[] => [
  ...['-m', 'sh', '-euc', WITH_IDS, 'sh', String(USER), join(folder, 'subids'), String(first)],
  ...commandLine(args)
]

/** The same for a user who has subordinate ids, which only root can arrange. */
export function composeWithIds(world: CaptureWorld, args: string[], first?: number): Ran {
  const { home, store } = world
  const { status, stdout, stderr } = spawnSync('unshare', withIds(world, args, first), {
    cwd: home,
    env: userEnvironment(home, { COMPOSE_STORE: store, TMPDIR: home }),
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'pipe']
  })
  return { status, out: stdout.toString(), err: stderr.toString() }
}

/** The same, which goes on beside the test. */
export function startWithIds(world: CaptureWorld, args: string[]): ChildProcess {
  const { home, store } = world
  const env = userEnvironment(home, { COMPOSE_STORE: store, TMPDIR: home })
  return spawn('unshare', withIds(world, args), { cwd: home, env, stdio: 'ignore' })
}

export const capture = (world: CaptureWorld, args: string[], env: NodeJS.ProcessEnv = {}): Ran =>
  composeIn(world, ['capture', ...args.slice(0, 1), '--bind', '/usr', ...args.slice(1)], env)

/** `compose` as that user, which goes on beside the test. */
export function startIn(
  { home, store }: CaptureWorld,
  args: string[],
  stdio: StdioOptions = 'ignore'
): ChildProcess {
  const [program, ...rest] = commandLine(args)
  const env = userEnvironment(home, { COMPOSE_STORE: store, TMPDIR: home })
  return spawn(program, rest, { cwd: home, env, stdio })
}
