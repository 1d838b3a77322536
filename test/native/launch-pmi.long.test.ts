import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { COMPOSE } from '../helpers/compose.ts'
import { LAUNCHER } from '../helpers/launcher.ts'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { RING } from '../helpers/ring-of-ranks.ts'
import { asUser, homeIn, userEnvironment } from '../helpers/runtimes.ts'
import { scratch } from '../helpers/scratch.ts'
import { composed } from '../helpers/warm-compose.ts'

/**
 * Hydra, the process manager of MPICH on the host, starts ranks in an image that holds MPICH itself. They talk to it by PMI-1, on a
 * socket whose number is in PMI_FD, and to each other through UCX.
 */

const ranks = suite("ranks of MPICH's mpiexec of the host in an image")

const NEEDS = ['root', 'userns', 'fuse', 'squashfuse_ll', 'mmdebstrap', 'mpiexec.hydra', 'mpicc.mpich']

let made: { home: string; image: string } | undefined

function world(): { home: string; image: string } {
  if (made !== undefined) return made
  const folder = scratch()
  const store = join(folder, 'store')
  writeFileSync(join(folder, 'ring.c'), RING)
  bash(
    `cd "$1"; mmdebstrap --quiet --variant=minbase bookworm base.tar
    mkdir -p app/opt/ring; mpicc.mpich -O1 -o app/opt/ring/ring ring.c; tar -C app --owner=0 --group=0 -cf ring.tar opt`,
    folder
  )
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'base/debian-12', join(folder, 'base.tar')])
  composed(store, [
    ...['import', 'mpi/mpich-4', '--host-package', 'libmpich12', '--with-deps', '--base', 'base/debian']
  ])
  composed(store, ['import', 'app/ring-1', join(folder, 'ring.tar')])
  const image = join(folder, 'ring.sqfs')
  composed(store, ['build', image, '--for', 'everyone', 'base/debian', 'mpi/mpich', 'app/ring'])
  bash('chmod 755 "$1"', folder)
  made = { home: homeIn(folder), image }
  return made
}

const BOTH = ['rank 0 of 2: 1', 'rank 1 of 2: 1']
const compose = [process.execPath, COMPOSE, 'run', '--runtime', 'strata']
const launcher = [LAUNCHER, 'run']

/** Puts the socket at number 3, which a program that opens nothing before would get first. */
const AT_3 = ['bash', '-c', 'eval "exec 3<&$PMI_FD $PMI_FD<&-"; PMI_FD=3 exec "$@"', 'bash']

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
      ...[...words, image, '--', 'sh', '-c', 'test -S "/proc/$$/fd/$PMI_FD" && exec /opt/ring/ring']
    ])
    const { status, stdout, stderr } = spawnSync(program, rest, {
      ...{ cwd: home, encoding: 'utf8' },
      env: userEnvironment(home)
    })
    assert.is(status, 0, stdout + stderr)
    assert.equal(stdout.trim().split('\n').sort(), BOTH)
  })

ranks.run()
