import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { COMPOSE } from '../../helpers/compose.ts'
import { atAllSize, needing, suiteNeeding } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { type CaptureWorld, capture, captureWorld, composeIn } from './capture-world.ts'

/**
 * Owners, modes, ACLs, capabilities and devices that a user without any privilege captures, compared with those that root
 * of this host leaves (spec/capture.md#owners). GNU tar, setfacl, setfattr and getcap say what was published.
 */

const SCRIPT = fileURLToPath(new URL('../../../../test/compose/capture/torture.sh', import.meta.url))

/** The base with the script in it, as root unpacks it. */
const UNPACK = 'mkdir "$2"; tar -C "$2" -xpf "$1"'

/** In namespaces of its own, which take the mounts along. */
const AS_ROOT = `
mount --bind /usr "$1/usr"; mount --bind /dev "$1/dev"; mount -t proc proc "$1/proc"; mount -t tmpfs tmpfs "$1/tmp"
chroot "$1" /bin/sh < "$2" > /dev/null 2>&1
`

const LAY = `
tar -C "$1" -xpf "$2/layer.tar"; cd "$1"
[ ! -e "$2/layer.acl" ] || setfacl --restore="$2/layer.acl"
[ ! -e "$2/layer.xattrs" ] || setfattr -h --restore="$2/layer.xattrs"
`

const LIST = `
cd "$1"
find etc opt -printf '%P %y %m %U:%G %l %n\\n' | sort
find etc opt \\( -type b -o -type c \\) -exec stat -c '%n %t:%T' {} + | sort
getfacl -R -n -s etc opt; getcap -r opt
find opt -type f -exec getfattr -d -m 'user|trusted' {} + | sort
`

/** What the script writes about what it saw. */
const SEEN = ['ids', 'seen', 'found', 'facl', 'kinds', 'setid', 'listing', 'xattrs', 'idu', 'idir/res']

const owners = suiteNeeding('capture: owners', 'userns')

const ORACLES = ['root', 'setfacl', 'setcap', 'setfattr', 'python3', 'perl', 'setpriv', 'su', 'unshare']

needing(owners, ...ORACLES)('are those of root, on every path of a torture of 150 lines', () => {
  const world: CaptureWorld = captureWorld()
  const [root, user] = [join(world.folder, 'root'), join(world.folder, 'user')]
  for (const tree of [root, user]) bash(UNPACK, world.base, tree)
  bash('unshare -m -p -f bash -euc "$1" bash "$2" "$3"', AS_ROOT, root, SCRIPT)
  assert.ok(existsSync(join(root, 'opt/t/sparse')))
  copyFileSync(SCRIPT, join(world.home, 'torture.sh'))
  const words = ['--bind', `${world.home}/torture.sh:/torture.sh`, '--', 'sh', '/torture.sh']
  const { status, err } = capture(world, [
    'app/t-1',
    '--from',
    'base/host',
    '--owners',
    'supervised',
    '--allow-privileged',
    ...words
  ])
  assert.is(status, 0, err)
  assert.is(composeIn(world, ['export', 'app/t-1', join(world.home, 'out')]).status, 0)
  bash(LAY, user, join(world.home, 'out'))
  const lines = (tree: string) => bash(LIST, tree).toString().split('\n')
  assert.equal(lines(user), lines(root))
  for (const file of SEEN)
    assert.is(
      readFileSync(join(user, 'opt/t', file), 'latin1'),
      readFileSync(join(root, 'opt/t', file), 'latin1'),
      file
    )
})

atAllSize(needing(owners, ...ORACLES))(
  'and the layer is the same for another user, umask, locale and time',
  () => {
    const world: CaptureWorld = captureWorld()
    copyFileSync(SCRIPT, join(world.home, 'torture.sh'))
    const words = [
      '--bind',
      `${world.home}/torture.sh:/torture.sh`,
      ...['--from', 'base/host', '--owners', 'supervised', '--allow-privileged']
    ]
    const script =
      'sh /torture.sh; date > /var/log/dpkg.log; mkdir -p /var/log /run/x; date > /var/log/dpkg.log'
    const run = (module: string) => ['capture', module, '--bind', '/usr', ...words, '--', 'sh', '-c', script]
    const first = composeIn(world, run('app/one-1'))
    assert.is(first.status, 0, first.err)
    assert.match(first.out, /var\/log\/dpkg\.log: a log, a cache/)
    const env = {
      ...process.env,
      COMPOSE_STORE: world.store,
      TZ: 'Asia/Tokyo',
      LC_ALL: 'de_DE.UTF-8',
      USER: 'other'
    }
    execFileSync('sh', ['-c', 'umask 077; exec "$@"', 'sh', process.execPath, COMPOSE, ...run('app/two-1')], {
      env,
      cwd: world.folder,
      stdio: 'pipe'
    })
    const layers = (module: string) => JSON.parse(composeIn(world, ['--json', 'show', module]).out).layers
    assert.equal(layers('app/two-1'), layers('app/one-1'))
  }
)

owners.run()
