import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { ImageReader } from '../../../compose/squashfs/reader.ts'
import { atCheckSize, needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { asOneModule, buildImage, compile } from '../helpers/compile.ts'
import { extractLayers } from '../helpers/extract-layers.ts'
import { imageLines } from '../helpers/image-lines.ts'
import { mounted, observedTree } from '../helpers/observed-tree.ts'
import { sameLines } from '../helpers/same-lines.ts'

/** One tree with everything that an image can hold, read by every reader there is. */
const readers = suite('link: readers')

const folder = scratch()
const truth = join(folder, 'truth')

const MAKE_TREE = `
mkdir -p "$1"; cd "$1"
mkdir -p usr/lib "$(printf 'caf\\351')" "$(printf 'new\\nline')" empty deep/1/2/3/4/5/6/7/8/9
ln -s usr/lib lib; ln -s /etc/passwd absolute; ln -s nowhere dangling
echo hello > usr/lib/small; : > usr/lib/nothing
head -c 131072 /dev/urandom > block; head -c 400001 /dev/urandom > blocks; head -c 262144 /dev/zero > zeros
truncate -s 3000000 holes; printf middle | dd of=holes bs=1 seek=1500000 conv=notrunc status=none; printf x >> holes
ln usr/lib/small hard1; ln usr/lib/small hard2; ln -P dangling dangling2
mknod null c 1 3; mknod disk b 259 70000; mkfifo pipe; ln pipe pipe2
for i in $(seq 1 3000); do echo $i > deep/name-that-is-rather-long-$i; done
touch "$(printf 'x%.0s' $(seq 1 255))"
setfattr -n user.big -v "$(printf 'v%.0s' $(seq 1 3000))" hard1 block empty
setfattr -n user.other -v 1 block
setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 block
setfattr -h -n trusted.x -v 0x00ff dangling
setfacl -m u:1234:rwx,g:4321:r-x hard2 blocks; setfacl -m u:99999:r usr; setfacl -d -m u:1234:rwx,m::r empty
chown 1000:2000 block; chown -h 4294967294:70000 dangling; chmod 4711 block; chmod 1777 empty; chmod 2755 usr
find . -print0 | xargs -0 touch -hd @1234567890.5; touch -hd @0 null; touch -hd @4294967295 disk; touch -d @1600000000 .
tar --format=pax --sparse --xattrs --xattrs-include='*' --acls --numeric-owner --sort=name -cf "$2" .`

const tar = join(folder, 'all.tar')
const image = join(folder, 'all.sqfs')

readers.before(async () => {
  if (process.getuid?.() !== 0) return
  bash(MAKE_TREE, join(folder, 'source'), tar)
  extractLayers([tar], truth)
  await buildImage(asOneModule([await compile(tar)]), image)
})

const FULL = ['root', 'tar', 'getfattr', 'setfacl'] as const

needing(
  readers,
  ...FULL,
  'mount'
)('the kernel sees what GNU tar extracts', () => {
  sameLines(mounted(image, join(folder, 'mnt'), observedTree), observedTree(truth))
})

needing(readers, ...FULL)('our own reader reads the tree that GNU tar extracts', () => {
  const fd = openSync(image, 'r')
  try {
    sameLines(imageLines(new ImageReader(fd, image)), observedTree(truth))
  } finally {
    closeSync(fd)
  }
})

needing(
  readers,
  ...FULL,
  'unsquashfs'
)('unsquashfs extracts what GNU tar extracts', () => {
  const out = join(folder, 'unsquashed')
  bash('unsquashfs -quiet -no-progress -strict-errors -d "$2" "$1" > /dev/null', image, out)
  sameLines(observedTree(out), observedTree(truth))
})

atCheckSize(needing(readers, ...FULL, 'sqfs2tar'))(
  'sqfs2tar writes an archive of what GNU tar extracts',
  () => {
    const out = join(folder, 'retarred')
    mkdirSync(out)
    bash(`sqfs2tar "$1" | tar --xattrs --xattrs-include='*' --numeric-owner -C "$2" -xpf -`, image, out)
    // The archive has no entry for the root.
    const withoutRoot = (lines: string[]) => lines.filter(line => !line.startsWith('""'))
    sameLines(withoutRoot(observedTree(out)), withoutRoot(observedTree(truth)))
  }
)

needing(
  readers,
  ...FULL,
  'squashfuse',
  'fusermount'
)('squashfuse sees the same but for attributes, whose prefixes it swaps', () => {
  const at = join(folder, 'fuse')
  mkdirSync(at)
  bash('squashfuse "$1" "$2"', image, at)
  // Nor has it inode numbers that tell hard links.
  const withoutAttributes = (lines: string[]) => lines.map(line => line.split(' | ').slice(0, -2).join(' | '))
  try {
    sameLines(withoutAttributes(observedTree(at)), withoutAttributes(observedTree(truth)))
  } finally {
    bash('umount "$1"', at)
  }
})

needing(readers, ...FULL)('the same layers give the same bytes again', async () => {
  const again = join(folder, 'again.sqfs')
  await buildImage(asOneModule([await compile(tar)]), again)
  assert.ok(readFileSync(again).equals(readFileSync(image)))
})

readers.run()
