import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { FULL_SIZE, needing, suiteNeeding } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { homeIn } from '../../helpers/runtimes.ts'
import { scratch } from '../../helpers/scratch.ts'
import { type CaptureWorld, composeIn } from './capture-world.ts'

/** Debian packages whose files have owners, set-id bits, capabilities and ACLs, installed by a user and by root. */

const INSTALL = [
  'apt-get update -qq',
  'apt-get install -y openssh-client dbus man-db at plocate systemd acl postfix postgresql-common iputils-ping',
  'setfacl -R -nm g:4:rx,d:g:4:rx /var/log; echo x > /var/log/new; setfacl -m u:42:rw,g:adm:r /etc/fstab'
].join(' > /dev/null && ')

/** A container of root by hand, with what a capture mounts. */
const AS_ROOT = `
hostname localhost; cd "$1"; touch etc/resolv.conf etc/hosts; rm -rf dev/*; mount -t tmpfs tmpfs dev
for d in null zero full random urandom tty; do touch dev/$d; mount --bind /dev/$d dev/$d; done
mkdir dev/pts dev/shm; mount -t devpts devpts dev/pts -o newinstance,ptmxmode=0666
ln -s pts/ptmx dev/ptmx; ln -s /proc/self/fd dev/fd
mount -t proc proc proc; mount --rbind /sys sys; mount --bind /etc/resolv.conf etc/resolv.conf; mount --bind /etc/hosts etc/hosts
printf '#!/bin/sh\\nexit 101\\n' > usr/sbin/policy-rc.d; chmod 755 usr/sbin/policy-rc.d
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot . sh -c "$2" >&2
rm usr/sbin/policy-rc.d
`

/** Whiteouts by rm(1), all else by GNU tar. */
const LAY = `
tar -tf "$2/layer.tar" | sed -n 's,\\(.*/\\)\\?\\.wh\\.\\([^/]*\\)$,\\1\\2,p' | (cd "$1"; xargs -r -d '\\n' rm -rf --)
tar -C "$1" --exclude '.wh.*' -xpf "$2/layer.tar"; cd "$1"
setfacl --restore="$2/layer.acl"; setfattr -h --restore="$2/layer.xattrs"
`

/** Logs, caches and temporary files are scrubbed; /etc/mtab and mount points are made by every build. */
const LIST = `
cd "$1"
find . -regextype posix-extended \\( -path ./dev -o -path ./proc -o -path ./sys -o -path ./run -o -path ./tmp \\
  -o -path './.compose' -o -path './.singularity.d' -o -path ./var/cache/apt -o -path ./var/lib/apt/lists \\
  -o -path ./var/log/apt -o -regex '\\./var/log/(dpkg|alternatives|fontconfig|bootstrap).log' -o -path './var/lib/dpkg/*-old' \\
  -o -path './var/cache/debconf/*-old' -o -regex '\\./etc/(passwd|group|shadow|gshadow|subuid|subgid)-' \\
  -o -regex '\\./(etc/(machine-id|hosts|mtab|resolv.conf|.pwd.lock)|var/lib/dbus/machine-id|var/cache/ldconfig/aux-cache)' \\
  -o -path ./var/lib/systemd/catalog/database -o -regex '\\./(mnt|media|scratch|work|data|gpfs|lustre).*' \\) -prune \\
  -o -printf '%P %y %m %U:%G %l\\n' | sort
getfacl -R -n -s --absolute-names etc var/lib var/mail usr 2>/dev/null; getcap -r usr
`

const packages = suiteNeeding('capture: packages', 'userns')

const NEEDS = [FULL_SIZE, 'root', 'mmdebstrap', 'setfacl', 'getcap', 'setfattr', 'unshare']

needing(packages, ...NEEDS)('of Debian are installed as root installs them, on every path', () => {
  const folder = scratch()
  const [base, root, user] = ['base.tar', 'root', 'user'].map(name => join(folder, name))
  bash('mmdebstrap --quiet --variant=minbase bookworm "$1"; chmod a+r "$1"', base)
  for (const tree of [root, user]) bash('mkdir "$2"; tar -C "$2" -xpf "$1"', base, tree)
  bash('unshare -m -p -f -u bash -euc "$1" bash "$2" "$3"', AS_ROOT, root, INSTALL)
  const home = homeIn(folder)
  const world: CaptureWorld = { folder, home, base, store: join(home, 'store') }
  for (const args of [
    ['init', '--level', '1'],
    ['import', 'base/debian-12', base, '--kind', 'base'],
    [
      'capture',
      'app/p-1',
      '--from',
      'base/debian',
      '--network',
      '--allow-privileged',
      '--',
      'sh',
      '-c',
      INSTALL
    ],
    ['export', 'app/p-1', join(home, 'out')]
  ]) {
    const { status, err } = composeIn(world, args)
    assert.is(status, 0, err)
  }
  bash(LAY, user, join(home, 'out'))
  const lines = (tree: string) => bash(LIST, tree).toString().split('\n')
  assert.ok(lines(root).length > 10000)
  assert.equal(lines(user), lines(root))
})

packages.run()
