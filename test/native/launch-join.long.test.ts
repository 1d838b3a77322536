import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { jobName } from '../../compose/run/job-name.ts'
import { LAUNCHER, type LaunchWorld, launch, launchWorld, processesWith } from '../helpers/launcher.ts'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { asUser, userEnvironment } from '../helpers/runtimes.ts'
import { suite } from '../helpers/suite.ts'

/** Ranks that share namespaces: what each may see of the other tells whether they do. */
const ranks = suite('launcher: --join')

let made: LaunchWorld | undefined
const world = (): LaunchWorld => {
  made ??= launchWorld()
  return made
}

const NEEDS = ['fuse', 'squashfuse_ll']
const pause = (milliseconds: number) => new Promise(resolve => setTimeout(resolve, milliseconds))

/** A folder for sessions that only the user can enter. */
function session(name: string): string {
  const folder = join(world().home, name)
  mkdirSync(folder, { mode: 0o700 })
  bash('[ "$(id -u)" != 0 ] || chown 1000:1000 "$1"', folder)
  return folder
}

/** Starts a rank that goes on, and tells its number. */
async function waitingRank(words: string[], env: NodeJS.ProcessEnv) {
  const [name, ...rest] = asUser([LAUNCHER, 'run', ...words, 'sh', '-c', 'echo $$; exec sleep 1000'])
  const child = spawn(name, rest, {
    env: userEnvironment(world().home, env),
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const pid = await new Promise<string>(resolve =>
    child.stdout.once('data', data => resolve(String(data).trim()))
  )
  return { child, pid }
}

/** The kernel lets a process look there only if it could read the other one's memory. */
const READS = 'cat /proc/$0/environ > /dev/null && echo reads'

needing(ranks, ...NEEDS)(
  'ranks read memory of each other, and one squashfuse serves them; others do not',
  async () => {
    const { image } = world()
    const XDG_RUNTIME_DIR = session('session')
    const marker = `ranks-${process.pid}`
    const env = { XDG_RUNTIME_DIR, MARKER: marker }
    const { child, pid } = await waitingRank(['--join', 'job.1', image], env)
    const second = await waitingRank(['--join', 'job.1', '--setenv', 'RANK', '2', image], env)
    assert.match(launch(world(), ['--join', 'job.1', image, 'sh', '-c', READS, pid], env).stdout, /reads/)
    assert.not.match(launch(world(), [image, 'sh', '-c', READS, pid], env).stdout, /reads/)
    assert.not.match(launch(world(), ['--join', 'job.2', image, 'sh', '-c', READS, pid], env).stdout, /reads/)
    const servers = () => processesWith(marker).filter(({ command }) => command.includes('squashfuse_ll'))
    assert.is(servers().length, 1)
    // The first one ends: the mounts stay for the second.
    child.kill('SIGTERM')
    await new Promise(resolve => child.on('close', resolve))
    assert.not.ok(existsSync(join(XDG_RUNTIME_DIR, 'strata-join-job.1')))
    assert.is(servers().length, 1)
    second.child.kill('SIGTERM')
    for (let round = 0; processesWith(marker).length > 0; round++) {
      assert.ok(round < 400, JSON.stringify(processesWith(marker)))
      await pause(25)
    }
  }
)

needing(ranks, ...NEEDS)('many ranks that start at once make one set of namespaces', () => {
  const { image, home } = world()
  const env = { XDG_RUNTIME_DIR: session('at-once') }
  const script = 'read -r a b < /proc/self/mountinfo; echo $a; sleep 1'
  const line = asUser([LAUNCHER, 'run', '--join', 'many', image, 'sh', '-c', script])
  const { stdout, status } = spawnSync(
    'bash',
    ['-c', 'for i in 1 2 3 4 5 6 7 8; do "$@" & done; wait', 'bash', ...line],
    {
      env: userEnvironment(home, env),
      encoding: 'utf8'
    }
  )
  assert.is(status, 0)
  const mounts = stdout.trim().split('\n')
  assert.is(mounts.length, 8)
  assert.is(new Set(mounts).size, 1, stdout)
})

needing(ranks, ...NEEDS)(
  'another image, a name that is a path, and a folder of others are refused',
  async () => {
    const { image, folder } = world()
    const env = { XDG_RUNTIME_DIR: session('refused') }
    bash('cp "$1" "$2"; chmod 644 "$2"', image, join(folder, 'other.sqfs'))
    const { child } = await waitingRank(['--join', 'one', image], env)
    for (const [words, message] of [
      [['--join', 'one', join(folder, 'other.sqfs'), 'true'], /in use for another image/],
      [['--join', '../one', image, 'true'], /is not a name/],
      [['--join', 'one', '--writable', image, 'true'], /does not go together/]
    ] as const) {
      const found = launch(world(), [...words], env)
      assert.is(found.status, 125)
      assert.match(found.stderr, message)
    }
    child.kill('SIGTERM')
    await new Promise(resolve => child.on('close', resolve))
  }
)

ranks('the name of a job is that of its step, and a text of harmless characters', () => {
  assert.is(jobName({ SLURM_JOB_ID: '7', SLURM_STEP_ID: '0' }, 1), '7.0')
  assert.is(jobName({ SLURM_JOB_ID: '7', PMIX_NAMESPACE: 'prterun-a@1/2' }, 1), 'prterun-a_1_2')
  assert.is(jobName({}, 42), 'process.42')
  assert.is(jobName({ PMIX_NAMESPACE: 'x'.repeat(100) }, 1).length, 64)
})

ranks.run()
