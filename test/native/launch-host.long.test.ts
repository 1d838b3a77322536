import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { LAUNCHER, type LaunchWorld, launch, launchWorld } from '../helpers/launcher.ts'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { asUser } from '../helpers/runtimes.ts'
import { suite } from '../helpers/suite.ts'

/** Files of the host in the launcher's tree: accounts, name servers, the time zone. */

let made: LaunchWorld | undefined
let tree = ''

/** A directory like the image, with accounts of its own. */
function world(): LaunchWorld {
  if (made !== undefined) return made
  made = launchWorld()
  tree = join(made.folder, 'tree')
  bash(
    `cd "$1"; unsquashfs -q -n -no-xattrs -d tree "$2" > /dev/null; cd tree
    printf 'root:x:0:0:of the tree:/root:/bin/sh\\ndaemon:x:1:1::/:/bin/false\\n' > etc/passwd
    printf 'root:x:0:\\nof-the-tree:x:7:\\n' > etc/group
    rm -f etc/hosts etc/resolv.conf; echo tree > etc/hosts; ln -s ../run/made/resolv.conf etc/resolv.conf
    mkdir -p usr/share/zoneinfo/Here; echo zone > usr/share/zoneinfo/Here/There
    ln -sf ../usr/share/zoneinfo/Else/Where etc/localtime; chmod -R a+rX .`,
    made.folder,
    made.image
  )
  return made
}

const host = suite('launcher: files of the host')

needing(
  host,
  'unsquashfs',
  'getent'
)('the user has a name, groups by the id of the host, and the tree keeps its accounts', () => {
  world()
  const [id, user, group] = execFileSync(
    asUser(['sh'])[0],
    [...asUser(['sh']).slice(1), '-c', 'id -u; id -un; id -gn'],
    { encoding: 'utf8' }
  ).split('\n')
  const script =
    'id -un; id -gn; cat /etc/passwd /etc/group; (echo x >> /etc/passwd) 2>/dev/null || echo read-only'
  const { stdout } = launch(world(), [tree, 'sh', '-c', script])
  const lines = stdout.split('\n')
  assert.equal(lines.slice(0, 2), [user, group])
  assert.match(lines[2], new RegExp(`^${user}:x:${id}:`))
  for (const line of ['root:x:0:0:of the tree:/root:/bin/sh', 'of-the-tree:x:7:', 'read-only'])
    assert.ok(lines.includes(line), `${line}: ${stdout}`)
  const { stdout: plain } = launch(world(), [
    '--no-host-files',
    tree,
    'sh',
    '-c',
    'read -r a < /etc/passwd; echo $a'
  ])
  assert.is(plain, 'root:x:0:0:of the tree:/root:/bin/sh\n')
})

needing(host, 'unsquashfs')(
  'hosts and name servers are those of the host, also where a link leads to a place that is missing',
  () => {
    world()
    const { stdout } = launch(world(), [tree, 'cat', '/etc/hosts', '/etc/resolv.conf'])
    assert.is(stdout, bash('cat /etc/hosts /etc/resolv.conf').toString())
  }
)

/** A host whose /tmp is a link to a local disk, and whose list of name servers lies elsewhere. */
const LINKED_HOST = `
mount --make-rprivate /; mount -t tmpfs none /mnt; mkdir -p /mnt/upper/scratch /mnt/upper/etc /mnt/work /mnt/root
ln -s /scratch /mnt/upper/tmp; echo local > /mnt/upper/scratch/disk
echo "nameserver 192.0.2.7" > /mnt/upper/scratch/servers; ln -s /scratch/servers /mnt/upper/etc/resolv.conf
cp "$1" /mnt/upper/launcher; printf "strata-metadata-1\\0/end\\0" > /mnt/upper/metadata
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work none /mnt/root
for part in dev proc sys; do mount --rbind /$part /mnt/root/$part; done
mount --bind "$2" /mnt/root/opt; cd /mnt/root; pivot_root . .; umount -l .; cd /
/launcher run /opt cat /tmp/disk /etc/resolv.conf
/launcher capture --metadata /metadata --result /result --network /opt -- cat /etc/resolv.conf`

needing(
  host,
  'root',
  'userns',
  'unsquashfs',
  'unshare'
)('absolute links of the host, as /tmp and /etc/resolv.conf may be, lead to what they lead to there', () => {
  world()
  const linked = join(world().folder, 'tree-of-links')
  bash('cp -a "$1" "$2"; mkdir -p "$2/run/made"', tree, linked)
  const seen = bash('unshare -m sh -euc "$1" sh "$2" "$3"', LINKED_HOST, LAUNCHER, linked).toString()
  assert.is(seen, `local\n${'nameserver 192.0.2.7\n'.repeat(2)}`)
})

