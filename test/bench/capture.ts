/**
 * Installing packages and looking at files under the supervisor of captures, and with subordinate ids, beside root in a
 * chroot, in turns.
 *
 *   node dist/test/bench/capture.js [RUNS]
 *
 * As root. The base is that of mmdebstrap, or the tarball of STRATA_DEBIAN_BASE; the packages are fetched before.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { baseWith } from '../compose/capture/package-oracle.ts'
import { LAUNCHER } from '../helpers/launcher.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'

const PACKAGES =
  'openssh-client dbus man-db at plocate systemd acl postfix postgresql-common iputils-ping'.split(' ')
const runs = Number(process.argv[2] ?? 3)
const folder = scratch()

const UNPACK = `
mkdir "$1"; tar -C "$1" -xpf "$2" --no-same-owner; chmod 700 "$1"; for i in 1 2 3; do cp -a "$1/usr" "$1/opt/usr$i"; done
printf '#!/bin/sh\\nexit 101\\n' > "$1/usr/sbin/policy-rc.d"; chmod 755 "$1/usr/sbin/policy-rc.d"
`
const ENVIRONMENT =
  'export DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8 HOME=/root TMPDIR=/tmp PATH=/usr/sbin:/usr/bin:/sbin:/bin'
const ROOT =
  'exec unshare -m -p -f -u sh -c \'hostname localhost; mount --rbind /dev "$1/dev"; mount -t proc proc "$1/proc"; exec chroot "$1" sh -c "$2"\' sh "$1" "$2"'
const SUPERVISED =
  'exec "$3" capture --report 2 --metadata "$1.known" --result "$1.result" -- "$1" -- sh -c "$2"'
/** Root has a range in a mount namespace of its own. */
const SUBUID = `printf '0:200000:65536\\n' > "$1.ids"; exec unshare -m sh -ec '
mount --bind "$1.ids" /etc/subuid; mount --bind "$1.ids" /etc/subgid
exec "$3" capture --report 2 --users /usr/bin/newuidmap 200000 65536 --groups /usr/bin/newgidmap 200000 65536 \\
  --metadata "$1.known" --result "$1.result" -- "$1" -- sh -c "$2"' sh "$@"`
const WAYS = { root: ROOT, supervised: SUPERVISED, subuid: SUBUID }

/** Seconds of processors, of all processes. */
function secondsOf(how: string, tree: string, script: string): number {
  const timed = `${ENVIRONMENT}; TIMEFORMAT='%U %S'; time bash -c '${how.replaceAll("'", "'\\''")}' bash "$@" > /dev/null`
  const command = `{ ${timed} 2>"$1.messages" ; } 2>&1 || { cat "$1.messages" >&2; exit 1; }`
  writeFileSync(`${tree}.known`, 'strata-metadata-1\0/end\0')
  const out = bash(command, tree, script, LAUNCHER).toString().trim().split(/\s+/)
  return out.map(Number).reduce((sum, each) => sum + each, 0)
}

const SCRIPTS = {
  'find / -printf %U, 33,000 inodes': 'find / -xdev -printf "%U\\n"',
  'apt-get install': `apt-get install -y --no-install-recommends ${PACKAGES.join(' ')}`
}

const base = baseWith(PACKAGES)
const ways = Object.keys(WAYS) as (keyof typeof WAYS)[]
const found = Object.entries(SCRIPTS).map(([name, script]) => ({
  ...{ name, script },
  seconds: { root: [], supervised: [], subuid: [] } as Record<keyof typeof WAYS, number[]>
}))
for (let run = 0; run < runs; run++)
  for (const way of ways) {
    const tree = join(folder, `${way}-${run}`)
    mkdirSync(folder, { recursive: true })
    bash(UNPACK, tree, base)
    for (const { script, seconds } of found) seconds[way].push(secondsOf(WAYS[way], tree, script))
    rmSync(tree, { recursive: true })
  }

const median = (list: number[]): number => list.sort((a, b) => a - b)[Math.floor((list.length - 1) / 2)]
const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
console.log(`commit ${commit}, node dist/test/bench/capture.js ${runs}\n`)
console.log('| CPU s | root in a chroot | supervised | ratio | subordinate ids | ratio |')
console.log('| --- | --: | --: | --: | --: | --: |')
for (const { name, seconds } of found) {
  const [root, supervised, subuid] = ways.map(way => median(seconds[way]))
  const columns = [root, supervised, supervised / root, subuid, subuid / root]
  console.log(`| ${name} | ${columns.map(each => each.toFixed(2)).join(' | ')} |`)
}
