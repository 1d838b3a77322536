import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { bash } from './real-tree.ts'
import { scratch } from './scratch.ts'

/** Trees and tarballs made by the programs that sites make them with. */

export const sha256OfFile = (path: string): string =>
  createHash('sha256').update(readFileSync(path)).digest('hex')

/**
 * Made as root on ext4: every kind of file, ACLs of every form, attributes of every namespace, names with any bytes,
 * holes, hard links, set-id bits, times before 1970 and with nanoseconds, and ids that no account has.
 */
export function everyForm(): string {
  const tree = join(scratch(), 'tree')
  mkdirSync(tree)
  chmodSync(tree, 0o755)
  bash(
    `cd "$1"
    mkdir -p bin etc/deep/er shared empty 'with space'
    head -c 300000 /dev/urandom > bin/tool; head -c 300000 bin/tool > bin/copy; : > empty/file
    ln bin/tool bin/tool-hard; ln -s ../bin/tool etc/link; ln -s /absolute/nowhere etc/dangling
    head -c 4096 /dev/zero > etc/zeros; seq 100000 > etc/numbers
    dd if=/dev/urandom of=etc/sparse bs=4096 count=1 seek=3 status=none; truncate -s 5M etc/sparse
    dd if=/dev/urandom of=etc/sparse bs=4096 count=2 seek=700 conv=notrunc status=none
    printf x > $'etc/new\\nline'; printf y > $'etc/back\\\\slash'; printf z > $'etc/latin-\\xe9'
    printf u > 'etc/ünï'; printf s > 'with space/ leading'
    mknod etc/null c 1 3; mknod etc/loop b 7 300; mkfifo etc/fifo
    chown 12:34 etc/numbers; chown -h 1111:2222 etc/link; chown 70000:4000000000 etc/zeros
    cp bin/tool bin/setuid; chmod 4755 bin/setuid; cp bin/tool bin/setgid; chgrp 34 bin/setgid; chmod 2755 bin/setgid
    chmod 1777 shared; chmod 000 etc/zeros; chmod 2750 etc/deep
    setfacl -m u:12345:rw-,g:54321:r--,m::rw- etc/numbers
    setfacl -m g::---,g:54321:rwx,m::rwx,o::--- bin/copy
    setfacl -d -m u::rwx,g::r-x,o::---,u:12345:rwx,m::rwx etc/deep
    setfacl -m u:12345:--x etc/deep; mkdir etc/deep/inherits; : > etc/deep/inherits/too
    setfacl -d -m u::rwx,g::r-x,o::r-x empty
    setfacl -m u:12345:r-x shared bin/setuid bin/setgid bin/tool $'etc/new\\nline' $'etc/back\\\\slash' $'etc/latin-\\xe9'
    setfacl -m m::--- $'etc/back\\\\slash'
    setfattr -n user.text -v 'hello world' etc/numbers
    setfattr -n user.binary -v 0x000aff80c3 etc/numbers; setfattr -n user.empty etc/numbers
    setfattr -n user.on.directory -v yes shared; setfattr -n trusted.secret -v 0x0a0a etc/deep
    setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 bin/copy
    setfattr -h -n trusted.on-link -v 1 etc/link
    touch -d '1960-05-06 07:08:09.25' etc/zeros; touch -d '2024-02-29 12:34:56.123456789' etc/numbers
    touch -h -d '2001-02-03 04:05:06.7' etc/link; touch -d '2222-01-01 00:00:00.000000001' etc/sparse
    find . -depth -type d -exec touch -d '2020-01-01 01:01:01.111111111' {} +`,
    tree
  )
  return tree
}

/** All that stat, sha256sum, getfacl and getfattr tell of a tree, as text: two trees are the same when it is. */
export function portrait(tree: string, { uid }: { uid?: number } = {}): string {
  const script = `
    find . -print0 | sort -z | xargs -0 stat --printf='%n|%F|%a|%u:%g|%.9Y|%h|%t,%T|' --
    find . ! -type d -print0 | sort -z | xargs -0 stat --printf='%n|%s|' --
    find . -type l -printf '%p -> %l\\n' | sort
    find . ! -type d -links +1 -printf '%i %p\\n' | sort -k2 | awk '!($1 in first) { first[$1] = $2 } { print first[$1], $2 }'
    find . -type f -readable -print0 | sort -z | xargs -0 sha256sum --
    getfacl -R -P -n . | sort_blocks
    find . -print0 | sort -z | xargs -0 getfattr -h -d -m - -e hex --`
  const sorted = `sort_blocks() { perl -00 -e 'print sort <>'; }\n`
  return execFileSync('bash', ['-euc', sorted + script], {
    cwd: tree,
    maxBuffer: 1 << 28,
    env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid !== undefined && { uid, gid: uid })
  }).toString('latin1')
}

/** Some twelve megabytes of a real system: this host's programs, scripts, settings and links. */
export function hostLayer(): string {
  const tar = join(scratch(), 'host.tar')
  bash(
    `cd /; find usr/bin usr/share/perl etc -xdev ! -type s ! -type p -readable -printf '%s %p\\n' 2>/dev/null |
      LC_ALL=C sort -k2 | awk '$1 < 3000000 && NR % 3 == 0 && (total += $1) < 12000000 { print $2 }' > "$1.list"
    tar --no-recursion --ignore-failed-read -cf "$1" -T "$1.list" 2>/dev/null`,
    tar
  )
  return tar
}
