import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { smallBase } from '../compose/runtime-files/small-base.ts'
import { atCheckSize, needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { composeAs, homeIn, podmanOptions } from '../helpers/runtimes.ts'
import { scratch } from '../helpers/scratch.ts'
import { someOf } from '../helpers/size.ts'
import { suite } from '../helpers/suite.ts'
import { composed } from '../helpers/warm-compose.ts'

/** Running where the work is: home, the working folder and binds, in trees that have no place for them. */

interface World {
  folder: string
  home: string
  image: string
  sandbox: string
}

let made: World | undefined

function world(): World {
  if (made !== undefined) return made
  const folder = scratch()
  const store = join(folder, 'store')
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'base/small-1', smallBase()])
  const image = join(folder, 'base.sqfs')
  const sandbox = join(folder, 'sandbox')
  composed(store, ['build', image, 'base/small'])
  composed(store, ['build', '--sandbox', sandbox, 'base/small'])
  bash(
    'chmod 755 "$1"; chmod -R a+rX "$2" "$3"; [ "$(id -u)" != 0 ] || chown -hR 1000:1000 "$3"',
    folder,
    image,
    sandbox
  )
  made = { folder, home: homeIn(folder), image, sandbox }
  return made
}

const flags = (runtime: string) => [
  '--runtime',
  runtime,
  ...(runtime === 'podman' ? podmanOptions().flatMap(option => [`--runtime-option=${option}`]) : [])
]

/** A folder of the host outside /tmp. */
const outside = '/var/tmp/strata-run-test'

const CASES: [runtime: string, tree: 'image' | 'sandbox'][] = [
  ['bwrap', 'image'],
  ['bwrap', 'sandbox'],
  ['ch-run', 'image'],
  ['podman', 'sandbox']
]

for (const [runtime, tree] of someOf(CASES, 1)) {
  const run = suite(`compose run where the work is: ${runtime}, ${tree}`)

  atCheckSize(needing(run, 'root', 'squashfuse', 'fuse', runtime))(
    'mounts home, the working folder and binds that the tree has no place for',
    () => {
      const here = world()
      const work = join(outside, 'users/u')
      bash(
        'rm -rf "$1"; mkdir -p "$2/project"; chmod 755 "$1" "$1/users"; chown -R 1000:1000 "$2"',
        outside,
        work
      )
      try {
        const before = tree === 'sandbox' ? bash('cd "$1"; find . | sort', here.sandbox).toString() : ''
        writeFileSync(join(here.folder, 'setting'), 'of the host')
        const temporary = join(here.home, 'temporary')
        bash('mkdir -p "$1"; chmod 1777 "$1"', temporary)
        const script =
          'pwd; echo "$HOME"; echo made > made; cat /some/where/setting; touch /written 2>/dev/null || echo only read; test -f /etc/passwd && test -x /bin/sh && echo whole'
        const found = composeAs(
          here.home,
          [
            ...['run', ...flags(runtime), '--bind', `${here.folder}/setting:/some/where/setting`],
            ...[here[tree], '--', 'sh', '-c', script]
          ],
          { HOME: work, TMPDIR: temporary },
          join(work, 'project')
        )
        assert.is(found.out, `${work}/project\n${work}\nof the hostonly read\nwhole\n`, found.err)
        assert.is(readFileSync(join(work, 'project/made'), 'utf8'), 'made\n')
        if (tree === 'sandbox') assert.is(bash('cd "$1"; find . | sort', here.sandbox).toString(), before)
        assert.equal(
          readdirSync(temporary).filter(name => name.startsWith('strata-run-')),
          []
        )
      } finally {
        bash('rm -rf "$1"', outside)
      }
    }
  )

  run.run()
}

const settings = suite('compose run: run.yaml')

needing(settings, 'bwrap')("the site's binds are mounted, those that this host lacks are left out", () => {
  const { folder, home, sandbox } = world()
  const etc = join(folder, 'etc')
  mkdirSync(etc, { recursive: true })
  mkdirSync(join(folder, 'data'), { recursive: true })
  writeFileSync(join(folder, 'data/file'), 'shared')
  writeFileSync(
    join(etc, 'run.yaml'),
    `runtime: bwrap\nbinds:\n  - ${folder}/data:/site/data:ro\n  - ${folder}/none\n  - $DATA:/again\n`
  )
  bash('chmod -R a+rX "$1" "$2"', etc, join(folder, 'data'))
  const env = { COMPOSE_ETC: etc, DATA: join(folder, 'data') }
  const script = 'cat /site/data/file /again/file; touch /site/data/x 2>/dev/null || echo :only read'
  const found = composeAs(home, ['run', sandbox, '--', 'sh', '-c', script], env)
  assert.is(found.out, 'sharedshared:only read\n', found.err)
  assert.not.ok(existsSync(join(folder, 'data/x')))
  writeFileSync(join(etc, 'run.yaml'), 'bind: [/x]\n')
  const wrong = composeAs(home, ['--json', 'run', sandbox, 'true'], env)
  assert.is(wrong.status, 51)
  assert.match(JSON.parse(wrong.out).error.message, /run\.yaml:1:1: bind is unknown: wanted runtime, home/)
})

needing(settings, 'bwrap')('--contain mounts nothing of home, and starts in the root', () => {
  const { home, sandbox } = world()
  const found = composeAs(home, ['run', '--runtime', 'bwrap', '--contain', sandbox, '--', 'sh', '-c', 'pwd'])
  assert.is(found.out, '/\n', found.err)
})

settings.run()
