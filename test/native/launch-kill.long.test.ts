import { execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { COMPOSE } from '../helpers/compose.ts'
import { LAUNCHER, type LaunchWorld, launchWorld, processesWith } from '../helpers/launcher.ts'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { asUser, userEnvironment } from '../helpers/runtimes.ts'
import { bySize } from '../helpers/size.ts'
import { suite } from '../helpers/suite.ts'

/** `kill -9` of each process of a run, at many moments: nothing of the run is left, neither a process nor a mount. */

const kills = suite('launcher: kill -9')

const MOMENTS = bySize(8, 50)
/** The first moments fall into the making of the namespaces, the last ones when all programs run. */
const STEP_MS = 3

let made: LaunchWorld | undefined
const world = (): LaunchWorld => {
  made ??= launchWorld()
  return made
}

const pause = (milliseconds: number) => new Promise(resolve => setTimeout(resolve, milliseconds))

/** A program that has left its parent behind, and one that waits. */
const SCRIPT = 'sleep 1000 & (sleep 1000 &) ; exec sleep 1000'

const mounts = (): string[] =>
  readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter(line => line.startsWith('strata ') || line.includes(world().folder))

async function nothingIsLeft(marker: string, what: string): Promise<void> {
  for (let round = 0; processesWith(marker).length > 0; round++) {
    assert.ok(round < 400, `${what}: ${JSON.stringify(processesWith(marker))} is left`)
    await pause(25)
  }
}

let runs = 0
const GOES_ON_ROUNDS = 80

/** @param choose the process to kill, among those that are there at that moment */
async function killed(
  program: string[],
  moment: number,
  choose: (commands: { pid: number; command: string }[]) => number | undefined,
  isRoot = false
): Promise<void> {
  const { home, image } = world()
  const marker = `STRATA_TEST_MARKER=${process.pid}-${++runs}-end`
  const words = [...program, image, '--', 'sh', '-c', SCRIPT]
  const [name, ...rest] = isRoot ? words : asUser(words)
  const [key, value] = marker.split('=')
  const child = spawn(name, rest, {
    env: userEnvironment(home, { [key]: value }),
    stdio: 'ignore',
    detached: true
  })
  await pause(moment)
  const victim = choose(processesWith(marker)) ?? child.pid!
  try {
    process.kill(victim, 'SIGKILL')
  } catch {} // it has ended by itself
  // Where a program in the background was killed, the run goes on; then the launcher is next.
  for (let round = 0; round < GOES_ON_ROUNDS && processesWith(marker).length > 0; round++) await pause(25)
  try {
    process.kill(child.pid!, 'SIGKILL')
  } catch {}
  await nothingIsLeft(marker, `${program.join(' ')}, ${moment} ms`)
}

const launcherRun = [LAUNCHER, 'run']

needing(
  kills,
  'fuse',
  'squashfuse_ll'
)(`of the launcher, at ${MOMENTS} moments`, async () => {
  const before = mounts()
  for (let i = 0; i < MOMENTS; i++)
    await killed(
      launcherRun,
      i * STEP_MS,
      all => all.find(({ command }) => command.includes('strata-launch'))?.pid
    )
  assert.equal(mounts(), before)
})

needing(
  kills,
  'fuse',
  'squashfuse_ll'
)(`of one process after another of a run, at ${MOMENTS} moments`, async () => {
  for (let i = 0; i < MOMENTS; i++) await killed(launcherRun, i * STEP_MS, all => all[i % all.length]?.pid)
})

needing(
  kills,
  'fuse',
  'squashfuse_ll'
)(`of compose run, at ${MOMENTS} moments`, async () => {
  const compose = [process.execPath, COMPOSE, 'run', '--runtime', 'strata']
  for (let i = 0; i < MOMENTS; i++) await killed(compose, 60 + i * STEP_MS * 3, () => undefined)
})

/** Nothing has to be served here, so that only the launcher's word holds the program back. */
needing(
  kills,
  'userns',
  'strace'
)('of a launcher that has not yet started its keeper', async () => {
  const { home } = world()
  const tree = join(home, 'late')
  bash('mkdir -p "$1"/{usr,proc,dev,sys,tmp}; for l in bin lib lib64; do ln -s usr/$l "$1/$l"; done', tree)
  const marker = `STRATA_TEST_MARKER=${process.pid}-late-end`
  const [key, value] = marker.split('=')
  const late = ['strace', '-o', '/dev/null', '-e', 'inject=clone,clone3:delay_enter=1500000:when=2']
  const words = [...late, LAUNCHER, 'run', '--bind', '/usr', '/usr', tree, '--', 'sh', '-c', SCRIPT]
  const [name, ...rest] = asUser(words)
  spawn(name, rest, { env: userEnvironment(home, { [key]: value }), stdio: 'ignore' })
  const launchers = () => processesWith(marker).filter(({ command }) => command.startsWith(LAUNCHER))
  try {
    for (let round = 0; launchers().length === 0; round++) {
      assert.ok(round < 400, 'the launcher does not start')
      await pause(25)
    }
    await pause(800)
    for (const { command } of processesWith(marker)) assert.not.match(command, /^sleep|^sh /)
    process.kill(Math.min(...launchers().map(({ pid }) => pid)), 'SIGKILL')
    await nothingIsLeft(marker, 'a late keeper')
  } finally {
    for (const { pid } of processesWith(marker)) process.kill(pid, 'SIGKILL')
  }
})

/** The kernel reads the image through a loop device. */
needing(
  kills,
  'root',
  'losetup'
)(`of root's launcher, at ${MOMENTS} moments: no loop device is left`, async () => {
  for (let i = 0; i < MOMENTS; i++) await killed(launcherRun, i * STEP_MS, () => undefined, true)
  const attached = () => execFileSync('losetup', ['-j', world().image], { encoding: 'utf8' })
  for (let round = 0; attached() !== ''; round++) {
    assert.ok(round < 400, attached())
    await pause(25)
  }
  assert.not.match(readFileSync('/proc/self/mounts', 'utf8'), world().folder)
})

kills.run()
