import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { COMPOSE } from '../helpers/compose.ts'
import { LAUNCHER, type LaunchWorld, launchWorld } from '../helpers/launcher.ts'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { suite } from '../helpers/suite.ts'

/**
 * Users whom only a directory service knows, as on a cluster with LDAP. Debian's libnss-extrausers is such a service: the host's
 * /etc/passwd lacks them, and getent(1) has them.
 */

const users = suite('users of a directory service')

const NEEDS = ['root', 'userns', 'fuse', 'squashfuse_ll', 'unshare', 'getent', 'libnss-extrausers']
const HOMES = '/home/strata-directory-test'

const PASSWD = `ldapu:x:54321:54322:Ldap User,Room 3:${HOMES}/ldapu:/bin/bash\n`
const GROUP = 'ldapg:x:54322:\nproject:x:54400:ldapu,other\n'

let made: LaunchWorld | undefined

function world(): LaunchWorld {
  if (made !== undefined) return made
  made = launchWorld()
  const directory = join(made.folder, 'directory')
  mkdirSync(directory)
  for (const [name, text] of [
    ['passwd', PASSWD],
    ['group', GROUP],
    ['shadow', ''],
    ['nsswitch', 'passwd: files extrausers\ngroup: files extrausers\nhosts: files\n'],
    ['group-data', 'for the project']
  ])
    writeFileSync(join(directory, name), text)
  bash(
    'chmod 755 "$1"; chmod 644 "$1"/*; chown 0:54400 "$1/group-data"; chmod 640 "$1/group-data"',
    directory
  )
  return made
}

interface As {
  uid?: number
  groups?: string
  /** Shell commands of root in the host's namespace, before the user's program. */
  before?: string
  env?: NodeJS.ProcessEnv
}

/** A program of that user, on a host with its own /etc and the directory service. */
function asDirectoryUser(
  words: string[],
  { uid = 54_321, groups = '54322,54400,60000', before = ':', env = {} }: As = {}
): string {
  const directory = join(world().folder, 'directory')
  const script = `set -e
    directory=$1 uid=$2 groups=$3; shift 3
    mount --bind "$directory" /var/lib/extrausers
    mount -t tmpfs none /mnt; cp -a /etc/passwd /etc/group /etc/hosts /etc/ld.so.cache /mnt; cp "$directory/nsswitch" /mnt/nsswitch.conf
    mkdir -p /mnt/run; echo 'nameserver 192.0.2.53' > /mnt/run/stub.conf; ln -s run/stub.conf /mnt/resolv.conf; chmod -R a+rX /mnt
    mount --bind /mnt /etc; umount /mnt
    mount -t tmpfs -o mode=755 none /home; mkdir -p ${HOMES}/ldapu; chown 54321:54322 ${HOMES}/ldapu
    ${before}
    cd ${HOMES}/ldapu
    exec setpriv --reuid="$uid" --regid=54322 --groups="$groups" "$@"`
  return execFileSync(
    'unshare',
    ['-m', 'bash', '-c', script, 'bash', directory, String(uid), groups, ...words],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, HOME: `${HOMES}/ldapu`, USER: 'ldapu', ...env }
    }
  )
}

/** Programs in the image; `run` takes the command line of users, the launcher that of job scripts. */
const launching = (...words: string[]): string[] => [LAUNCHER, 'run', world().image, ...words]
const running = (...words: string[]): string[] => [
  process.execPath,
  COMPOSE,
  'run',
  '--runtime',
  'strata',
  ...words
]
const NAMES = 'id -un; id -gn; echo ~ldapu'
/** The end of the marker tells where a program of this image prints nothing. */
const END = '; echo end'

needing(users, ...NEEDS)('have the name, the groups and the home inside that they have outside', () => {
  const outside = asDirectoryUser(['bash', '-c', `${NAMES}; getent passwd 54321`])
  assert.is(outside, `ldapu\nldapg\n${HOMES}/ldapu\n${PASSWD}`)
  const inside = asDirectoryUser(launching('bash', '-c', `${NAMES}; cat /etc/passwd; cat /etc/group`))
  assert.ok(inside.startsWith(outside), inside)
  assert.match(inside, /^ldapg:x:54322:ldapu\nproject:x:54400:ldapu$/m)
  assert.not.match(inside, /60000/)
})

