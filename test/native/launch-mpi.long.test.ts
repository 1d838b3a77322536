import { spawn, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { COMPOSE } from '../helpers/compose.ts'
import { LAUNCHER, processesWith } from '../helpers/launcher.ts'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { RING } from '../helpers/ring-of-ranks.ts'
import { asUser, homeIn, userEnvironment } from '../helpers/runtimes.ts'
import { scratch } from '../helpers/scratch.ts'
import { composed } from '../helpers/warm-compose.ts'

/**
 * The mpirun of the host starts ranks in an image that holds Open MPI itself, as jobs on clusters do. They find each other through
 * the PMIx sockets of the host. The image is a Debian base with the host's packages.
 */

const ranks = suite('ranks of the mpirun of the host in an image')

const NEEDS = ['root', 'userns', 'fuse', 'squashfuse_ll', 'mmdebstrap', 'mpirun', 'mpicc']

interface World {
  folder: string
  home: string
  image: string
}

let made: World | undefined

function world(): World {
  if (made !== undefined) return made
  const folder = scratch()
  const store = join(folder, 'store')
  writeFileSync(join(folder, 'ring.c'), RING)
  bash(
    `cd "$1"; mmdebstrap --quiet --variant=minbase bookworm base.tar
    mkdir -p app/opt/ring; mpicc -O1 -o app/opt/ring/ring ring.c; tar -C app --owner=0 --group=0 -cf ring.tar opt`,
    folder
  )
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'base/debian-12', join(folder, 'base.tar')])
  composed(store, [
    ...['import', 'mpi/openmpi-4', '--host-package', 'openmpi-bin', '--with-deps', '--base', 'base/debian'],
    ...['--exclude', '/usr/lib/openssh/ssh-keysign']
  ])
  composed(store, ['import', 'app/ring-1', join(folder, 'ring.tar')])
  const image = join(folder, 'ring.sqfs')
  composed(store, ['build', image, '--for', 'everyone', 'base/debian', 'mpi/openmpi', 'app/ring'])
  bash('chmod 755 "$1"', folder)
  made = { folder, home: homeIn(folder), image }
  return made
}

const MINUTE_MS = 60_000
const RING_PROGRAM = '/opt/ring/ring'
const BOTH = ['rank 0 of 2: 1', 'rank 1 of 2: 1']

/** Two ranks on this node. A rank that waits for ever fails, instead of the whole run. */
function mpirun(words: string[]): { status: number | null; lines: string[]; stderr: string } {
  const { home } = world()
  const [program, ...rest] = asUser([
    'timeout',
    '-k',
    '1',
    '50',
    'mpirun',
    '--oversubscribe',
    '-n',
    '2',
    ...words
  ])
  const { status, stdout, stderr } = spawnSync(program, rest, {
    cwd: home,
    env: userEnvironment(home),
    encoding: 'utf8',
    timeout: MINUTE_MS
  })
  return { status, lines: stdout.trim().split('\n').sort(), stderr }
}

const compose = [process.execPath, COMPOSE, 'run', '--runtime', 'strata']
const launcher = [LAUNCHER, 'run']

for (const [name, words] of [
  ['the launcher', launcher],
  ['the launcher with --join', [...launcher, '--join', 'ring']],
  ['compose run', compose],
  ['compose run --join', [...compose, '--join']]
] as const)
  needing(ranks, ...NEEDS)(`two ranks talk: ${name}`, () => {
    const { status, lines, stderr } = mpirun([...words, world().image, '--', RING_PROGRAM])
    assert.is(status, 0, stderr)
    assert.equal(lines, BOTH)
    assert.not.match(stderr, /WARNING|CMA/)
  })

needing(
  ranks,
  ...NEEDS,
  'strace'
)('ranks with --join copy long messages from each other, others do not try', () => {
  const { home, image } = world()
  const copies = (words: string[]): number => {
    const script =
      'exec strace -f -qq -o "$HOME/calls.$OMPI_COMM_WORLD_RANK" -e trace=process_vm_readv,process_vm_writev "$@"'
    const found = mpirun(['sh', '-c', script, 'sh', ...launcher, ...words, image, '--', RING_PROGRAM])
    assert.equal(found.lines, BOTH, found.stderr)
    const calls = [0, 1].map(rank => readFileSync(join(home, `calls.${rank}`), 'utf8')).join('')
    assert.not.match(calls, /EPERM/)
    return calls.split('process_vm_').length - 1
  }
  assert.ok(copies(['--join', 'copies']) > 0)
  assert.is(copies([]), 0)
})

needing(ranks, ...NEEDS)('after kill -9 of a rank, no process of the job is left', async () => {
  const { home, image } = world()
  const marker = `ranks-killed-${process.pid}`
  const words = [
    'mpirun',
    '--oversubscribe',
    '-n',
    '2',
    ...launcher,
    '--join',
    'killed',
    image,
    '--',
    RING_PROGRAM,
    'x'
  ]
  const [program, ...rest] = asUser(words)
  const child = spawn(program, rest, {
    cwd: home,
    env: userEnvironment(home, { STRATA_TEST_MARKER: marker }),
    stdio: ['ignore', 'pipe', 'ignore']
  })
  let text = ''
  child.stdout.on('data', data => (text += data))
  const until = async (isDone: () => boolean) => {
    for (let round = 0; !isDone(); round++) {
      assert.ok(round < 600, `${text} ${JSON.stringify(processesWith(marker))}`)
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
  await until(() => BOTH.every(line => text.includes(line)))
  const rank = processesWith(marker).find(({ command }) => command.startsWith(RING_PROGRAM))
  process.kill(rank!.pid, 'SIGKILL')
  await until(() => processesWith(marker).length === 0)
})

ranks.run()
