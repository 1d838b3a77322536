import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { endProcesses } from '../runner/processes.ts'
import { COMPOSE, type Ran } from './compose.ts'
import { bash } from './real-tree.ts'

/** Runtimes as an ordinary user starts them, where the tests run as root: nothing here needs root. */

export const USER = 1000

/** A home that the user owns. */
export function homeIn(folder: string): string {
  const home = join(folder, 'home')
  mkdirSync(home, { recursive: true })
  mkdirSync(runRoot(home))
  if (process.getuid?.() === 0) bash('chmod 755 "$1"; chown 1000:1000 "$2" "$3"', folder, home, runRoot(home))
  return home
}

export const asUser = (args: string[]): string[] =>
  process.getuid?.() === 0
    ? ['/usr/bin/setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups', ...args]
    : args

export const userEnvironment = (home: string, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  PATH: process.env.PATH,
  HOME: home,
  USER: 'user',
  ...more
})

/** podman takes none that is longer than 50 characters. */
const runRoot = (home: string): string => join(dirname(home), 'r')

/** `compose` as that user. */
export function composeAs(home: string, args: string[], env: NodeJS.ProcessEnv = {}, cwd = home): Ran {
  const [program, ...rest] = asUser([process.execPath, COMPOSE, ...args])
  const { status, stdout, stderr } = spawnSync(program, rest, {
    cwd,
    env: userEnvironment(home, env),
    maxBuffer: 1 << 28
  })
  return { status, out: stdout.toString(), err: stderr.toString() }
}

/**
 * Options for podman in a virtual machine: crun refuses hosts with both cgroup versions, and runc refuses
 * --cgroups=disabled.
 */
export const podmanOptions = (): string[] => {
  const runc = bash('command -v runc || true').toString().trim()
  return runc === '' ? ['--cgroups=disabled'] : ['--runtime', runc]
}

/** Folders that `endPodmanAtExit` was told. */
const ending = new Set<string>()

/**
 * A user's podman leaves a process that holds its namespaces: it ends with the test file.
 * @param temporary the TMPDIR of podman, which no process has that is to go on
 */
export function endPodmanAtExit(temporary: string): void {
  if (!ending.has(temporary)) process.prependListener('exit', () => endProcesses(temporary))
  ending.add(temporary)
}

/**
 * podman with a storage of its own in the home, as that user, which leaves nothing in /tmp. It is in `folder`: it makes
 * names of images from paths.
 */
export function podmanAs(home: string, folder: string, args: string[]): string {
  endPodmanAtExit(home)
  const limits = join(folder, 'containers.conf')
  writeFileSync(limits, '[containers]\ndefault_ulimits=[]\n')
  const storage = ['--storage-driver', 'vfs', '--root', join(home, 'root'), '--runroot', runRoot(home)]
  const [program, ...rest] = asUser(['podman', ...storage, ...args])
  return execFileSync(program, rest, {
    cwd: folder,
    env: userEnvironment(home, { CONTAINERS_CONF: limits, XDG_RUNTIME_DIR: runRoot(home), TMPDIR: home }),
    maxBuffer: 1 << 26,
    stdio: ['ignore', 'pipe', 'pipe']
  }).toString()
}
