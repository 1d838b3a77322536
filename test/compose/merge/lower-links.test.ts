/** Hard links to files of lower layers of the same module, as umoci unpacks them; and what no merge may follow. */

import * as assert from 'uvu/assert'
import { mergeLayers } from '../../../compose/merge/merge-layers.ts'
import type { MergedTree } from '../../../compose/merge/merged-tree.ts'
import { treeDelta } from '../../../compose/tar/tree-delta.ts'
import { checkIndex } from '../../../store/object/check-index.ts'
import { decodeIndex, encodeIndex, Kind } from '../../../store/object/layer-index.ts'
import { StrataError } from '../../../store/values/errors.ts'
import { needing } from '../../helpers/needs.ts'
import { suite } from '../../helpers/suite.ts'
import { merged, mergedLines, unpacked } from '../helpers/as-umoci.ts'
import { asOneModule, type Compiled, compile, PROFILE, stackOf } from '../helpers/compile.ts'
import { hashesHold } from '../helpers/hashes-hold.ts'
import { sameLines } from '../helpers/same-lines.ts'
import { type Entry, tarOf } from '../helpers/tar-layer.ts'

const links = suite('merge: hard links to lower layers')

type Line = string | [string, Entry]

const LOWER: Line[] = [
  'd/',
  ['d/x=text', { mode: 0o4750, uid: 7 }],
  'd/deep/z=z',
  'd/to -> x',
  'l -> d',
  'other=other'
]

/** Layers above LOWER, and whether umoci takes them. */
const CASES: [title: string, taken: boolean, ...layers: Line[][]][] = [
  ['one name more, with the owner and mode of the file', true, [['e/y == d/x', { mode: 0o777, uid: 9 }]]],
  ['several names, in several layers', true, ['e/y == d/x', 'e/w == d/x'], ['y == e/w', 'f == d/deep/z']],
  ['a symbolic link of a lower layer in the path is followed', true, ['y == l/x']],
  ['a symbolic link itself gets another name', true, ['y == d/to']],
  ['a member of the same archive comes first', true, ['d/x=mine', 'y == d/x']],
  [
    "the name that the link takes was a file, or its own target's second name",
    true,
    ['other == d/x'],
    ['other == d/x']
  ],
  ["a link over a directory that is not its target's", true, ['d/deep == other']],
  ['the target is removed behind the link', true, ['y == d/x', 'd/.wh.x=']],
  ['the target is replaced behind the link', true, ['y == d/x', 'd/x=mine']],
  ['its folder is made opaque behind the link', true, ['y == d/x', 'd/.wh..wh..opq=']],
  [
    'the target is removed or replaced by a layer above',
    true,
    ['y == d/x'],
    ['d/.wh.x='],
    ['d/x=mine', 'w == y']
  ],
  ['the link is removed by a layer above', true, ['y == d/x', 'd/y == d/x'], ['.wh.y=']],
  ['a link to a link', true, ['y == d/x', 'w == y']],
  ['two links, each to what the other was', true, ['d/x == other', 'other == d/x']],
  ['the target is removed before the link', false, ['d/.wh.x=', 'y == d/x']],
  ['its folder is removed before the link', false, ['.wh.d=', 'y == d/x']],
  ['its folder was made opaque before the link', false, ['d/.wh..wh..opq=', 'y == d/deep/z']],
  ['the target was removed by a layer between', false, ['d/.wh.x='], ['y == d/x']],
  ['no layer has the target', false, ['y == d/missing']],
  ['no layer has its folder', false, ['y == missing/x']],
  ['a link to itself', false, ['d/x == d/x']],
  ['a link over the folder of its target', false, ['d == d/x']],
  ['the target is a directory', false, ['y == d/deep']]
]

for (const [title, isTaken, ...layers] of CASES)
  needing(
    links,
    'root',
    'umoci'
  )(`${title}: ${isTaken ? 'as umoci' : 'refused, as by umoci'}`, async () => {
    const tars = [LOWER, ...layers].map(tarOf)
    const [found, wanted] = [await merged(tars), unpacked(tars)]
    assert.is(wanted !== undefined, isTaken, 'umoci')
    assert.is(found !== undefined, isTaken)
    if (isTaken) sameLines(found!, wanted!)
  })

