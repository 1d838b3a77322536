/**
 * Starting a program in an image: our launcher, `compose run`, and other runtimes, in turns.
 *
 *   node dist/test/bench/launch.js IMAGE [RUNS] [PROGRAM...]
 *
 * As root it starts them as user 1000. Runtimes that are not installed are left out. podman gets the image unpacked, since it
 * takes no SquashFS.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { COMPOSE } from '../helpers/compose.ts'
import { LAUNCHER } from '../helpers/launcher.ts'
import { bash } from '../helpers/real-tree.ts'
import { asUser, homeIn, podmanOptions, userEnvironment } from '../helpers/runtimes.ts'
import { scratch } from '../helpers/scratch.ts'

const [imageWord, runs = '21', ...words] = process.argv.slice(2)
if (imageWord === undefined) throw new Error('node dist/test/bench/launch.js IMAGE [RUNS] [PROGRAM...]')
const image = resolve(imageWord)
const program = words.length > 0 ? words : ['true']

const folder = scratch()
bash('chmod 755 "$1"', folder)
const home = homeIn(folder)
const tree = join(folder, 'tree')

const isThere = (name: string): boolean => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0

/** Unpacked as the user who runs podman. */
function unpack(): string {
  mkdirSync(tree)
  bash('[ "$(id -u)" != 0 ] || chown 1000:1000 "$1"', tree)
  spawnSync(asUser(['unsquashfs'])[0], [
    ...asUser(['unsquashfs']).slice(1),
    ...['-q', '-n', '-f', '-no-xattrs', '-d', tree, image]
  ])
  return tree
}

const strata = [LAUNCHER, 'run', image, ...program]
const all: Record<string, string[] | undefined> = {
  'program by itself': program,
  'our launcher': strata,
  'our launcher, --writable': [LAUNCHER, 'run', '--writable', image, ...program],
  'ch-run, by squashfuse': isThere('ch-run') ? ['ch-run', image, '--', ...program] : undefined,
  podman:
    isThere('podman') && isThere('unsquashfs')
      ? ['podman', 'run', '--rm', '--network=host', ...podmanOptions(), '--rootfs', unpack(), ...program]
      : undefined,
  'node -e 0': [process.execPath, '-e', '0'],
  'compose run': [process.execPath, COMPOSE, 'run', '--runtime', 'strata', image, '--', ...program]
}
const measured = Object.entries(all).filter((entry): entry is [string, string[]] => entry[1] !== undefined)
const times = new Map<string, number[]>(measured.map(([name]) => [name, []]))

for (let run = 0; run <= Number(runs); run++)
  for (const [name, command] of measured) {
    const [first, ...rest] = asUser(command)
    const start = process.hrtime.bigint()
    const { status, stderr } = spawnSync(first, rest, {
      cwd: home,
      env: userEnvironment(home),
      stdio: ['ignore', 'ignore', 'pipe']
    })
    const milliseconds = Number(process.hrtime.bigint() - start) / 1e6
    if (status !== 0) throw new Error(`${command.join(' ')} ended with ${status}: ${stderr}`)
    if (run > 0) times.get(name)!.push(milliseconds) // the first one fills caches
  }

const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
console.log(`commit ${commit}, node dist/test/bench/launch.js ${process.argv.slice(2).join(' ')}\n`)
console.log('|  | milliseconds |\n| --- | --: |')
for (const [name, list] of times) {
  const sorted = list.sort((a, b) => a - b)
  const at = (part: number) => sorted[Math.floor((sorted.length - 1) * part)].toFixed(1)
  console.log(`| ${name} | ${at(0.5)} (${at(0)}-${at(1)}) |`)
}
