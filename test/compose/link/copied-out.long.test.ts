import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { everyForm, hostLayer } from '../../helpers/layers.ts'
import { atAllSize, needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { bySize } from '../../helpers/size.ts'
import { suite } from '../../helpers/suite.ts'
import { buildImage, compile } from '../helpers/compile.ts'
import { mounted } from '../helpers/observed-tree.ts'
import { archive, randomOf } from '../helpers/random-layer.ts'

/**
 * Programs that copy ask the kernel for holes (SEEK_DATA, SEEK_HOLE). Linux 6.18 answers EIO where it takes the inode behind
 * a file's list of blocks for one more block: so each file is copied, and not only read.
 */
const copying = suite('link: files copied out of a mounted image')

const BLOCK = 4096

/** Files of some blocks, holes among them at random, with ends of every form, and modes that look like sizes. */
function randomFiles(seed: number): string {
  const random = randomOf(seed)
  const folder = join(scratch(), 'tree')
  mkdirSync(folder)
  for (let i = 0; i < 300; i++) {
    const block = () => Buffer.alloc(BLOCK, random(2) === 0 ? 0 : 1 + random(255))
    const rest = Buffer.alloc([0, 1, 200, BLOCK - 1][random(4)], random(2))
    const path = join(folder, `${i}`)
    writeFileSync(path, Buffer.concat([...Array.from({ length: random(6) }, block), rest]))
    chmodSync(path, random(0o10000) | 0o400)
  }
  bash('cd "$1"; for i in 7 19 33; do ln $i again$i; done; setfattr -n user.note -v x 11 12 13', folder)
  return folder
}

function sameWhenCopied(image: string, wanted: string): void {
  const copies = scratch()
  mounted(image, join(copies, 'mnt'), root => {
    bash('cp -r --sparse=auto "$1" "$2/cp"', root, copies)
    bash('bsdtar -cf "$2/bsd.tar" -C "$1" .; mkdir "$2/bsd"; tar -C "$2/bsd" -xf "$2/bsd.tar"', root, copies)
    bash(
      'tar --sparse -cf "$2/gnu.tar" -C "$1" .; mkdir "$2/gnu"; tar -C "$2/gnu" -xf "$2/gnu.tar"',
      root,
      copies
    )
  })
  for (const copy of ['cp', 'bsd', 'gnu'])
    assert.is(
      bash(
        'diff -r --no-dereference "$1" "$2" 2>&1 | grep -v "is a .* while file" || true',
        wanted,
        join(copies, copy)
      ).toString(),
      '',
      copy
    )
}

async function imageOf(tar: string, blockSize: number): Promise<string> {
  const layer = await compile(tar, { compressor: 'zstd', level: 1, blockSize })
  const image = `${tar}.sqfs`
  await buildImage([layer], image)
  await layer.close()
  return image
}

const NEEDS = ['root', 'mount', 'bsdtar', 'setfattr'] as const

for (const seed of bySize([1], [1, 2, 3]))
  needing(copying, ...NEEDS)(`random files with holes, seed ${seed}`, async () => {
    const folder = randomFiles(seed)
    archive(folder, `${folder}.tar`)
    sameWhenCopied(await imageOf(`${folder}.tar`, BLOCK), folder)
  })

needing(
  copying,
  ...NEEDS,
  'setfacl',
  'mknod'
)('every form of file', async () => {
  const folder = everyForm()
  archive(folder, `${folder}.tar`)
  for (const blockSize of [BLOCK, 131072]) sameWhenCopied(await imageOf(`${folder}.tar`, blockSize), folder)
})

atAllSize(needing(copying, ...NEEDS))('twelve megabytes of a real system', async () => {
  const tar = hostLayer()
  bash('mkdir "$1.tree"; tar -C "$1.tree" -xpf "$1"', tar)
  sameWhenCopied(await imageOf(tar, 131072), `${tar}.tree`)
})

copying.run()
