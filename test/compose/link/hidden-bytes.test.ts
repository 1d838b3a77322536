import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { ImageReader } from '../../../compose/squashfs/reader.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { asOneModule, buildImage } from '../helpers/compile.ts'
import { layer } from '../helpers/tar-layer.ts'

/** Files of random bytes are stored without packing, so a search of the image finds them. */
const hidden = suite('link: hidden bytes')

const folder = scratch()
const BLOCK = 131072

const contentOf = (image: Buffer, path: string) => {
  const reader = new ImageReader(image, 'image')
  const pieces: Buffer[] = []
  for (const piece of reader.content(reader.find(path)!)) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

/** Without a listing of half a million bytes when they differ. */
const sameBytes = (found: Buffer, want: Buffer) =>
  assert.ok(found.equals(want), `${found.length} bytes, not ${want.length} or not the same`)

async function build(...layers: ReturnType<typeof layer>[]) {
  const target = join(folder, randomBytes(6).toString('hex'))
  const { report } = await buildImage(asOneModule(await Promise.all(layers)), target)
  return { image: readFileSync(target), report }
}

hidden(
  'a file that is replaced, removed or made opaque leaves no byte, its neighbours in the block stay',
  async () => {
    const small = () => randomBytes(3000)
    const [replaced, removed, covered, kept, large, keptLarge] = [
      small(),
      small(),
      small(),
      small(),
      randomBytes(3 * BLOCK),
      randomBytes(2 * BLOCK + 5)
    ]
    const lower = () =>
      layer(
        ['replaced', { content: replaced }],
        ['removed', { content: removed }],
        'd/',
        ['d/covered', { content: covered }],
        ['kept', { content: kept }],
        ['large', { content: large }],
        ['kept-large', { content: keptLarge }]
      )
    const before = await build(lower())
    const after = await build(
      lower(),
      layer('replaced=new', '.wh.removed=', 'd/', 'd/.wh..wh..opq=', '.wh.large=')
    )
    for (const secret of [replaced, removed, covered, large])
      for (let at = 0; at + 32 <= secret.length; at += 1000) {
        const piece = secret.subarray(at, at + 32)
        assert.ok(before.image.includes(piece), 'the test cannot see what it looks for')
        assert.not.ok(after.image.includes(piece), `byte ${at} of a hidden file is in the image`)
      }
    sameBytes(contentOf(after.image, 'kept'), kept)
    sameBytes(contentOf(after.image, 'kept-large'), keptLarge)
    assert.is(contentOf(after.image, 'replaced').toString(), 'new')
    assert.is(after.report.repackedFragments, 1)
    assert.is(before.report.repackedFragments, 0)
  }
)

hidden('a content that an archive holds under no name leaves no byte', async () => {
  const [first, second] = [randomBytes(3000), randomBytes(3000)]
  const { image } = await build(layer(['a', { content: first }], ['a', { content: second }], 'b=1'))
  assert.not.ok(image.includes(first.subarray(0, 32)))
  sameBytes(contentOf(image, 'a'), second)
})

hidden('files that an upper layer brings again with another owner cost no repacking', async () => {
  const files = Array.from({ length: 50 }, (_, i) => ({ name: `f${i}`, content: randomBytes(500) }))
  const all = (uid: number) =>
    layer(...files.map(({ name, content }) => [name, { content, uid }] as [string, object]))
  const some = (uid: number) =>
    layer(...files.slice(0, 9).map(({ name, content }) => [name, { content, uid }] as [string, object]))
  const { report, image } = await build(all(0), some(7))
  assert.is(report.repackedFragments, 0)
  for (const { name, content } of files) sameBytes(contentOf(image, name), content)
})

hidden('a large file that two layers hold under different names is stored once', async () => {
  const content = randomBytes(2 << 20)
  const { image } = await build(layer(['a', { content }]), layer(['b', { content }]))
  assert.ok(image.length < 1.1 * content.length, `${image.length} bytes`)
  sameBytes(contentOf(image, 'a'), content)
  sameBytes(contentOf(image, 'b'), content)
})

hidden('tails of many torn blocks are gathered in the order of layers', async () => {
  const files = Array.from({ length: 400 }, (_, i) => ({ name: `f${i}`, content: randomBytes(1500) }))
  const lower = () => layer(...files.map(({ name, content }) => [name, { content }] as [string, object]))
  const whiteouts = files.filter((_, i) => i % 3 === 0).map(({ name }) => `.wh.${name}=`)
  const one = await build(lower(), layer(...whiteouts))
  const two = await build(lower(), layer(...whiteouts))
  sameBytes(one.image, two.image)
  assert.ok(one.report.repackedFragments >= 4)
  for (const [i, { name, content }] of files.entries())
    if (i % 3 !== 0) sameBytes(contentOf(one.image, name), content)
})

hidden.run()
