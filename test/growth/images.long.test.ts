/** SquashFS images that somebody else made, and what they are packed in. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { is } from 'uvu/assert'
import { imageAsLayer } from '../../compose/inspect/image-layer.ts'
import { listImage } from '../../compose/inspect/list-image.ts'
import { imageMembers } from '../../compose/sources/image-members.ts'
import { ImageReader } from '../../compose/squashfs/reader.ts'
import { DEFAULT_LIMITS } from '../../store/values/limits.ts'
import { buildImage, compile } from '../compose/helpers/compile.ts'
import { tarOf } from '../compose/helpers/tar-layer.ts'
import { atAllSize } from '../helpers/needs.ts'
import { readSifAt } from '../helpers/read-sif.ts'
import { refused } from '../helpers/refused.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { archive, file, pax } from '../helpers/tar-make.ts'
import { ImageBytes } from '../reject/image-bytes.ts'
import { hardlink } from '../reject/make.ts'
import { growsLinearly } from './growth.ts'

const images = suite('images')
const long = atAllSize(images)

const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index))

async function imageOf(tar: Buffer): Promise<Buffer> {
  const target = join(scratch(), 'image.sqfs')
  await buildImage([await compile(tar)], target)
  return readFileSync(target)
}

const read = (image: Buffer): ImageReader => new ImageReader(image, 'image.sqfs')

/** As an import reads them; contents are asked for by nobody. */
function members(image: Buffer): number {
  const options = { name: 'image.sqfs', leaveOut: () => false, onSkip: () => {}, limits: DEFAULT_LIMITS }
  let count = 0
  for (const _ of imageMembers(read(image), { ...options, attributes: new Map() })) count++
  return count
}

const opened = (image: Buffer) => ({
  path: 'image.sqfs',
  reader: read(image),
  fd: -1,
  ...{ sizeBytes: image.length, startInFile: 0, lengthBytes: image.length },
  close: async () => {}
})

const sparseFile = (name: string, sizeBytes: number): Buffer =>
  Buffer.concat([
    pax({
      'GNU.sparse.major': '0',
      'GNU.sparse.minor': '1',
      'GNU.sparse.numblocks': '1',
      'GNU.sparse.size': `${sizeBytes}`,
      'GNU.sparse.map': '0,1'
    }),
    file(name, 'x')
  ])

long('names in a folder, as they are imported', () =>
  growsLinearly({
    size: 400,
    make: size => imageOf(tarOf(many(size, i => `d/f${i}=x`))),
    run: members
  })
)

long('names in a folder, as they are listed', () =>
  growsLinearly({
    size: 400,
    make: size => imageOf(tarOf(many(size, i => `d${i % 7}/f${i}=x`))),
    run: image => [...listImage(opened(image), '', true)].length
  })
)

images('files, as they are compared with others', () =>
  growsLinearly({
    size: 400,
    make: size => imageOf(tarOf(many(size, i => `d${i % 7}/f${i}=${i}`))),
    run: image => imageAsLayer(opened(image), () => false)
  })
)

images('names of one file that has many blocks', () =>
  growsLinearly({
    size: 200,
    make: size =>
      imageOf(archive(sparseFile('f', size * 131_072), ...many(size, i => hardlink(`l${i}`, 'f')))),
    run: members
  })
)

images('files that share an attribute of many bytes', () =>
  growsLinearly({
    size: 200,
    make: size =>
      imageOf(
        archive(
          ...many(size, i =>
            Buffer.concat([pax({ 'SCHILY.xattr.user.x': 'v'.repeat(100 * size) }), file(`f${i}`, 'x')])
          )
        )
      ),
    run: image => {
      const reader = read(image)
      for (const { inode } of reader.walk()) reader.attributes(inode)
    }
  })
)

images('descriptors of a SIF file', () =>
  growsLinearly({
    size: 2000,
    make: size => {
      const path = join(scratch(), 'made.sif')
      writeFileSync(path, sifOf(size))
      return path
    },
    run: async path => is((await readSifAt(path)).system.index > 0, true)
  })
)

/** A file whose last descriptor is of the system, and the others of nothing. */
function sifOf(descriptors: number): Buffer {
  const [headerBytes, descriptorBytes] = [128, 585]
  const bytes = Buffer.alloc(headerBytes + descriptors * descriptorBytes)
  bytes.write('SIF_MAGIC\0', 32, 'latin1')
  bytes.write('01\0', 42, 'latin1')
  bytes.writeBigInt64LE(BigInt(descriptors), 88)
  bytes.writeBigInt64LE(BigInt(headerBytes), 96)
  for (let i = 0; i < descriptors; i++) {
    const at = headerBytes + i * descriptorBytes
    bytes[at + 4] = 1
    bytes.writeUInt32LE(i + 1, at + 5)
  }
  const last = bytes.length - descriptorBytes
  bytes.writeInt32LE(0x4004, last)
  bytes.writeInt32LE(1, last + 201)
  bytes.writeInt32LE(2, last + 205)
  return bytes
}

long('refused: attributes that thousands of files share, and that are thousands', async () => {
  const attributes = pax(Object.fromEntries(many(900, i => [`SCHILY.xattr.user.${i}`, 'v'])))
  const image = await imageOf(archive(...many(1400, i => Buffer.concat([attributes, file(`f${i}`, 'x')]))))
  refused(() => members(image), 'LIMIT_EXCEEDED', /more than 64 attributes for each inode/)
})

long('refused: folders that share one listing', async () => {
  const image = new ImageBytes(
    await imageOf(tarOf([...many(2000, i => `all/file${i}=x`), ...many(600, i => `d${i}/f=x`)]))
  )
  const all = image.reader.find('all')!.directory!
  for (let i = 0; i < 600; i++) {
    const at = image.inode(`d${i}`)
    image.bytes.writeUInt32LE(all.blockStart, at + 16)
    image.bytes.writeUInt16LE(all.lengthBytes + 3, at + 24)
    image.bytes.writeUInt16LE(all.offset, at + 26)
  }
  const walk = () => {
    for (const _ of read(image.bytes).walk());
  }
  refused(walk, 'LIMIT_EXCEEDED', /many directories share their listings/)
  refused(() => [...listImage(opened(image.bytes), '', true)], 'LIMIT_EXCEEDED', /share their listings/)
})

long('refused: folders that lie ever deeper', async () => {
  const image = await imageOf(archive(pax({ path: `${'d/'.repeat(33_000)}x` }), file('x', 'x')))
  refused(() => members(image), 'LIMIT_EXCEEDED', /a path of more than 65536 bytes/)
  refused(() => [...listImage(opened(image), '', true)], 'LIMIT_EXCEEDED', /a path of more than 65536/)
})

images('refused: files of far more bytes than the image', async () => {
  const image = await imageOf(archive(sparseFile('f', 1_100_000_000)))
  const refusal = refused(() => members(image), 'LIMIT_EXCEEDED', /over 1000 times as many/)
  is(refusal.hint, 'if you trust this image, raise --max-ratio')
})

images.run()
