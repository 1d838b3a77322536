import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { ImageReader } from '../../../compose/squashfs/reader.ts'
import { StrataError } from '../../../store/values/errors.ts'
import { atAllSize, needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { someOf } from '../../helpers/size.ts'
import { suite } from '../../helpers/suite.ts'
import { buildImage } from '../helpers/compile.ts'
import { imageLines } from '../helpers/image-lines.ts'
import { observedTree } from '../helpers/observed-tree.ts'
import { randomOf } from '../helpers/random-layer.ts'
import { sameLines } from '../helpers/same-lines.ts'
import { layer } from '../helpers/tar-layer.ts'

const reader = suite('SquashFS reader')
const long = atAllSize(reader)

const folder = scratch()

async function smallImage(): Promise<Buffer> {
  const names = Array.from({ length: 40 }, (_, i) => `d/file${i}=content ${i}`)
  const target = join(folder, 'small.sqfs')
  await buildImage(
    [
      await layer('./', 'd/', ...names, 'l -> d', 'h == d/file1', [
        'big',
        { content: Buffer.alloc(300000, 'z') }
      ])
    ],
    target
  )
  return readFileSync(target)
}

/** Everything there is to read. */
const readAll = (bytes: Buffer) => imageLines(new ImageReader(bytes, 'hostile.sqfs'))

function refusal(bytes: Buffer): StrataError | undefined {
  try {
    readAll(bytes)
    return undefined
  } catch (error) {
    if (error instanceof StrataError && error.code === 'IMAGE_INVALID') return error
    throw error
  }
}

for (const compressor of someOf(['zstd', 'gzip', 'xz', 'lz4', 'lzo', 'lzma'], 3))
  needing(
    reader,
    'root',
    'mksquashfs',
    'getfattr'
  )(`reads what mksquashfs writes with ${compressor}`, () => {
    const source = join(folder, `source-${compressor}`)
    mkdirSync(source)
    bash(
      `cd "$1"; mkdir d; for i in $(seq 2000); do echo $i > d/file-$i; done; head -c 500000 /dev/urandom > random
      seq 200000 > numbers; truncate -s 400000 hole; ln random again; ln -s d link; mkfifo p; mknod c c 5 1
      for f in d/file-1 d/file-2 numbers; do setfattr -n user.big -v "$(seq 1000 | tr '\\n' ,)" $f; done
      find . -print0 | xargs -0 touch -hd @1500000000; mksquashfs . "$1.sqfs" -quiet -no-progress -comp ${compressor} > /dev/null`,
      source
    )
    sameLines(readAll(readFileSync(`${source}.sqfs`)), observedTree(source))
  })

reader('finds a path, and nothing where there is none', async () => {
  const image = new ImageReader(await smallImage(), 'small')
  assert.is(image.find('d/file7')?.file?.sizeBytes, 9)
  for (const path of ['d/file77', 'a', 'z', 'l/file7', 'd/file7/x'])
    assert.is(image.find(path), undefined, path)
  assert.is(image.find('')?.number, image.root().number)
})

reader('refuses an image cut at any byte that is in use', async () => {
  const whole = await smallImage()
  const { bytesUsed } = new ImageReader(whole, 'small').superblock
  for (let length = 0; length < bytesUsed; length += length < 200 ? 1 : 997)
    assert.ok(refusal(whole.subarray(0, length)), `cut at ${length}`)
})

reader('names structure and byte of a fault', async () => {
  const image = await smallImage()
  const { directoryTable } = new ImageReader(image, 'small').superblock
  image.writeUInt16LE(9000 | 0x8000, directoryTable)
  const error = refusal(image)!
  assert.match(
    error.message,
    `hostile.sqfs: directory table at 0x${directoryTable.toString(16)}: length 9000 is not 1..8192`
  )
  assert.is(error.facts.byte, directoryTable)
})

long('whatever byte of the tables is changed, it answers or refuses, and ends', async () => {
  const whole = await smallImage()
  const { inodeTable, bytesUsed } = new ImageReader(whole, 'small').superblock
  const random = randomOf(7)
  let refused = 0
  const spots = [
    ...Array.from({ length: 96 }, (_, i) => i),
    ...Array.from({ length: 2500 }, () => inodeTable + random(bytesUsed - inodeTable))
  ]
  for (const spot of spots) {
    const image = Buffer.from(whole)
    image[spot] ^= 1 << random(8)
    if (refusal(image)) refused++
  }
  assert.ok(refused > spots.length / 3, `${refused} of ${spots.length} refused`)
})

reader('refuses a directory that holds itself', async () => {
  const target = join(folder, 'loop.sqfs')
  await buildImage([await layer('./', 'd/', 'd/e/')], target)
  const image = readFileSync(target)
  const { inodeTable, directoryTable, rootReference } = new ImageReader(image, 'loop').superblock
  // The listing of d names e; it is made to name d: same block, d's offset and number.
  const root = inodeTable + 2 + Number(rootReference & 0xffffn)
  const listingOfRoot = directoryTable + 2 + image.readUInt16LE(root + 26)
  const listingOfD = directoryTable + 2
  assert.is.not(listingOfRoot, listingOfD)
  image.writeUInt16LE(image.readUInt16LE(listingOfRoot + 12), listingOfD + 12)
  image.writeUInt32LE(image.readUInt32LE(listingOfRoot + 8), listingOfD + 8)
  assert.match(refusal(image)!.message, /directory with two names/)
})

reader('refuses other files and unknown compressors with the name of the field', async () => {
  assert.match(refusal(Buffer.alloc(5000))!.message, 'no "hsqs" at byte 0')
  const image = await smallImage()
  image.writeUInt16LE(9, 20)
  assert.match(refusal(image)!.message, 'compressor 9, wanted one of gzip, zstd, xz, lz4, lzo, lzma')
})

needing(reader, 'unsquashfs')('an image of ours has no warning from unsquashfs', async () => {
  await smallImage()
  const out = execFileSync('unsquashfs', ['-s', join(folder, 'small.sqfs')], { encoding: 'utf8' })
  assert.match(out, 'Compression zstd')
  assert.match(out, 'Filesystem is exportable via NFS')
})

reader.run()
