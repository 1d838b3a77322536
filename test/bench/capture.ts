/**
 * Installing packages and looking at files under the supervisor of captures, beside root in a chroot, in turns.
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
const CAPTURED =
  'exec "$3" capture --report 2 --metadata "$1.known" --result "$1.result" -- "$1" -- sh -c "$2"'

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
const found = Object.keys(SCRIPTS).map(name => ({ name, root: [] as number[], captured: [] as number[] }))
for (let run = 0; run < runs; run++)
  for (const how of ['root', 'captured'] as const) {
    const tree = join(folder, `${how}-${run}`)
    mkdirSync(folder, { recursive: true })
    bash(UNPACK, tree, base)
    for (const each of found)
      each[how].push(
        secondsOf(how === 'root' ? ROOT : CAPTURED, tree, SCRIPTS[each.name as keyof typeof SCRIPTS])
      )
    rmSync(tree, { recursive: true })
  }

const median = (list: number[]): number => list.sort((a, b) => a - b)[Math.floor((list.length - 1) / 2)]
const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
console.log(`commit ${commit}, node dist/test/bench/capture.js ${runs}\n`)
console.log('| CPU s | root in a chroot | captured | ratio |\n| --- | --: | --: | --: |')
for (const { name, root, captured } of found) {
  const [a, b] = [median(root), median(captured)]
  console.log(`| ${name} | ${a.toFixed(2)} | ${b.toFixed(2)} | ${(b / a).toFixed(2)} |`)
}
