import { spawnSync } from 'node:child_process'
import * as assert from 'uvu/assert'
import { COMPOSE } from '../helpers/compose.ts'
import { LAUNCHER } from '../helpers/launcher.ts'
import { needing } from '../helpers/needs.ts'
import { BOTH, RING_PROGRAM, type RingWorld, ringWorld } from '../helpers/ring-of-ranks.ts'
import { asUser, userEnvironment } from '../helpers/runtimes.ts'
import { suite } from '../helpers/suite.ts'

/**
 * Hydra, the process manager of MPICH on the host, starts ranks in an image that holds MPICH itself. They talk to it by PMI-1, on a
 * socket whose number is in PMI_FD, and to each other through UCX.
 */

const ranks = suite("ranks of MPICH's mpiexec of the host in an image")

const NEEDS = ['root', 'userns', 'fuse', 'squashfuse_ll', 'mmdebstrap', 'mpiexec.hydra', 'mpicc.mpich']

let made: RingWorld | undefined

function world(): RingWorld {
  made ??= ringWorld('mpicc.mpich', 'mpi/mpich', 'libmpich12')
  return made
}

const compose = [process.execPath, COMPOSE, 'run', '--runtime', 'strata']
const launcher = [LAUNCHER, 'run']

/** Puts the socket at number 3, which a program that opens nothing before would get first. */
const AT_3 = ['bash', '-c', 'eval "exec 3<&$PMI_FD $PMI_FD<&-"; PMI_FD=3 exec "$@"', 'bash']

/** Status of timeout(1). */
const LATE = 124

for (const [name, words] of Object.entries({
  'the launcher': launcher,
  'the launcher with --join': [...launcher, '--join', 'pmi'],
  'compose run': compose,
  'compose run --join': [...compose, '--join'],
  'compose run with the socket at 3': [...AT_3, ...compose],
  'compose run --join with the socket at 3': [...AT_3, ...compose, '--join']
}))
  needing(ranks, ...NEEDS)(`two ranks talk: ${name}`, () => {
    const { home, image } = world()
    const [program, ...rest] = asUser([
      ...['timeout', '-k', '1', '50', 'mpiexec.hydra', '-n', '2'],
      ...[...words, image, '--', 'sh', '-c', `test -S "/proc/$$/fd/$PMI_FD" && exec ${RING_PROGRAM}`]
    ])
    const once = () =>
      spawnSync(program, rest, { ...{ cwd: home, encoding: 'utf8' }, env: userEnvironment(home) })
    const first = once()
    // On a busy machine, two of some sixty runs waited in MPI_Finalize, one rank for PMI's barrier and one for the other rank.
    const isWaiting = first.status === LATE && BOTH.every(line => first.stdout.includes(line))
    const { status, stdout, stderr } = isWaiting ? once() : first
    assert.is(status, 0, stdout + stderr)
    assert.equal(stdout.trim().split('\n').sort(), BOTH)
  })

ranks.run()
