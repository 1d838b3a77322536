import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { needing } from '../../helpers/needs.ts'
import { scratch } from '../../helpers/scratch.ts'
import { asOneModule, buildImage, compile } from '../helpers/compile.ts'
import { extractLayers } from '../helpers/extract-layers.ts'
import { mounted, observedTree } from '../helpers/observed-tree.ts'
import { randomLayer, randomOf } from '../helpers/random-layer.ts'

const stacks = suite('link: random stacks')

const STACKS = 200
/** Small blocks, so that small files have some. */
const PROFILE = { compressor: 'zstd', level: 1, blockSize: 4096 } as const

needing(
  stacks,
  'root',
  'tar',
  'getfattr',
  'mount'
)(`${STACKS} stacks mounted by the kernel equal their layers extracted one by one by GNU tar`, async () => {
  const folder = scratch()
  for (let seed = 1; seed <= STACKS; seed++) {
    const at = join(folder, String(seed))
    const random = randomOf(seed)
    const tars = Array.from({ length: 2 + random(2) }, (_, i) => `${at}.${i}.tar`)
    for (const [i, tar] of tars.entries()) randomLayer(random, `${at}.${i}`, tar, i > 0)
    extractLayers(tars, at)
    const layers = []
    for (const tar of tars) layers.push(await compile(tar, PROFILE))
    await buildImage(asOneModule(layers), `${at}.sqfs`)
    for (const layer of layers) await layer.close()
    const found = mounted(`${at}.sqfs`, join(folder, 'mnt'), observedTree)
    assert.equal(found, observedTree(at), `seed ${seed}`)
    rmSync(at, { recursive: true })
  }
})

stacks.run()
