import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { mergeLayers } from '../../../compose/merge/merge-layers.ts'
import type { MergeOptions } from '../../../compose/merge/stack.ts'
import { writeLayout } from '../../../compose/oci/write-layout.ts'
import { writeSandbox } from '../../../compose/sandbox/write-sandbox.ts'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { bySize } from '../../helpers/size.ts'
import { suite } from '../../helpers/suite.ts'
import { asOneModule, compile, keepMode, type StackPart, stackOf } from '../helpers/compile.ts'
import { extractLayers } from '../helpers/extract-layers.ts'
import { observedTree } from '../helpers/observed-tree.ts'
import { archive, randomLayer, randomOf } from '../helpers/random-layer.ts'
import { sameLines } from '../helpers/same-lines.ts'
import { tarOf } from '../helpers/tar-layer.ts'
import { layerTars, readLayout } from './oci-layers.ts'

/**
 * Layers that are stacked by OCI's rules are the tree that was merged by ours: what writes sandboxes has been held
 * against other programs elsewhere, and the extractor here shares nothing with the merge.
 */
const stacking = suite('oci: stacking')

const PROFILE = { compressor: 'zstd', level: 1, blockSize: 4096 } as const

async function compareStacked(
  parts: StackPart[],
  options: MergeOptions,
  message?: string
): Promise<string[]> {
  const folder = scratch()
  const tree = mergeLayers(stackOf(parts), options)
  const data = parts.map(part => part.data)
  await writeSandbox(tree, data, join(folder, 'merged'), { lock: '{}', asRoot: true })
  bash('cd "$1"; touch -r merged mark; rm -r merged/.compose; touch -r mark merged', folder)
  const layout = join(folder, 'layout')
  await writeLayout(
    { tree, data, modeOf: keepMode },
    {
      ...options,
      target: layout,
      tag: 'test',
      sync: false,
      compression: 'zstd',
      records: [],
      history: parts.map((_, i) => ({ name: `part ${i}` })),
      bare: true,
      admit: () => {}
    }
  )
  const tars = layerTars(layout, folder)
  assert.is(tars.length, parts.length, 'one OCI layer for each layer')
  extractLayers(tars, join(folder, 'stacked'))
  sameLines(observedTree(join(folder, 'stacked')), observedTree(join(folder, 'merged')), message)
  return tars
}

const STACKS = bySize(8, 40)
const TOGETHER = 10

async function randomParts(seed: number): Promise<StackPart[]> {
  const random = randomOf(seed)
  const at = join(scratch(), 'layer')
  const parts = []
  for (const layer of [0, 1, 2]) {
    const folder = `${at}.${layer}`
    mkdirSync(folder)
    for (let stack = 0; stack < TOGETHER; stack++)
      if (layer < 2 || random(2) === 0) randomLayer(random, join(folder, `stack${stack}`), layer > 0)
    archive(folder, `${folder}.tar`)
    parts.push(await compile(`${folder}.tar`, PROFILE))
  }
  return parts
}

for (let seed = 1; seed <= STACKS / TOGETHER; seed++)
  needing(
    stacking,
    'root',
    'tar',
    'getfattr',
    'zstd'
  )(
    `random layers of one module, seed ${seed}: extracted one over the other they are the merged tree`,
    async () => {
      await compareStacked(asOneModule(await randomParts(seed)), {})
    }
  )

// With other seeds a module contradicts itself: it brings one path by name and through a link.
for (const seed of bySize([101], [101, 103, 104]))
  needing(
    stacking,
    'root',
    'tar',
    'getfattr',
    'zstd'
  )(
    `random modules, the upper wins, seed ${seed}: extracted one over the other they are the merged tree`,
    async () => {
      await compareStacked(await randomParts(seed), { onConflict: 'upper' }, `seed ${seed}`)
    }
  )

needing(
  stacking,
  'root',
  'tar',
  'getfattr',
  'zstd'
)('a module goes through links, keeps directories of the base as they were and repeats nothing', async () => {
  const base = tarOf([
    ['./', {}],
    ['usr/', {}],
    ['usr/lib/', {}],
    ['lib -> usr/lib', { mode: 0o777 }],
    ['opt/', { mode: 0o755 }],
    ['opt/same=equal', {}]
  ])
  const module = tarOf([
    ['./', { mode: 0o700, uid: 1001 }],
    ['lib/', {}],
    ['lib/libx.so=elf', {}],
    ['opt/', { mode: 0o777, uid: 9 }],
    ['opt/same=equal', {}],
    ['opt/own=1', {}]
  ])
  const tars = await compareStacked([await compile(base), await compile(module)], {})
  const names = bash('tar -tf "$1"', tars[1]).toString().trim().split('\n')
  assert.equal(names, ['./', 'opt/', 'opt/own', 'usr/', 'usr/lib/', 'usr/lib/libx.so'])
})

needing(
  stacking,
  'root',
  'zstd'
)('a whiteout is written for each path that goes, and none as opaque', async () => {
  const lower = tarOf([
    ['./', {}],
    ['a/', {}],
    ['a/x=1', {}],
    ['a/y=2', {}],
    ['b=3', {}]
  ])
  const upper = tarOf([
    ['a/', {}],
    ['a/.wh..wh..opq=', {}],
    ['a/z=4', {}],
    ['.wh.b=', {}]
  ])
  const tars = await compareStacked(asOneModule([await compile(lower), await compile(upper)]), {})
  const names = bash('tar -tf "$1"', tars[1]).toString().trim().split('\n')
  assert.equal(names, ['./', 'a/', 'a/.wh.x', 'a/.wh.y', 'a/z', '.wh.b'])
})

needing(
  stacking,
  'zstd',
  'gzip'
)('digests, sizes and diffIDs are those of the bytes, for each compression', async () => {
  const part = await compile(
    tarOf([
      ['./', {}],
      ['big=', {}],
      ['text=some', {}]
    ])
  )
  const tree = mergeLayers(stackOf([part]))
  const folder = scratch()
  const diffIds = ['zstd', 'gzip', 'none'].map(async compression => {
    const layout = join(folder, compression)
    await writeLayout(
      { tree, data: [part.data], modeOf: keepMode },
      {
        target: layout,
        tag: 'a',
        sync: false,
        compression: compression as 'zstd',
        records: [],
        history: [{ name: 'part' }],
        bare: true,
        admit: () => {}
      }
    )
    const [{ digest, size, diffId }] = readLayout(layout).layers
    const blob = join(layout, 'blobs/sha256', digest.slice(7))
    assert.match(
      bash('sha256sum < "$1"; stat -c %s "$1"', blob).toString(),
      `${digest.slice(7)}  -\n${size}\n`
    )
    const [tar] = layerTars(layout, join(folder, compression))
    assert.is(`sha256:${bash('sha256sum < "$1"', tar).toString().slice(0, 64)}`, diffId)
    return diffId
  })
  assert.is(new Set(await Promise.all(diffIds)).size, 1)
})

stacking.run()
