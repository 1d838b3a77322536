import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { launcherFile } from '../../native/index.ts'
import { smallBase } from '../compose/runtime-files/small-base.ts'
import { composed } from './compose.ts'
import { bash } from './real-tree.ts'
import { asUser, homeIn, userEnvironment } from './runtimes.ts'
import { scratch } from './scratch.ts'

/** Our launcher as users and job scripts call it, as an ordinary user. */

export const LAUNCHER = launcherFile()

export interface LaunchWorld {
  folder: string
  home: string
  store: string
  image: string
}

/** An image that compose built, with programs of this host. */
export function launchWorld(): LaunchWorld {
  const folder = scratch()
  const store = join(folder, 'store')
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'base/small-1', smallBase()])
  const image = join(folder, 'base.sqfs')
  composed(store, ['build', image, 'base/small'])
  bash('chmod 755 "$1"; chmod a+r "$2"', folder, image)
  return { folder, home: homeIn(folder), store, image }
}

export function launch(
  { home }: LaunchWorld,
  words: string[],
  env: NodeJS.ProcessEnv = {},
  input = ''
): SpawnSyncReturns<string> {
  const [program, ...rest] = asUser([LAUNCHER, 'run', ...words])
  return spawnSync(program, rest, {
    cwd: home,
    env: userEnvironment(home, env),
    encoding: 'utf8',
    input,
    maxBuffer: 1 << 26
  })
}

/** Processes with this text in their environment: launcher, keeper, squashfuse and programs of a run inherit it. */
export function processesWith(marker: string): { pid: number; command: string }[] {
  return processes()
    .filter(pid => readOr(`/proc/${pid}/environ`).includes(marker))
    .map(pid => ({ pid: Number(pid), command: commandOf(pid) }))
}

const processes = (): string[] => readdirSync('/proc').filter(name => /^\d+$/.test(name))

const commandOf = (pid: string): string => readOr(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')

function readOr(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return '' // it has ended
  }
}
