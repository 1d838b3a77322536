/** Layers laid over each other, and images made of them. */
import { join } from 'node:path'
import { is, match } from 'uvu/assert'
import { ConflictError, ConflictList } from '../../compose/merge/conflicts.ts'
import { mergeLayers } from '../../compose/merge/merge-layers.ts'
import { treeDigest } from '../../compose/merge/tree-digest.ts'
import { walk } from '../../compose/merge/walk-tree.ts'
import { formatAclListing } from '../../compose/runtime-files/acl-listing.ts'
import { formatOwners } from '../../compose/runtime-files/owners.ts'
import { checkIndex } from '../../store/object/check-index.ts'
import {
  buildImage,
  type Compiled,
  compile,
  keepMode,
  PROFILE,
  type StackPart,
  stackOf
} from '../compose/helpers/compile.ts'
import { layer, tarOf } from '../compose/helpers/tar-layer.ts'
import { atCheckSize } from '../helpers/needs.ts'
import { refused } from '../helpers/refused.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { archive, file, pax } from '../helpers/tar-make.ts'
import { growsLinearly } from './growth.ts'

const merges = suite('merges')
const long = atCheckSize(merges)

const many = (count: number, make: (index: number) => string): string[] =>
  Array.from({ length: count }, (_, index) => make(index))

const inOrder = (...layers: Promise<Compiled>[]): Promise<Compiled[]> => Promise.all(layers)

const merge = (layers: StackPart[]) => mergeLayers(stackOf(layers))
const asOne = (layers: Compiled[]): StackPart[] => layers.map(part => ({ ...part, module: 0 }))

const conflicts = (layers: StackPart[]): ConflictError => {
  try {
    merge(layers)
  } catch (error) {
    if (error instanceof ConflictError) return error
    throw error
  }
  throw new Error('no conflict')
}

merges('directories that each go through a link of their own', () =>
  growsLinearly({
    size: 400,
    make: size =>
      inOrder(
        layer(...many(size, i => `r${i}/`), ...many(size, i => `l${i} -> r${i}`)),
        layer(...many(size, i => `l${i}/f=x`))
      ),
    run: merge
  })
)

merges('files that two modules have, and have alike', () =>
  growsLinearly({
    size: 400,
    make: size => inOrder(layer(...many(size, i => `d/f${i}=x`)), layer(...many(size, i => `d/f${i}=x`))),
    run: merge
  })
)

merges('files that two modules have, and not alike', () =>
  growsLinearly({
    size: 400,
    make: size => inOrder(layer(...many(size, i => `d/f${i}=x`)), layer(...many(size, i => `d/f${i}=y`))),
    run: layers => is(conflicts(layers).conflicts.length > 0, true)
  })
)

merges('whiteouts over a folder', () =>
  growsLinearly({
    size: 400,
    make: size => inOrder(layer(...many(size, i => `d/f${i}=x`)), layer(...many(size, i => `d/.wh.f${i}=`))),
    run: layers => merge(asOne(layers))
  })
)

merges('folders that are opaque, over those below', () =>
  growsLinearly({
    size: 200,
    make: size =>
      inOrder(
        layer(...many(size, i => `d${i}/f=x`)),
        layer(...many(size, i => `d${i}/.wh..wh..opq=`), ...many(size, i => `d${i}/g=x`))
      ),
    run: layers => merge(asOne(layers))
  })
)

merges('names of one file, over names of one file', () =>
  growsLinearly({
    size: 400,
    make: size =>
      inOrder(layer('f=x', ...many(size, i => `l${i} == f`)), layer('f=x', ...many(size, i => `l${i} == f`))),
    run: merge
  })
)

long('names of a merged tree: listed, hashed, told by owner, with their ACLs', () =>
  growsLinearly({
    size: 3000,
    make: async size => {
      const acl = 'user::rwx,user:7:r-x,group::r-x,mask::rwx,other::r--'
      const members = many(size, i => `d${i % 9}/f${i}`).flatMap(name => [
        pax({ 'SCHILY.acl.access': acl }),
        file(name, 'x', { mode: '0000774\0' })
      ])
      return merge([await compile(archive(...members))])
    },
    run: tree => {
      let count = 0
      for (const _ of walk(tree)) count++
      formatOwners(tree, ['base/a-1'], [])
      return [count, treeDigest(tree), formatAclListing(tree)]
    }
  })
)

merges('inodes of a tree index that is checked', () =>
  growsLinearly({
    size: 400,
    make: size => layer(...many(size, i => `d${i % 9}/f${i}=${i}`), ...many(size, i => `l${i} -> d1`)),
    run: ({ index }) => checkIndex(index)
  })
)

merges('hard links of a layer to files of a lower one', () =>
  growsLinearly({
    size: 400,
    make: size =>
      inOrder(
        layer(...many(size, i => `lower${i}=${i}`)),
        compile(tarOf(many(size, i => `h${i} == lower${i}`)), PROFILE, { hasLower: true })
      ),
    run: layers => {
      for (const { index } of layers) checkIndex(index)
      merge(asOne(layers))
    }
  })
)

merges('files that are linked into an image', () =>
  growsLinearly({
    size: 300,
    make: size => inOrder(layer(...many(size, i => `d${i % 9}/f${i}=${i}`))),
    run: layers => buildImage(layers, join(scratch(), 'i.sqfs'), { modeOf: keepMode })
  })
)

merges('refused: links that all lead to one large folder', async () => {
  const [base, app] = await inOrder(
    layer(...many(2000, i => `d/f${i}=x`), ...many(2000, i => `l${i} -> d`)),
    layer(...many(2000, i => `l${i}/g${i}=x`))
  )
  refused(() => merge([base!, app!]), 'LIMIT_EXCEEDED', /m1-1: its paths lie behind symbolic links/)
})

long('refused: links that lead through links, again and again', async () => {
  const [base, app] = await inOrder(
    layer(
      'd/',
      ...many(38, i => `l${i} -> ${'d/../'.repeat(19)}l${i + 1}`),
      'l38 -> d',
      ...many(2000, i => `x${i} -> l0`)
    ),
    layer(...many(2000, i => `x${i}/f${i}=x`))
  )
  refused(() => merge([base!, app!]), 'LIMIT_EXCEEDED', /lead through each other/)
})

merges('a link that is longer than any that Linux follows leads nowhere', async () => {
  const target = `${'./'.repeat(3000)}d`
  const [base, app] = await inOrder(
    compile(archive(pax({ linkpath: target }), file('l', '', { type: '2' }), file('d/f', 'x'))),
    layer('l/g=x')
  )
  match(conflicts([base!, app!]).message, /too long to lead anywhere/)
})

merges('of conflicts without number all are counted, and a bounded number kept', () => {
  const list = new ConflictList()
  for (let i = 0; i < 100_005; i++)
    list.add({
      path: `f${i}`,
      lower: 0,
      upper: 1,
      lowerName: 'a',
      upperName: 'b',
      reason: 'differs in mode',
      isOfAccess: false
    })
  const error = new ConflictError(list)
  is(error.conflicts.length, 100_000)
  match(error.message, /do not agree on 100,000 paths and up to 5 more paths, first \/f0/)
})

merges.run()
