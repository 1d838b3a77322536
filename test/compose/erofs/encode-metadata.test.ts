import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { encodeMetadata, SharedAttributes } from '../../../compose/erofs/index.ts'
import { openImage } from '../../../compose/inspect/index.ts'
import { metadataOfImage } from '../../../compose/mount/metadata-of-image.ts'
import { Kind } from '../../../store/object/index.ts'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { composed } from '../../helpers/warm-compose.ts'
import { aclTree } from '../mount/acl-tree.ts'

/** The EROFS image of a tree beside that of mkfs.erofs, by the kernel, fsck.erofs and dump.erofs. */

const erofs = suite('EROFS metadata')

const NEEDS = ['root', 'mount', 'mkfs.erofs', 'fsck.erofs', 'dump.erofs', 'setfacl', 'getfattr', 'perl']

let made: { folder: string; tree: string } | undefined

/** `ours` is made of a SquashFS image of the tree, `theirs` by mkfs.erofs of the tree itself. */
async function world(): Promise<{ folder: string; tree: string }> {
  if (made !== undefined) return made
  const folder = scratch()
  const tree = aclTree()
  const store = join(folder, 'store')
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'base/acl-1', tree])
  composed(store, ['build', '--bare', join(folder, 'image'), 'base/acl'])
  writeFileSync(join(folder, 'ours'), await metadataOf(join(folder, 'image')))
  bash('mkfs.erofs --quiet "$1/theirs" "$2" > /dev/null', folder, tree)
  made = { folder, tree }
  return made
}

async function metadataOf(path: string): Promise<Buffer> {
  const image = await openImage(path)
  const bytes = encodeMetadata(metadataOfImage(image).tree)
  await image.close()
  return bytes
}

/** What a program prints about the mounted image. */
const mounted = (folder: string, name: string, command: string): string =>
  bash(
    `cd "$1"; mkdir -p "at-$2"; mount -t erofs -o ro,loop "$2" "at-$2"; trap 'cd /; umount "$1/at-$2"' EXIT
    cd "at-$2"; ${command}`,
    folder,
    name
  ).toString('latin1')

for (const [what, command] of [
  [
    'names, types, modes, owners, links, targets, times',
    "find . -printf '%p %y %m %U %G %n %l %T@\\n' | sort"
  ],
  ['sizes of files', "find . ! -type d -printf '%p %s\\n' | sort"],
  ['devices', 'stat -c "%n %t %T" opt/kinds/*'],
  ['hard links', 'find . -samefile opt/f2 | sort'],
  ['ACLs', 'getfacl -R -n -p . | sed "s/^# file: //"'],
  ['attributes', "getfattr -R -h -d -m '^(user|security)\\.' . | grep -v strata"],
  ['folders with names before the dot', 'ls -a -U opt/many | sort | head -20; ls opt/many | wc -l']
] as const)
  needing(erofs, ...NEEDS)(`${what} are those of mkfs.erofs`, async () => {
    const { folder } = await world()
    const ours = mounted(folder, 'ours', command)
    assert.ok(ours.length > 10, ours)
    assert.is(ours, mounted(folder, 'theirs', command))
  })

needing(erofs, ...NEEDS)('fsck.erofs finds nothing, and dump.erofs counts the same inodes', async () => {
  const { folder } = await world()
  assert.is(
    bash('fsck.erofs "$1/ours" 2>&1', folder).toString().trim(),
    bash('fsck.erofs "$1/theirs" 2>&1', folder).toString().trim()
  )
  const count = (name: string) =>
    /inode count: *(\d+)/.exec(bash(`dump.erofs -s "$1/${name}"`, folder).toString())?.[1]
  assert.is(count('ours'), count('theirs'))
})

needing(erofs, ...NEEDS)('takes at most 200 bytes an inode, and the same bytes each time', async () => {
  const { folder } = await world()
  const again = await metadataOf(join(folder, 'image'))
  assert.ok(again.equals(await metadataOf(join(folder, 'image'))))
  const inodes = Number(bash('find "$1" | wc -l', (await world()).tree).toString())
  assert.ok(again.length / inodes <= 200, `${again.length / inodes} bytes an inode`)
})

erofs('a folder with more attributes than EROFS can count is refused by its path', () => {
  const encoded = (count: number) => {
    const attributes = new SharedAttributes()
    const numbers = Array.from({ length: count }, (_, i) =>
      attributes.numberOf(`user.n${i}`, Buffer.from('v'))
    )
    const root = {
      ...{ kind: Kind.directory, mode: 0o755, uid: 0, gid: 0, mtimeSeconds: 0, mtimeNanoseconds: 0 },
      ...{ links: 2, attributes: numbers, sizeBytes: 0, folder: 'opt', name: 'many', parent: 0 },
      entries: { names: [], inodes: [] }
    }
    return encodeMetadata({ inodes: [root], attributes })
  }
  assert.ok(encoded(255).length > 0)
  assert.throws(() => encoded(256), /\/opt\/many has 256 attributes; EROFS stores 254 of a file at most/)
})

erofs.run()