needing(
  users,
  ...NEEDS,
  'unsquashfs'
)('keep their name where the tree has it for somebody else, and accounts of the tree stay', () => {
  const tree = join(world().folder, 'tree')
  bash(
    `unsquashfs -q -n -no-xattrs -d "$1" "$2" > /dev/null; cd "$1/etc"
    printf 'root:x:0:0::/root:/bin/sh\nldapu:x:7:7:another:/:/bin/false\nother:x:54321:7::/:/bin/false\n' > passwd
    printf 'project:x:9:\nof-the-tree:x:54400:\n' > group; chmod -R a+rX "$1"`,
    tree,
    world().image
  )
  const words = ['bash', '-c', `${NAMES}; cat /etc/passwd /etc/group`]
  const inside = asDirectoryUser([LAUNCHER, 'run', tree, ...words])
  assert.ok(inside.startsWith(`ldapu\nldapg\n${HOMES}/ldapu\n${PASSWD}root:`), inside)
  for (const line of ['ldapu:x:7:7:another:/:/bin/false', 'project:x:9:', 'of-the-tree:x:54400:'])
    assert.ok(inside.split('\n').includes(line), inside)
  assert.not.match(inside, /project:x:54400/)
})

needing(users, ...NEEDS)('start without a name where no service knows them', () => {
  const inside = asDirectoryUser(launching('sh', '-c', `id -u; id -un 2> /dev/null; cat /etc/passwd${END}`), {
    uid: 54_999
  })
  assert.match(inside, /^54999\n/)
  assert.not.match(inside, /ldapu|:54999:/)
  assert.match(inside, /end\n$/)
})

needing(users, ...NEEDS)('work in their home, and read what their other groups may', () => {
  const script = `pwd; echo written > here; cat here; id -un; cat ${join(world().folder, 'directory/group-data')}; echo "$OWN"`
  const words = running('--env', 'OWN=x', world().image, '--', 'bash', '-c', script)
  assert.is(asDirectoryUser(words), `${HOMES}/ldapu\nwritten\nldapu\nfor the projectx\n`)
  const without = running(
    world().image,
    '--',
    'sh',
    '-c',
    `cat ${join(world().folder, 'directory/group-data')} 2>/dev/null${END}`
  )
  assert.is(asDirectoryUser(without, { groups: '54322' }), 'end\n')
})

needing(users, ...NEEDS)('have their name, and nothing of their home, with --contain', () => {
  const script = `pwd; id -un; test -e ${HOMES}/ldapu || echo nothing`
  const words = running('--contain', world().image, '--', 'sh', '-c', script)
  assert.is(asDirectoryUser(words), '/\nldapu\nnothing\n')
  const atHome = running('--no-home', '--cwd', '/usr', world().image, '--', 'sh', '-c', 'pwd')
  assert.is(asDirectoryUser(atHome), '/usr\n')
})

needing(users, ...NEEDS)('ask the name servers of the host, whose list is a link into another folder', () => {
  const before = 'echo "192.0.2.7 of-the-host" > /etc/hosts'
  const tree = join(world().folder, 'linked')
  bash(
    'cp -a "$1" "$2"; ln -sfn ../run/nothing/resolv.conf "$2/etc/resolv.conf"; : > "$2/etc/hosts"',
    join(world().folder, 'tree'),
    tree
  )
  const inside = asDirectoryUser([LAUNCHER, 'run', tree, 'cat', '/etc/resolv.conf', '/etc/hosts'], { before })
  assert.is(inside, 'nameserver 192.0.2.53\n192.0.2.7 of-the-host\n')
})

needing(
  users,
  ...NEEDS,
  'zic'
)(
  "have the host's time where the tree has no zones, also if the host's zone is a file without a name",
  () => {
    const zone = join(world().folder, 'directory/zone')
    bash(
      `cd "$(dirname "$1")"; printf 'Zone Here 5:45 - NPT\\n' | zic -d . -; mv Here "$1"; chmod 644 "$1"`,
      zone
    )
    const time = launching('bash', '-c', 'printf "%(%H:%M %Z)T\\n" 0')
    const before = `cp ${zone} /etc/localtime`
    assert.is(asDirectoryUser(time), '00:00 UTC\n')
    assert.is(asDirectoryUser(time, { before }), '05:45 NPT\n')
    assert.is(asDirectoryUser(time, { before: `ln -s ${zone} /etc/localtime` }), '05:45 NPT\n')
    assert.is(asDirectoryUser(time, { before, env: { TZ: 'HERE-1' } }), '01:00 HERE\n')
    // Neither a pipe nor other text takes the place of a zone.
    for (const odd of [
      'mkfifo /etc/localtime',
      'echo TZif2 > /etc/localtime',
      'ln -s localtime /etc/localtime'
    ])
      assert.is(asDirectoryUser(time, { before: odd }), '00:00 UTC\n')
  }
)

users.run()
