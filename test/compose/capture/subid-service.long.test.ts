import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { documentOf, type Ran } from '../../helpers/compose.ts'
import { suiteNeeding } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { userEnvironment } from '../../helpers/runtimes.ts'
import { commandLine, composeIn, world } from './capture-world.ts'

/** Subordinate ids that a directory service gives, and no line of /etc/subuid (spec/capture.md#subordinate-ids). */

const service = suiteNeeding(
  'capture: subordinate ids of a directory service',
  ...['root', 'userns', 'newuidmap', 'getsubids', 'gcc', 'unshare', 'setpriv']
)

const SOURCE = fileURLToPath(new URL('../../../../test/compose/capture/subid-service.c', import.meta.url))

/** newuidmap is set-id, so the loader takes the library from its cache alone. */
const ON_HOST = `
printf 'include /etc/ld.so.conf\\n%s\\n' "$1" > "$1/conf"; PATH=$PATH:/sbin:/usr/sbin ldconfig -X -C "$1/cache" -f "$1/conf" 2> /dev/null
{ grep -v '^subid:' /etc/nsswitch.conf; echo 'subid: strata'; } > "$1/switch"; echo '#1000:300000:65536' | tr -d '#' > "$1/ids"
mount --bind "$1/cache" /etc/ld.so.cache; mount --bind "$1/switch" /etc/nsswitch.conf
mount --bind "$1/ids" /etc/subuid; mount --bind "$1/ids" /etc/subgid; shift; exec "$@"`

/** `compose` on a host whose service gives each user these ids. */
function composeWith(
  { first, count }: { first: number; count: number },
  args: string[],
  ...before: string[]
): Ran {
  const { folder, home, store } = world()
  const place = join(folder, `service-${first}-${count}`)
  mkdirSync(place, { recursive: true })
  bash(
    'gcc -shared -fPIC -Wl,-soname,libsubid_strata.so -DFIRST="$2" -DCOUNT="$3" -o "$1/libsubid_strata.so" "$4"; chmod -R a+rX "$1"',
    ...[place, String(first), String(count), SOURCE]
  )
  const words = ['-m', 'sh', '-euc', ON_HOST, 'sh', place, ...before, ...commandLine(args)]
  const { status, stdout, stderr } = spawnSync('unshare', words, {
    cwd: home,
    env: userEnvironment(home, { COMPOSE_STORE: store, TMPDIR: home }),
    stdio: ['ignore', 'pipe', 'pipe']
  })
  return { status, out: stdout.toString(), err: stderr.toString() }
}

const captureOf = (module: string): string[] => [
  ...['capture', module, '--owners', 'subuid', '--from', 'base/host', '--bind', '/usr:/usr:ro'],
  ...['--', 'sh', '-c', 'touch /opt/x; chown 5:7 /opt/x; cat /proc/self/uid_map /proc/self/gid_map']
]

const checkOf = ({ out }: Ran) =>
  documentOf(out).checks.find((check: { name: string }) => check.name === 'subuid')

service('are mapped, and the file does not count', () => {
  const ids = { first: 600_000, count: 70_000 }
  const { status, out, err } = composeWith(ids, captureOf('app/service-1'))
  assert.is(status, 0, err)
  assert.equal(
    out
      .split('\n')
      .slice(0, 4)
      .map(line => line.trim().split(/\s+/).join(' ')),
    ['0 0 1', '1 1 70000', '0 0 1', '1 1 70000']
  )
  const check = checkOf(composeWith(ids, ['--json', 'doctor']))
  assert.is(check.works, true)
  assert.match(check.found, /^70000 ids for this user/)
  const layer = join(world().home, 'service')
  assert.is(composeIn(world(), ['export', 'app/service-1', layer]).status, 0)
  assert.match(bash('tar --numeric-owner -tvf "$1"/layer.tar', layer).toString(), / 5\/7 .*opt\/x\n/)
})

service('that are those of an account are refused, as lines of the file are', () => {
  const { status, err } = composeWith({ first: 900, count: 65_536 }, captureOf('app/near-1'))
  assert.is(status, 50)
  assert.match(
    err,
    /"subid: strata" of \/etc\/nsswitch\.conf \(getsubids \S+\): 0: \S+ 900 65536 has the id \d+ of /
  )
  const check = checkOf(composeWith({ first: 900, count: 65_536 }, ['--json', 'doctor']))
  assert.is(check.works, false)
  assert.match(check.remedy, /those who run the service "strata" can give/)
})

service('that are too few are not taken, and the program that asks is named if it is missing', () => {
  const none = composeWith({ first: 600_000, count: 0 }, captureOf('app/none-1'))
  assert.is(none.status, 50)
  assert.match(none.err, /"subid: strata" of \/etc\/nsswitch\.conf \(getsubids -g \S+\)/)
  const check = checkOf(composeWith({ first: 600_000, count: 100 }, ['--json', 'doctor']))
  assert.match(check.found, /no range for \S+ in "subid: strata" of .* captures are supervised/)
  const path = join(world().home, 'few')
  bash(
    'mkdir -p "$1"; for p in newuidmap newgidmap sh env cat touch chown; do ln -sf "$(command -v $p)" "$1/$p"; done; : > "$2"/none',
    ...[path, world().home]
  )
  // Without the program, the file counts, since newuidmap might take it; here it does not.
  const without = composeWith(
    { first: 600_000, count: 70_000 },
    captureOf('app/none-1'),
    'env',
    `PATH=${path}`
  )
  assert.is(without.status, 50)
  assert.match(without.err, /subordinate ids cannot be mapped/)
})

service.run()
