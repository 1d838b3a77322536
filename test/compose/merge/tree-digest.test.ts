import { createHash } from 'node:crypto'
import * as assert from 'uvu/assert'
import { mergeLayers } from '../../../compose/merge/merge-layers.ts'
import { treeDigest } from '../../../compose/merge/tree-digest.ts'
import type { LayerIndex } from '../../../store/object/layer-index.ts'
import { hashListings } from '../../../store/object/listing-hashes.ts'
import { specExample, specText } from '../../helpers/spec-example.ts'
import { suite } from '../../helpers/suite.ts'
import { asOneModule, type Compiled, compile, stackOf } from '../helpers/compile.ts'
import { layer, tarOf } from '../helpers/tar-layer.ts'

const digest = suite('tree digest')

const digestOf = (...layers: Compiled[]) =>
  treeDigest(mergeLayers(stackOf(asOneModule(layers)))).toString('hex')

const LINES = [
  './',
  'bin/',
  'bin/tool=text',
  'bin/again == bin/tool',
  'lib -> usr/lib',
  'usr/',
  'usr/lib/',
  'usr/lib/x=y'
]

digest('does not depend on compressor, level, block size or the order of the archive', async () => {
  const tar = tarOf(LINES)
  const want = digestOf(await compile(tar))
  assert.is(digestOf(await compile(tar, { compressor: 'gzip', level: 9, blockSize: 4096 })), want)
  assert.is(digestOf(await compile(tar, { compressor: 'zstd', level: 3, blockSize: 1 << 20 })), want)
  assert.is(
    digestOf(
      await layer(
        './',
        'usr/',
        'usr/lib/',
        'usr/lib/x=y',
        'lib -> usr/lib',
        'bin/',
        'bin/again=text',
        'bin/tool == bin/again'
      )
    ),
    want
  )
})

digest('does not depend on how the files are cut into layers', async () => {
  const want = digestOf(await layer(...LINES))
  const cut = [layer('./', 'bin/', 'bin/tool=other', 'usr/', 'usr/gone=1'), layer(...LINES, 'usr/.wh.gone=')]
  assert.is(digestOf(...(await Promise.all(cut))), want)
})

digest('leaves out generated files', async () => {
  const [base, generated] = await Promise.all([
    layer(...LINES),
    layer('.compose/', '.compose/lock=x', 'usr/lib/gen=1', 'tmp/')
  ])
  const tree = mergeLayers(stackOf([base, { ...generated, role: 'generated' }]))
  assert.is(treeDigest(tree).toString('hex'), digestOf(base))
})

digest('differs for a hard link and a copy', async () => {
  assert.is.not(digestOf(await layer('a=1', 'b == a')), digestOf(await layer('a=1', 'b=1')))
})

digest('depends on which names are linked', async () => {
  const LINKED = ['a=1', 'd/', 'd/b=1', 'd/c=1', 'd/e=1']
  const linked = (...names: string[]) =>
    layer(...LINKED.map(line => (names.includes(line[2]) ? `d/${line[2]} == a` : line)))
  const all = ['', 'b', 'c', 'bc', 'bce'].map(async names => digestOf(await linked(...names)))
  assert.is(new Set(await Promise.all(all)).size, all.length)
})

digest('equals that of plain files for links that an upper layer separates', async () => {
  const base = await layer('d/', 'd/a=1', 'd/b == d/a', 'e/')
  const upper = await layer('d/.wh.b=')
  assert.is(digestOf(base, upper), digestOf(await layer('d/', 'd/a=1', 'e/')))
})

digest('differs for a name in a directory and one beside it', async () => {
  assert.is.not(digestOf(await layer('d/', 'd/a=1')), digestOf(await layer('d/', 'a=1')))
})

const CHANGES: Record<string, (index: LayerIndex) => Partial<LayerIndex>> = {
  mode: ({ mode }) => ({ mode: changed(mode) }),
  owner: ({ uid }) => ({ uid: changed(uid) }),
  group: ({ gid }) => ({ gid: changed(gid) }),
  seconds: ({ mtimeSeconds }) => ({ mtimeSeconds: changed(mtimeSeconds) }),
  nanoseconds: ({ mtimeNanoseconds }) => ({ mtimeNanoseconds: changed(mtimeNanoseconds) }),
  size: ({ contentSize }) => ({ contentSize: changed(contentSize) }),
  content: ({ contentHash }) => ({ contentHash: changed(contentHash) }),
  'link target or name': ({ stringPool }) => ({ stringPool: changed(stringPool) }),
  name: ({ names }) => ({ names: changed(names) }),
  'an attribute': index => ({ attributes: Uint32Array.from(index.attributes, () => 1), ...ONE_ATTRIBUTE }),
  'an access ACL': index => ({
    acl: Uint32Array.from(index.acl, () => 1),
    aclAccess: Uint32Array.of(0),
    aclDefault: Uint32Array.of(0xffffffff)
  }),
  'a default ACL': index => ({
    acl: Uint32Array.from(index.acl, () => 1),
    aclDefault: Uint32Array.of(0),
    aclAccess: Uint32Array.of(0xffffffff)
  })
}

const ONE_ATTRIBUTE = {
  attributeSetStart: Uint32Array.of(0, 1),
  attributeName: Uint32Array.of(0),
  attributeValue: Uint32Array.of(0)
}

function changed<T extends Uint8Array | Uint16Array | Uint32Array | Float64Array>(column: T): T {
  const copy = column.slice() as T
  copy[copy.length - 1] ^= 1
  return copy
}

digest('changes with every stored property of an inode', async () => {
  const base = await layer(...LINES)
  const seen = new Map([[digestOf(base), 'nothing']])
  for (const [what, change] of Object.entries(CHANGES)) {
    const index = { ...base.index, ...change(base.index) }
    const found = digestOf({ ...base, index: { ...index, ...hashListings(index) } })
    assert.is(seen.get(found), undefined, `${what} gives the digest of ${seen.get(found)}`)
    seen.set(found, what)
  }
})

digest("is the SHA-256 of the bytes in the specification's example", async () => {
  const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
  const [listing, tree] = ['listing', 'tree'].map(name =>
    Buffer.from(specExample('tree-digest.md', name).replace(/#.*$/gm, '').replace(/\s/g, ''), 'hex')
  )
  const [, want] = /SHA-256 `([0-9a-f]{64})`/.exec(specText('tree-digest.md'))!
  assert.ok(tree.includes(sha256(listing), 0, 'hex'))
  assert.is(sha256(tree), want)
  const example = await layer(
    ['./', { mtime: 1 }],
    ['a=hi', { mtime: 2 }],
    'b == a',
    ['c -> a', { mode: 0o777, mtime: 3 }],
    ['d/', { mtime: 4 }]
  )
  assert.is(digestOf(example), want)
})

digest.run()
