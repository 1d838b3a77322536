import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { needing } from '../../helpers/needs.ts'
import { scratch } from '../../helpers/scratch.ts'
import { bySize } from '../../helpers/size.ts'
import { suite } from '../../helpers/suite.ts'
import { asOneModule, buildImage, compile } from '../helpers/compile.ts'
import { extractLayers } from '../helpers/extract-layers.ts'
import { hashesHold } from '../helpers/hashes-hold.ts'
import { mounted, observedTree } from '../helpers/observed-tree.ts'
import { archive, randomLayer, randomOf } from '../helpers/random-layer.ts'
import { sameLines } from '../helpers/same-lines.ts'

const stacks = suite('link: random stacks')

const STACKS = bySize(20, 200)
/** Stacks of one image, each in a folder of its own: starting programs takes longer than what they do. */
const TOGETHER = 10
/** Small blocks, so that small files have some. */
const PROFILE = { compressor: 'zstd', level: 1, blockSize: 4096 } as const

/** Layers of `TOGETHER` stacks, each of two or three layers. @returns the tarballs, bottom to top */
function makeTars(seed: number, at: string): string[] {
  const random = randomOf(seed)
  return [0, 1, 2].map(layer => {
    const folder = `${at}.${layer}`
    mkdirSync(folder)
    for (let stack = 0; stack < TOGETHER; stack++)
      if (layer < 2 || random(2) === 0) randomLayer(random, join(folder, `stack${stack}`), layer > 0)
    archive(folder, `${folder}.tar`)
    return `${folder}.tar`
  })
}

for (let seed = 1; seed <= STACKS / TOGETHER; seed++)
  needing(
    stacks,
    'root',
    'tar',
    'getfattr',
    'mount'
  )(
    `${TOGETHER} of ${STACKS} stacks, seed ${seed}: the kernel mounts what GNU tar extracts layer by layer`,
    async () => {
      const folder = scratch()
      const at = join(folder, 'tree')
      const tars = makeTars(seed, at)
      extractLayers(tars, at)
      const layers = []
      for (const tar of tars) layers.push(await compile(tar, PROFILE))
      const { tree } = await buildImage(asOneModule(layers), `${at}.sqfs`)
      hashesHold(tree)
      for (const layer of layers) await layer.close()
      const found = mounted(`${at}.sqfs`, join(folder, 'mnt'), observedTree)
      sameLines(found, observedTree(at))
    }
  )

stacks.run()
