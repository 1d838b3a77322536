import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { imageAsLayer } from '../../../compose/inspect/image-layer.ts'
import { openImage } from '../../../compose/inspect/open-image.ts'
import { ContentReader } from '../../../store/object/content-reader.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { asOneModule, buildImage } from '../helpers/compile.ts'
import { layer } from '../helpers/tar-layer.ts'

const images = suite('inspect: an image as a layer')

images('a fragment block is read even if no file of the image has its last tails', async () => {
  const target = join(scratch(), 'image')
  const content = () => randomBytes(500)
  const [a, b, last] = [content(), content(), content()]
  const lower = await layer(['a', { content: a }], ['b', { content: b }], ['last', { content: last }])
  // The lower layer's block stays whole, as its last tail is seen in the upper layer's.
  const upper = await layer(['last', { content: last, uid: 7 }])
  const { report } = await buildImage(asOneModule([lower, upper]), target)
  assert.is(report.repackedFragments, 0)
  const image = await openImage(target)
  const index = imageAsLayer(image, () => false)
  const reader = new ContentReader(image.fd, index, index.profile)
  const read = Array.from(index.contentSize, (_, content) => Buffer.concat([...reader.read(content)]))
  const hex = (contents: Buffer[]) => contents.map(bytes => bytes.toString('hex')).sort()
  assert.equal(hex(read), hex([a, b, last]))
  await image.close()
})

images.run()
