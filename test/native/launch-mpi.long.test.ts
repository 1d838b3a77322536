import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { COMPOSE } from '../helpers/compose.ts'
import { LAUNCHER, processesWith } from '../helpers/launcher.ts'
import { needing } from '../helpers/needs.ts'
import { BOTH, RING_PROGRAM, type RingWorld, ringWorld } from '../helpers/ring-of-ranks.ts'
import { asUser, userEnvironment } from '../helpers/runtimes.ts'
import { someOf } from '../helpers/size.ts'
import { suite } from '../helpers/suite.ts'

/**
 * The mpirun of the host starts ranks in an image that holds Open MPI itself, as jobs on clusters do. They find each other through
 * the PMIx sockets of the host. The image is a Debian base with the host's packages.
 */

const ranks = suite('ranks of the mpirun of the host in an image')

const NEEDS = ['root', 'userns', 'fuse', 'squashfuse_ll', 'mmdebstrap', 'mpirun', 'mpicc']

let made: RingWorld | undefined

function world(): RingWorld {
  made ??= ringWorld('mpicc', 'mpi/openmpi', 'openmpi-bin', '--exclude', '/usr/lib/openssh/ssh-keysign')
  return made
}

const MINUTE_MS = 60_000

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

const WAYS: [name: string, words: string[]][] = [
  ['the launcher', launcher],
  ['the launcher with --join', [...launcher, '--join', 'ring']],
  ['compose run', compose],
  ['compose run --join', [...compose, '--join']]
]

for (const [name, words] of someOf(WAYS, 2))
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
