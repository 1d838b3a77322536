import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { encodeMetadata } from '../../../compose/erofs/index.ts'
import { openImage } from '../../../compose/inspect/index.ts'
import { mountImage } from '../../../compose/mount/index.ts'
import { metadataOfImage } from '../../../compose/mount/metadata-of-image.ts'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { composed } from '../../helpers/warm-compose.ts'
import { IDENTITIES, probed } from './acl-tree.ts'

/**
 * A stack as a site has it: a Debian base, and two applications that are copied from it, whose folders have the ACLs of licences and
 * projects. The truth is the tree that GNU tar unpacks on ext4 from the same archives.
 */

const stack = suite('mount: a real stack with ACLs')

const NEEDS = [
  'root',
  'mmdebstrap',
  'setfacl',
  'setpriv',
  'perl',
  'losetup',
  'mkfs.erofs',
  'fsck.erofs',
  'dump.erofs'
]

/**
 * Folders that several modules have keep the time of the lowest (spec/merge.md).
 *
 * Licensed for a group with one member shut out; a project whose new files inherit; one file for a user alone.
 */
const APPLICATIONS = `cd "$1"; mkdir -p licensed/opt project/srv
tar -xpf base.tar -C licensed/opt ./usr/share ./usr/bin; tar -xpf base.tar -C project/srv ./etc ./usr/lib
setfacl -R -m g:3001:r-X,u:2002:---,o::--- licensed/opt/usr/share; setfacl -R -m g:3002:r-X,o::--x licensed/opt/usr/bin
find project/srv/etc -type d -exec setfacl -m d:u:2001:rwx,d:g:3001:r-x,u:2003:--x,m::rwx {} +
find project/srv/etc -type f -exec setfacl -m u:2001:rw-,u:2004:---,g:3002:r-- {} +
chown -R 2005:3001 project/srv/usr; chmod -R o-rwx project/srv/usr
for name in licensed project; do tar -C $name --acls --xattrs --format=posix -cf $name.tar .; done
mkdir tree times; for name in base licensed project; do tar -C tree --acls --xattrs --xattrs-include='*' --numeric-owner -xpf $name.tar
  [ $name != base ] || for shared in root opt srv; do touch -r tree/\${shared#root} times/$shared; done; done
for shared in opt srv root; do touch -r times/$shared tree/\${shared#root}; done; chmod 755 . tree`

interface World {
  folder: string
  store: string
  image: string
  tree: string
  /** What both trees have, relative to their roots. */
  paths: string
}

let made: World | undefined

function world(): World {
  if (made !== undefined) return made
  const folder = scratch()
  const store = join(folder, 'store')
  bash('mmdebstrap --quiet --variant=minbase bookworm "$1/base.tar"', folder)
  bash(APPLICATIONS, folder)
  composed(store, ['init', '--level', '1'])
  for (const name of ['base', 'licensed', 'project'])
    composed(store, [
      'import',
      `${name === 'base' ? 'base' : 'app'}/${name}-1`,
      join(folder, `${name}.tar`),
      '--allow-privileged'
    ])
  const image = join(folder, 'image.sqfs')
  composed(store, ['build', '--for', 'mounted', image, 'base/base', 'app/licensed', 'app/project'])
  chmodSync(folder, 0o755)
  const tree = join(folder, 'tree')
  // An image has some files and folders more, in these three (spec/image-metadata.md); devices are not where nodes are closed.
  const paths = bash(
    'cd "$1"; find . -mindepth 1 -path ./dev -prune -o ! -path ./etc ! -path ./etc/profile.d ! -path ./mnt -print | sort',
    tree
  ).toString('latin1')
  made = { folder, store, image, tree, paths }
  return made
}

/** The EROFS image of an image, beside that which mkfs.erofs makes of the tree. */
async function encoded(image: string): Promise<{ bytes: Buffer; inodes: number }> {
  const { folder, tree } = world()
  const open = await openImage(image)
  const { tree: metadata } = metadataOfImage(open)
  const bytes = encodeMetadata(metadata)
  await open.close()
  writeFileSync(join(folder, 'ours'), bytes)
  if (!existsSync(join(folder, 'theirs')))
    bash('mkfs.erofs --quiet "$1/theirs" "$2" > /dev/null', folder, tree)
  return { bytes, inodes: metadata.inodes.length }
}

