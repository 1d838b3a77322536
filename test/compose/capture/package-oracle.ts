import { existsSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { bash } from '../../helpers/real-tree.ts'
import { homeIn } from '../../helpers/runtimes.ts'
import { scratch } from '../../helpers/scratch.ts'
import { type CaptureWorld, composeIn, composeWithIds } from './capture-world.ts'

/** What an installation leaves as real root in a container, and as an ordinary user by `compose capture`. */

/** The programs that it asks. */
export const ORACLES = ['root', 'mmdebstrap', 'setfacl', 'getcap', 'setfattr', 'unshare']

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
const IN_CONTAINER = 'unshare -m -p -f -u bash -euc "$1" bash "$2" "$3"'

const UNPACK = 'mkdir "$2"; tar -C "$2" --xattrs --acls -xpf "$1"'

/** Whiteouts by rm(1), all else by GNU tar. */
const LAY = `
tar -tf "$2/layer.tar" | sed -n 's,\\(.*/\\)\\?\\.wh\\.\\([^/]*\\)$,\\1\\2,p' | (cd "$1"; xargs -r -d '\\n' rm -rf --)
tar -C "$1" --exclude '.wh.*' -xpf "$2/layer.tar"; cd "$1"
[ ! -e "$2/layer.acl" ] || setfacl --restore="$2/layer.acl"
[ ! -e "$2/layer.xattrs" ] || setfattr -h --restore="$2/layer.xattrs"
`

/** Logs, caches and temporary files are scrubbed; /etc/mtab and mount points are made by every build. */
const LIST = `
cd "$1"
find . -regextype posix-extended \\( -path ./dev -o -path ./proc -o -path ./sys -o -path ./run -o -path ./tmp \\
  -o -path ./var/tmp -o -path './.compose' -o -path './.singularity.d' -o -path ./var/cache/apt -o -path ./var/lib/apt/lists \\
  -o -path ./var/log/apt -o -regex '\\./var/log/(dpkg|alternatives|fontconfig|bootstrap).log' -o -path './var/lib/dpkg/*-old' \\
  -o -path './var/cache/debconf/*-old' -o -regex '\\./etc/(passwd|group|shadow|gshadow|subuid|subgid)-' \\
  -o -regex '\\./(etc/(machine-id|hosts|mtab|resolv.conf|.pwd.lock)|var/lib/dbus/machine-id|var/cache/ldconfig/aux-cache)' \\
  -o -path ./var/lib/systemd/catalog/database -o -regex '\\./(mnt|media|scratch|work|data|gpfs|lustre).*' \\
  -o -regex '\\./var/lib/rpm/(.rpm.lock|.*-shm|.*-wal)' \\) -prune -o -printf '%P %y %m %U:%G %l\\n' | sort
getfacl -R -n -s --absolute-names etc opt var/lib var/mail usr 2>/dev/null; getcap -r usr opt
find etc opt usr var/lib -type f -exec getfattr -d -m '^(user|trusted)' {} + | sort
`

export interface Compared {
  /** Paths that were compared, with their types, modes, owners and targets; then ACLs, capabilities and attributes. */
  root: string[]
  user: string[]
}

/**
 * @param base a tarball, which users can read
 * @param hasIds true for a user with subordinate ids
 */
export function compareWithRoot(base: string, script: string, hasIds = false): Compared {
  const folder = scratch()
  const [root, user] = ['root', 'user'].map(name => join(folder, name))
  for (const tree of [root, user]) bash(UNPACK, base, tree)
  bash(IN_CONTAINER, AS_ROOT, root, script)
  const home = homeIn(folder)
  const world: CaptureWorld = { folder, home, base, store: join(home, 'store') }
  const from = ['--from', 'base/debian', '--network', '--allow-privileged']
  for (const args of [
    ['init', '--level', '1'],
    ['import', 'base/debian-12', base, '--kind', 'base'],
    ['capture', 'app/p-1', ...from, '--', 'sh', '-c', script],
    ['export', 'app/p-1', join(home, 'out')]
  ]) {
    const { status, err } = hasIds ? composeWithIds(world, args) : composeIn(world, args)
    assert.is(status, 0, err)
  }
  bash(LAY, user, join(home, 'out'))
  const lines = (tree: string) => bash(LIST, tree).toString().split('\n')
  return { root: lines(root), user: lines(user) }
}

/** A base of Debian 12 with the packages of these sets in the cache of apt, so that installing them needs no network. */
export function baseWith(packages: string[]): string {
  const folder = scratch()
  const [base, tree, full] = ['base.tar', 'tree', 'full.tar'].map(name => join(folder, name))
  const given = process.env.STRATA_DEBIAN_BASE
  if (given !== undefined && existsSync(given)) bash('cp "$1" "$2"', given, base)
  else bash('mmdebstrap --quiet --variant=minbase bookworm "$1"', base)
  bash(UNPACK, base, tree)
  const script = `apt-get update -qq; apt-get install -y -d --no-install-recommends ${packages.join(' ')}`
  bash(IN_CONTAINER, AS_ROOT, tree, script)
  bash(
    'chmod 755 "$3"; tar -C "$1" --one-file-system --exclude ./dev/* -cpf "$2" .; chmod a+r "$2"; rm -rf "$1"',
    tree,
    full,
    folder
  )
  return full
}
