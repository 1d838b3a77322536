/**
 * Three Dockerfiles built by `compose`, `ch-image build --force` and `podman build` as a user, with and without
 * subordinate ids, and by podman as root: time, size, and what is left of owners and modes.
 *
 *   node dist/test/bench/definitions.js USER [RUNS]
 *
 * As root; USER is an account with a range in /etc/subuid. The base is that of mmdebstrap, or the tarball of
 * STRATA_DEBIAN_BASE; its packages are fetched before. Needs charliecloud with python3-lark and git, podman, squashfs-tools.
 */
import { spawnSync } from 'node:child_process'
import { rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { baseWith } from '../compose/capture/package-oracle.ts'
import { COMPOSE } from '../helpers/compose.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { describeRun, renderTable, spread } from './helpers/report.ts'

const [user, rounds = '3'] = process.argv.slice(2)
if (user === undefined) throw new Error('usage: definitions.js USER [RUNS]')

const PACKAGES = ['openssh-client', 'dbus', 'man-db']
const DEFINITIONS = {
  'apt-get install': `ENV DEBIAN_FRONTEND=noninteractive\nRUN apt-get install -y --no-install-recommends ${PACKAGES.join(' ')}\n`,
  'install, set-gid':
    'RUN install -D -o root -g games -m 2755 /usr/bin/stat /usr/local/games/score && install -d -o games -g games -m 2775 /var/games && install -o games -g games -m 664 /dev/null /var/games/scores\n',
  'copy of a tree': 'COPY . /opt/tree\n'
}
type Name = keyof typeof DEFINITIONS
const names = Object.keys(DEFINITIONS) as Name[]

const folder = scratch()
const at = (...parts: string[]): string => join(folder, ...parts)

/** What a build of definition $1 does; what is measured, and what then writes its tree as $2 and the file to hand on as $3. */
interface Way {
  who: 'root' | 'ids' | 'plain'
  prepare: string
  build: string
  results: string
}

const podman = (who: Way['who'], options = ''): Way => {
  const PODMAN = `podman --storage-driver vfs ${options} --root "$HOME/pods" --runroot "$HOME/r"`
  const exported = `${PODMAN} export -o "$2" "$(${PODMAN} create "image-$1" true)"`
  // The export of a user has lost what the image has: owners beside root's, and set-id bits.
  const seenInside = `${PODMAN} run --rm --network none "image-$1" tar -C / --one-file-system --numeric-owner -cf - . > "$2"`
  return {
    who,
    prepare: `${PODMAN} import -q "$BASE" base`,
    build: `${PODMAN} build --no-cache --network none -q -t "image-$1" -f "$DEFINITIONS/$1.base" "$CONTEXT"`,
    results: `${who === 'root' ? exported : seenInside}; rm -f "$3"; ${PODMAN} save -q -o "$3" "image-$1"`
  }
}
const compose = (who: Way['who']): Way => ({
  who,
  prepare: 'compose init --level 3; compose import base/bench-1 "$BASE" --kind base',
  build: 'compose build --no-cache --no-network "$HOME/$1.sqfs" "$DEFINITIONS/$1.module"',
  results:
    'rm -f "$2"; compose build "$2" "$DEFINITIONS/$1.module" --no-network --format tar; cp "$HOME/$1.sqfs" "$3"'
})
const WAYS: Record<string, Way> = {
  'podman build, root': podman('root'),
  'compose build, subordinate ids': compose('ids'),
  'compose build, one id': compose('plain'),
  'podman build, subordinate ids': podman('ids'),
  'podman build, one id': podman('plain'),
  'podman build, one id, ignore_chown_errors': podman('plain', '--storage-opt vfs.ignore_chown_errors=true'),
  'ch-image build --force': {
    who: 'plain',
    prepare:
      'git config --global user.email a@b.c; git config --global user.name a; ch-image import "$BASE" base',
    build: 'ch-image build --force --rebuild -t "image-$1" -f "$DEFINITIONS/$1.base" "$CONTEXT"',
    results: 'tar -C "$CH_IMAGE_STORAGE/img/image-$1" -cf "$2" .; rm -f "$3"; ch-convert "image-$1" "$3"'
  }
}

const SETTINGS = `set -e; cd "$HOME"; compose() { "$NODE" "$COMPOSE" "$@"; }; umask 022\n`
const WITHOUT_IDS = 'mount --bind /dev/null /etc/subuid; mount --bind /dev/null /etc/subgid; exec "$@"'

/** podman takes no path that is longer than 50 characters. */
const homeOf = (way: string): string => at(String(Object.keys(WAYS).indexOf(way)))

/** @throws Error with the last words */
function run(name: string, { who }: Way, script: string, ...words: string[]): string {
  const home = homeOf(name)
  const login = who === 'root' ? [] : ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups']
  const hidden = who === 'plain' ? ['sh', '-euc', WITHOUT_IDS, 'sh'] : []
  const own = bash(
    'mkdir -p "$1/run"; chmod 700 "$1/run"; [ "$2" = root ] || chown -R "$2" "$1"; id -un "$2"',
    home,
    who === 'root' ? 'root' : user
  )
  const environment = {
    ...{
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: home,
      USER: own.toString().trim(),
      XDG_RUNTIME_DIR: join(home, 'run')
    },
    ...{
      TMPDIR: home,
      COMPOSE_STORE: join(home, 'store'),
      CH_IMAGE_STORAGE: join(home, 'ch'),
      NODE: process.execPath,
      COMPOSE
    },
    ...{ BASE: base, CONTEXT: at('context'), DEFINITIONS: at('definitions') }
  }
  const [program, ...rest] = [
    'unshare',
    '-m',
    ...hidden,
    ...login,
    'bash',
    '-c',
    `${SETTINGS}${script}`,
    'bash',
    ...words
  ]
  const { status, stdout, stderr } = spawnSync(program, rest, { env: environment, maxBuffer: 1 << 28 })
  if (status === 0) return stdout.toString()
  throw new Error(stderr.toString().trim().split('\n').slice(-3).join(' ').slice(-300))
}

const timed = (script: string): string =>
  `TIMEFORMAT='%R %U %S'; { time { ${script}; } > /dev/null 2> "$HOME/log"; } 2> "$HOME/time" || { cat "$HOME/log" >&2; exit 1; }; cat "$HOME/time"`

/** Mode and owner of all paths that hold no state of the host and no caches. */
function listed(tar: string): Map<string, string> {
  const id = bash('id -u "$1"', user).toString().trim()
  const lines = bash('tar --numeric-owner -tvf "$1"', tar).toString().trim().split('\n')
  const found = lines.map(line => {
    const [mode, owner, , , , path] = line.split(/\s+/)
    // The user is root of a tree that only knows one id.
    const ids = owner.split('/').map(each => (each === id ? '0' : each))
    return [path.replace(/^\.?\/|\/$/g, ''), `${mode.replace(/^h/, '-')} ${ids.join('/')}`] as const
  })
  return new Map(found.filter(([path, line]) => path !== '' && !line.startsWith('l') && !OF_HOST.test(path)))
}
const OF_HOST =
  /^(dev|proc|sys|run|tmp|mnt|media|ch|\.compose|\.singularity\.d|var\/(tmp|cache|log)|var\/lib\/apt|etc\/(hosts|hostname|resolv\.conf|mtab|[a-z]+-)$)(\/|$)/

const base = baseWith(PACKAGES)
bash(
  'chmod 755 "$1"; mkdir "$1/definitions" "$1/context"; cp -r /usr/lib/python3/dist-packages/. "$1/context"; chmod -R a+rX "$1/context"',
  folder
)
for (const name of names)
  for (const [kind, from] of [
    ['base', 'base'],
    ['module', 'base/bench-1']
  ])
    writeFileSync(at('definitions', `${names.indexOf(name)}.${kind}`), `FROM ${from}\n${DEFINITIONS[name]}`)

interface Row {
  seconds: number[]
  cpu: number[]
  megabytes?: number
  differ?: number
  failure?: string
}

const truth = new Map<Name, Map<string, string>>()
const rows = new Map<string, Row>()
const keyOf = (name: Name, way: string): string => `${name}\t${way}`

const unprepared = new Map<string, string>()
for (const [way, how] of Object.entries(WAYS))
  try {
    run(way, how, `{ ${how.prepare}; } > /dev/null`)
  } catch (error) {
    unprepared.set(way, (error as Error).message)
  }
for (let round = 0; round < Number(rounds); round++)
  for (const name of names)
    for (const [way, how] of Object.entries(WAYS)) {
      const row = rows.get(keyOf(name, way)) ?? { seconds: [], cpu: [], failure: unprepared.get(way) }
      rows.set(keyOf(name, way), row)
      if (row.failure !== undefined) continue
      const number = String(names.indexOf(name))
      try {
        const [real, userTime, system] = run(way, how, timed(how.build), number)
          .trim()
          .split(/\s+/)
          .slice(-3)
          .map(Number)
        row.seconds.push(real)
        row.cpu.push(userTime + system)
        if (round > 0) continue
        const home = homeOf(way)
        const [tree, file] = ['tree.tar', 'image.sqfs'].map(each => join(home, each))
        run(way, how, how.results, number, tree, file)
        row.megabytes = statSync(file).size / 1e6
        const found = listed(tree)
        rmSync(tree)
        if (!truth.has(name)) truth.set(name, found)
        row.differ = [...truth.get(name)!].filter(([path, line]) => (found.get(path) ?? line) !== line).length
      } catch (error) {
        row.failure = (error as Error).message
      }
    }

const table = [...rows].map(([key, { seconds, cpu, megabytes, differ, failure }]) => [
  ...key.split('\t'),
  ...(failure === undefined
    ? [spread(seconds), spread(cpu), megabytes!.toFixed(1), String(differ)]
    : [failure.replaceAll('|', ' '), '', '', ''])
])
console.log(`${describeRun()}\n`)
console.log(
  renderTable(['definition', 'built by', 'seconds', 'CPU s', 'MB to hand on', 'wrong owner or mode'], table)
)