/** SquashFS has whole seconds, which is the only thing left out. */
const LISTINGS = {
  'names, types, modes, owners, links, targets, times':
    "find . -printf '%p %y %m %U %G %n %l %T@\\n' | sed -E 's/\\.[0-9]+$//' | sort",
  'sizes of files': "find . ! -type d -printf '%p %s\\n' | sort",
  devices: "find . -type b -o -type c -exec stat -c '%n %t %T' {} + | sort",
  'names of one file': "find . ! -type d -links +1 -printf '%p %n\\n' | sort",
  ACLs: 'getfacl -R -n -p .'
}

/** What dump.erofs says of some inodes, but where they lie and how many bytes their attributes take. */
const DUMPED = `cd "$1"; find tree -mindepth 1 ! -name '* *' | sort | sed -n 's/^tree//; 1~150p' | while read -r path; do
  dump.erofs --path="$path" "$2" | sed -E '/^Inode size|^$/d; s/NID: [0-9]+//; s/Layout: [0-9]+//; s/\\.[0-9]+$//'; done`

needing(stack, ...NEEDS)(
  'its EROFS image shows the tree that mkfs.erofs makes of the unpacked archives',
  async () => {
    const { folder, store } = world()
    const bare = join(folder, 'bare.sqfs')
    // An image that is not bare has files of its own.
    composed(store, ['build', '--bare', bare, 'base/base', 'app/licensed', 'app/project'])
    await encoded(bare)
    const script =
      'cd "$1"; mkdir -p shown; mount -t erofs -o ro,loop "$2" shown; trap "umount shown" EXIT; (cd shown; eval "$3")'
    for (const [what, command] of Object.entries(LISTINGS)) {
      const [ours, theirs] = ['ours', 'theirs'].map(name =>
        bash(script, folder, name, command).toString('latin1').split('\n')
      )
      assert.ok(theirs.length > 5, what)
      const differences = theirs.flatMap((line, i) => (line === ours[i] ? [] : [`${line} -- ${ours[i]}`]))
      assert.equal([ours.length, differences.slice(0, 5)], [theirs.length, []], what)
    }
    const [ours, theirs] = ['ours', 'theirs'].map(name => bash(DUMPED, folder, name).toString())
    assert.ok(theirs.split('File : ').length > 100)
    assert.is(ours, theirs)
  }
)

needing(stack, ...NEEDS)('every path answers 20 identities as ext4 does', async () => {
  const { folder, image, tree, paths } = world()
  const directory = join(folder, 'at')
  mkdirSync(directory)
  const report = await mountImage(image, directory, { isOwn: true, isExecutable: true })
  try {
    assert.ok(report.inodes! > 10_000)
    assert.is(IDENTITIES.length, 20)
    for (const identity of IDENTITIES) {
      const [ours, theirs] = [directory, tree].map(root => probed(identity, root, paths).split('\n'))
      const differences = theirs.flatMap((line, i) => (line === ours[i] ? [] : [`${line} -- ${ours[i]}`]))
      assert.equal(
        differences.slice(0, 5),
        [],
        `${differences.length} differences for ${JSON.stringify(identity)}`
      )
    }
  } finally {
    bash('umount "$1"', directory)
  }
})

needing(stack, ...NEEDS)(
  'its EROFS image has at most 200 bytes an inode, and fsck.erofs says of it what it says of one by mkfs.erofs',
  async () => {
    const { folder, image } = world()
    const { bytes, inodes } = await encoded(image)
    assert.ok(bytes.length / inodes <= 200, `${bytes.length / inodes} bytes an inode`)
    const [checked, wanted] = ['ours', 'theirs'].map(name =>
      bash('fsck.erofs "$1" 2>&1', join(folder, name)).toString().trim()
    )
    assert.is(checked, wanted)
    const count = /inode count: *(\d+)/.exec(bash('dump.erofs -s "$1/ours"', folder).toString())?.[1]
    assert.is(Number(count), inodes)
  }
)

stack.run()