needing(
  host,
  'root',
  'unsquashfs',
  'unshare'
)('the zone of the host is the variable TZ, where the tree has that zone and another one is set', () => {
  world()
  // A link cannot be mounted over a link, so the host gets an /etc of its own.
  const zone = (setting: string) =>
    bash(
      `unshare -m sh -c 'mount -t tmpfs none /mnt; cp -a /etc/passwd /etc/group /etc/hosts /mnt; ln -s "/usr/share/zoneinfo/$3" /mnt/localtime
      mount --bind /mnt /etc; env -u TZ "$1" run "$2" sh -c "echo \\"\\$TZ\\""' sh "$1" "$2" "$3"`,
      LAUNCHER,
      tree,
      setting
    )
      .toString()
      .trim()
  assert.equal(['Here/There', 'Not/Inside', '../../etc/hosts', 'Else/Where'].map(zone), [
    'Here/There',
    '',
    '',
    ''
  ])
})

needing(host, 'unsquashfs')(
  'an account file of the tree that is a pipe or a link to nowhere is left alone',
  () => {
    world()
    const odd = join(world().folder, 'odd')
    bash(
      'cp -a "$1" "$2"; cd "$2/etc"; rm passwd group; mkfifo passwd; ln -s /no/where/group group',
      tree,
      odd
    )
    writeFileSync(join(world().home, 'seen'), '')
    const found = launch(world(), [
      odd,
      'sh',
      '-c',
      'test -p /etc/passwd && test ! -e /etc/group && echo same'
    ])
    assert.is(found.stdout, 'same\n', found.stderr)
  }
)

host.run()

const writable = suite('launcher: --writable and --overlay')

const CHANGES =
  'echo new > /new; echo more >> /etc/profile; rm -rf /etc/profile.d; mkdir /etc/profile.d; echo 1 > /etc/profile.d/1'
const NEEDS = ['fuse', 'squashfuse_ll']

for (const kind of ['image', 'directory'] as const)
  needing(
    writable,
    ...NEEDS,
    'unsquashfs'
  )(
    `a program changes ${kind === 'image' ? 'an image' : 'a directory'}, and the next one sees it as it was`,
    () => {
      world()
      const { image, folder } = world()
      const own = join(folder, 'own')
      bash(
        '[ -e "$2" ] || { cp -a "$1" "$2"; chown -R "$3" "$2"; }',
        tree,
        own,
        process.getuid?.() === 0 ? '1000:1000' : String(process.getuid?.())
      )
      const root = kind === 'image' ? image : own
      const before =
        kind === 'image' ? '' : bash('cd "$1"; find . -printf "%p %s %T@\\n" | sort', own).toString()
      const found = launch(world(), ['--writable', root, 'sh', '-c', `${CHANGES} && cat /new && id -u`])
      assert.is(found.stdout, `new\n${process.getuid?.() === 0 ? 1000 : process.getuid?.()}\n`, found.stderr)
      assert.is(launch(world(), [root, 'cat', '/new']).status, 1)
      if (kind === 'directory')
        assert.is(bash('cd "$1"; find . -printf "%p %s %T@\\n" | sort', own).toString(), before)
    }
  )

needing(writable, ...NEEDS)(
  'an overlay keeps the changes for the next run, and two runs do not share it',
  () => {
    const { image, home } = world()
    const overlay = join(home, 'overlay')
    bash(`mkdir "$1"; [ "$(id -u)" != 0 ] || chown 1000:1000 "$1"`, overlay)
    const words = ['--overlay', overlay, image]
    assert.is(launch(world(), [...words, 'sh', '-c', CHANGES]).status, 0)
    const again = launch(world(), [
      ...words,
      'sh',
      '-c',
      'cat /new /etc/profile.d/1; for name in /etc/profile.d/*; do echo $name; done'
    ])
    assert.is(again.stdout, 'new\n1\n/etc/profile.d/1\n', again.stderr)
    const two = bash(
      '"$@" sleep 5 & first=$!; sleep 1; "$@" true || echo "status $?"; kill $first; wait $first || true',
      ...asUser([LAUNCHER, 'run', ...words])
    )
    assert.match(two.toString(), /status 125/)
  }
)

needing(writable, ...NEEDS)('an overlay that cannot be is an error that says which folder can', () => {
  const { image } = world()
  for (const [folder, message] of [
    ['/nonexistent', /mkdir it first/],
    ['/usr', /upper cannot be made/],
    ['/etc/passwd', /Not a directory/]
  ] as const) {
    const found = launch(world(), ['--overlay', folder, image, 'true'])
    assert.is(found.status, 125)
    assert.match(found.stderr, message)
  }
})

needing(writable, 'root')(
  "an overlay of somebody else's does not lead root's changes to the host through a link",
  () => {
    const { folder } = world()
    const [overlay, outside] = ['linked', 'outside'].map(name => join(folder, name))
    bash('mkdir "$1" "$2"; ln -s "$2" "$1/upper"', overlay, outside)
    const words = ['run', '--overlay', overlay, tree, 'sh', '-c', 'echo 1 > /new']
    const { status, stderr } = spawnSync(LAUNCHER, words, { encoding: 'utf8' })
    assert.is(status, 125)
    assert.match(stderr, /upper: Not a directory/)
    assert.equal(readdirSync(outside), [])
  }
)

writable.run()