const stack = (...layers: Line[][]): Promise<Compiled[]> =>
  Promise.all(layers.map((lines, i) => compile(tarOf(lines), PROFILE, { hasLower: i > 0 })))

const mergeOne = (layers: Compiled[]): MergedTree => mergeLayers(stackOf(asOneModule(layers)))

function refusal(work: () => unknown): StrataError {
  try {
    work()
  } catch (error) {
    if (error instanceof StrataError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

links(
  'a link reaches no file of another module, whatever the order and the rules for conflicts',
  async () => {
    const [lower, upper] = await stack(['closed/', 'closed/secret=1'], ['open/way == closed/secret'])
    for (const options of [{}, { onConflict: 'upper' as const }]) {
      const error = refusal(() => mergeLayers(stackOf([lower, upper]), options))
      assert.is(error.code, 'TAR_INVALID')
      assert.is(
        error.message,
        'm1-1: member open/way is a hard link to closed/secret, which neither its layer nor a lower one of the module holds'
      )
    }
    const [own] = await stack(['closed/', 'closed/secret=mine'])
    const parts = [lower, own, upper].map((layer, i) => ({ ...layer, module: Number(i > 0) }))
    const tree = mergeLayers(stackOf(parts), { onConflict: 'upper' })
    assert.match(mergedLines(tree).join('\n'), /^open\/way .* closed\/secret$/m)
  }
)

links(
  'where a lower module has the same file, its name stays there, as of hard links within a layer',
  async () => {
    const [base, lower, upper] = await stack(
      ['lib/', 'lib/x=same'],
      ['lib/x=same'],
      ['y == lib/x', 'w == lib/x']
    )
    const parts = [base, lower, upper].map((layer, i) => ({ ...layer, module: Number(i > 0) }))
    const apart = mergeLayers(stackOf(parts))
    const [whole] = await stack(['lib/x=same', 'y == lib/x', 'w == lib/x'])
    hashesHold(apart)
    assert.equal(mergedLines(apart), mergedLines(mergeLayers(stackOf([base, whole]))))
  }
)

links('a link deep in a folder that no other layer has, to a file deep in another one', async () => {
  const tree = mergeOne(
    await stack(['a/b/c/x=1', 'a/b/c/y=2'], ['p/q/r/link == a/b/c/x', 'p/q/s/z=3'], ['top == p/q/r/link'])
  )
  hashesHold(tree)
  const [whole] = await stack([
    'a/b/c/x=1',
    'a/b/c/y=2',
    'p/q/r/link == a/b/c/x',
    'p/q/s/z=3',
    'top == a/b/c/x'
  ])
  assert.equal(mergedLines(tree), mergedLines(mergeOne([whole])))
})

links('a layer of an OCI image lists all names of the file, and nothing else', async () => {
  const layers = await stack(['a/b/x=1', 'a/b/other=2', 'c/x == a/b/x', 'far/z=3'], ['d/y == a/b/x'])
  const told = [...treeDelta(mergeOne(layers.slice(0, 1)), mergeOne(layers))].map(({ path }) => path)
  assert.equal(told, ['', 'a', 'a/b', 'a/b/x', 'c', 'c/x', 'd', 'd/y'])
})

links('an index holds only the target of such a link, and is refused if it holds more', async () => {
  const [, { index }] = await stack(['a/x=1'], ['d/y == a/x'])
  const link = index.kind.indexOf(Kind.hardlink)
  checkIndex(decodeIndex(encodeIndex(index)))
  for (const column of ['mode', 'uid', 'mtimeSeconds'] as const) {
    const forged = decodeIndex(encodeIndex(index))
    forged[column][link] = 1
    assert.throws(() => checkIndex(forged), new RegExp(`inode ${link} is a hard link, and has ${column}`))
  }
  for (const path of ['/xx', 'a//', '../', 'a/.', 'a\0x']) {
    const forged = decodeIndex(encodeIndex(index))
    forged.stringPool.set(Buffer.from(path, 'latin1'), forged.stringStart[forged.payload[link]])
    assert.throws(() => checkIndex(forged), /hard link to something that is not a path/, path)
  }
})

links.run()
