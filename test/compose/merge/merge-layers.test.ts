import * as assert from 'uvu/assert'
import { ConflictError } from '../../../compose/merge/conflicts.ts'
import { addLayer, mergeLayers } from '../../../compose/merge/merge-layers.ts'
import type { MergedTree } from '../../../compose/merge/merged-tree.ts'
import { findPath, walk } from '../../../compose/merge/walk-tree.ts'
import { suite } from '../../helpers/suite.ts'
import { asOneModule, type StackPart, stackOf } from '../helpers/compile.ts'
import { paths, shownTree } from '../helpers/shown-tree.ts'
import { layer } from '../helpers/tar-layer.ts'

const inside = suite('merge within a module')

const oneModule = async (...layers: ReturnType<typeof layer>[]) =>
  mergeLayers(stackOf(asOneModule(await Promise.all(layers))))

inside('an upper file replaces a lower one', async () => {
  const tree = await oneModule(layer('a=old', 'b=old'), layer(['a=new', { mode: 0o600 }]))
  assert.equal(shownTree(tree), ['-600 m0 a', '-644 m0 b'])
})

inside('a whiteout hides the lower file but not one that stands above it', async () => {
  const tree = await oneModule(layer('d/', 'd/a=1', 'd/b=1'), layer('d/.wh.a='), layer('d/a=2'))
  assert.equal(paths(tree), ['d', 'd/a', 'd/b'])
})

inside('a whiteout of a directory hides all of it', async () => {
  const tree = await oneModule(layer('d/', 'd/e/', 'd/e/f=1', 'g=1'), layer('.wh.d='))
  assert.equal(paths(tree), ['g'])
})

inside('a whiteout of a missing path does nothing', async () => {
  assert.equal(
    paths(
      await oneModule(layer('a=1', 'd=1'), layer('.wh.b=', 'nowhere/.wh.c=', 'd/.wh.x=', 'd/e/.wh..wh..opq='))
    ),
    ['a', 'd']
  )
  assert.equal(paths(await oneModule(layer('d/', 'd/e=1'), layer('.wh.d=', 'd/.wh.x='))), [])
})

inside(
  'a whiteout beside what lies below its name removes a link, and makes a directory of its own',
  async () => {
    const tree = await oneModule(
      layer('b/', 'b/c=1', 'lib -> /b', 'top -> .', ['d/', { mode: 0o2770, uid: 7 }], 'd/old=1'),
      layer('lib/x=2', '.wh.lib=', '.wh.top=', 'top/y=2', 'd/new=2', '.wh.d=')
    )
    assert.equal(shownTree(tree), [
      'd755 m0 b',
      '-644 m0 b/c',
      'd755 m0 d',
      '-644 m0 d/new',
      'd755 m0 lib',
      '-644 m0 lib/x',
      'd755 m0 top',
      '-644 m0 top/y'
    ])
    assert.is(tree.layers[1].index.uid[tree.inodeSource[findPath(tree, 'd')!.inode]], 0)
  }
)

inside('an opaque directory hides the lower content wherever its marker stands', async () => {
  const tree = await oneModule(
    layer('d/', 'd/a=1', 'd/e/', 'd/e/f=1'),
    layer('d/', 'd/e/', 'd/z=2', 'd/.wh..wh..opq=')
  )
  assert.equal(paths(tree), ['d', 'd/e', 'd/z'])
})

inside('a directory over a directory takes the attributes of the upper', async () => {
  const tree = await oneModule(layer(['d/', { mode: 0o700 }], 'd/a=1'), layer(['d/', { mode: 0o711 }]))
  assert.equal(shownTree(tree), ['d711 m0 d', '-644 m0 d/a'])
})

inside('a directory that no entry names keeps the attributes that lie below', async () => {
  const tree = await oneModule(layer(['d/', { mode: 0o700 }]), layer('d/a=1'))
  assert.equal(shownTree(tree), ['d700 m0 d', '-644 m0 d/a'])
})

inside('file over directory, directory over file and directory over link replace', async () => {
  const tree = await oneModule(
    layer('f/', 'f/x=1', 'd=1', 'l -> t', 't/', 't/y=1'),
    layer('f=2', 'd/', 'd/z=2', 'l/', 'l/q=2')
  )
  assert.equal(shownTree(tree), [
    'd755 m0 d',
    '-644 m0 d/z',
    '-644 m0 f',
    'd755 m0 l',
    '-644 m0 l/q',
    'd755 m0 t',
    '-644 m0 t/y'
  ])
})

inside('a path through a lower link, whose directory no entry names, follows the link', async () => {
  const tree = await oneModule(layer('usr/', 'usr/lib/', 'lib -> usr/lib'), layer('lib/x=1'))
  assert.equal(paths(tree), ['lib', 'usr', 'usr/lib', 'usr/lib/x'])
})

inside('a hard link of which one name is replaced keeps the others together', async () => {
  const tree = await oneModule(layer('a=1', 'b == a', 'c == a'), layer('b=2'))
  const [a, b, c] = [...tree.entryInode]
  assert.is(a, c)
  assert.is.not(a, b)
  assert.equal([tree.inodeLinks[a], tree.inodeLinks[b]], [2, 1])
})

inside('hard links hold between directories that one layer has to itself and those of several', async () => {
  const tree = await oneModule(
    layer('d/', 'd/a=1', 'e/', 'e/b == d/a', 'e/s/', 'e/s/c == d/a', 'f/', 'f/g=2', 'f/h == f/g'),
    layer('e/x=3')
  )
  const inodeOf = (path: string) => findPath(tree, path)!.inode
  assert.is(inodeOf('d/a'), inodeOf('e/b'))
  assert.is(inodeOf('d/a'), inodeOf('e/s/c'))
  assert.is(inodeOf('f/g'), inodeOf('f/h'))
  assert.equal(
    ['d/a', 'f/g', 'e/x', 'd', 'e'].map(path => tree.inodeLinks[inodeOf(path)]),
    [3, 2, 1, 2, 3]
  )
})

inside('whiteouts in a directory that only their layer has are in no listing', async () => {
  const alone = await oneModule(layer('n/', 'n/.wh.x=', 'n/y=1', 'n/z/', 'n/z/.wh.x='))
  assert.equal(paths(alone), ['n', 'n/y', 'n/z'])
  const again = await oneModule(layer('n/', 'n/.wh.x=', 'n/y=1'), layer('n/x=2'))
  assert.equal(paths(again), ['n', 'n/x', 'n/y'])
})

inside('a layer captured on top of other modules follows the same rules at all of them', async () => {
  const [base, top] = await Promise.all([
    layer('a=1', 'b=1', 'd/', 'd/x=1'),
    layer('a=2', '.wh.b=', 'd/', 'd/.wh..wh..opq=')
  ])
  const tree = mergeLayers(stackOf([base, { ...top, role: 'captured' }]))
  assert.equal(shownTree(tree), ['-644 m1 a', 'd755 m0 d'])
})

inside.run()

const between = suite('merge between modules')

const modules = async (...parts: (StackPart | ReturnType<typeof layer>)[]) =>
  stackOf(await Promise.all(parts))

const conflictsOf = async (...layers: ReturnType<typeof layer>[]): Promise<string[]> => {
  const stack = await modules(...layers)
  try {
    mergeLayers(stack)
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error
    return error.conflicts.map(
      ({ path, lowerName, upperName, reason }) => `${path}: ${upperName} over ${lowerName}: ${reason}`
    )
  }
  return []
}

between('the same file in two modules belongs to the lower, though their times differ', async () => {
  const tree = mergeLayers(await modules(layer(['a=1', { mtime: 5 }]), layer(['a=1', { mtime: 9 }])))
  assert.equal(shownTree(tree), ['-644 m0 a'])
  assert.is(tree.inodeLayer[tree.entryInode[0]], 0)
})

between(
  'every difference is a conflict of its own, and all are reported together by module pair',
  async () => {
    const found = await conflictsOf(
      layer('a=1', 'b=1', 'c -> x', ['d=1', { uid: 1 }], 'e=1'),
      layer('a=2', ['b=1', { mode: 0o600 }], 'c -> y'),
      layer(['d=1', { uid: 2 }], 'e -> a')
    )
    assert.equal(found, [
      'a: m1-1 over m0-1: differs in content',
      'b: m1-1 over m0-1: differs in mode',
      'c: m1-1 over m0-1: differs in link target',
      'd: m2-1 over m0-1: differs in owner',
      'e: m2-1 over m0-1: a symbolic link over a file'
    ])
  }
)

between('the message names both modules and the first path, the facts name all', async () => {
  const stack = await modules(layer('a=1', 'b=1'), layer('a=2', 'b=2'))
  try {
    mergeLayers(stack)
    assert.unreachable()
  } catch (error) {
    assert.instance(error, ConflictError)
    const { code, message, facts } = error as ConflictError
    assert.is(code, 'CONFLICT')
    assert.is(message, 'modules do not agree on 2 paths, first /a: m1-1 over m0-1: differs in content')
    assert.equal(facts, { 'm0-1, m1-1': ['/a: differs in content', '/b: differs in content'] })
  }
})

between("onConflict upper takes the upper module's", async () => {
  const stack = await modules(layer('a=1', 'd/', 'd/x=1', 'e=1'), layer('a=22', 'd=2', '.wh.e='))
  const tree = mergeLayers(stack, { onConflict: 'upper' })
  assert.equal(shownTree(tree), ['-644 m1 a', '-644 m1 d'])
  const by = '--on-conflict upper' as const
  assert.equal(tree.overrides, [
    { path: 'a', lower: 0, upper: 1, reason: 'differs in content', by, names: 1 },
    { path: 'd', lower: 0, upper: 1, reason: 'a file over a directory', by, names: 2 },
    { path: 'e', lower: 0, upper: 1, reason: 'a whiteout removes it', by, names: 1 }
  ])
})

between(
  'names that go are counted through folded directories, those that other layers filled and links',
  async () => {
    const stack = await modules(
      layer('d/', 'd/e/', 'd/e/f=1', 'd/e/.wh.x=', 'd/e/g/', 'd/e/g/h=1', 'k -> nowhere'),
      layer('d/e/', 'd/e/two=2'),
      layer('d=3', 'k/', 'k/l=1')
    )
    const { overrides } = mergeLayers(stack, { onConflict: 'upper' })
    assert.equal(
      overrides.map(({ path, names }) => `${path} ${names}`),
      ['d 6', 'k 1']
    )
  }
)

between('a module replaces the paths that its record lists, and no other', async () => {
  const [lower, upper] = await Promise.all([
    layer('etc/', 'etc/a=1', 'etc/b=1'),
    layer('etc/', 'etc/a=2', 'etc/b=2')
  ])
  const asked: string[] = []
  const replaces = (path: string) => {
    asked.push(path)
    return path === 'etc/a'
  }
  assert.throws(
    () => mergeLayers(stackOf([lower, { ...upper, replaces }])),
    (error: ConflictError) => error.conflicts.length === 1 && error.conflicts[0].path === 'etc/b'
  )
  assert.equal(asked, ['etc/a', 'etc/b'])
})

between('an existing directory keeps its attributes, and the difference is reported', async () => {
  const tree = mergeLayers(
    await modules(
      layer('./', 'opt/'),
      layer(['./', { mode: 0o700, uid: 1001 }], ['opt/', { mtime: 9 }], 'opt/app=1')
    )
  )
  assert.equal(shownTree(tree), ['d755 m0 opt', '-644 m1 opt/app'])
  assert.is(tree.layers[tree.inodeLayer[0]].module, 0)
  assert.equal(tree.keptDirectories, [{ path: '', lower: 0, upper: 1, what: ['mode', 'owner'] }])
})

between('a directory that no entry named takes the attributes of one above that an entry names', async () => {
  const tree = mergeLayers(await modules(layer('opt/a=1'), layer(['opt/', { mode: 0o700 }])))
  assert.equal(shownTree(tree), ['d700 m0 opt', '-644 m0 opt/a'])
  assert.equal(tree.keptDirectories, [])
})

between('a directory over a link to a directory goes through it', async () => {
  const tree = mergeLayers(
    await modules(
      layer(
        'usr/',
        'usr/lib/',
        'usr/lib/base=1',
        'lib -> usr/lib',
        'lib64 -> /usr/lib',
        'up -> ../../usr/./lib/..'
      ),
      layer('lib/', 'lib/a=1', 'lib64/', 'lib64/b=1', 'up/', 'up/lib/', 'up/lib/c=1', 'up/d=1')
    )
  )
  assert.equal(paths(tree), [
    'lib',
    'lib64',
    'up',
    'usr',
    'usr/d',
    'usr/lib',
    'usr/lib/a',
    'usr/lib/b',
    'usr/lib/base',
    'usr/lib/c'
  ])
})

between('a link may lead to a directory that the same upper layer brings', async () => {
  const tree = mergeLayers(
    await modules(layer('lib64 -> usr/lib64'), layer('lib64/', 'lib64/a=1', 'usr/', 'usr/lib64/'))
  )
  assert.equal(paths(tree), ['lib64', 'usr', 'usr/lib64', 'usr/lib64/a'])
})

between('paths that one layer brings through a link and by name have to agree', async () => {
  const base = () => layer('usr/', 'lib -> usr')
  assert.equal(await conflictsOf(base(), layer('lib/', 'lib/a=1', 'usr/', 'usr/a=1')), [])
  assert.equal(await conflictsOf(base(), layer('lib/', 'lib/a=1', 'usr/', 'usr/a=2')), [
    'usr/a: m1-1 over m1-1: differs in content'
  ])
})

between('a directory over a link to nothing, to a file or in a loop is a conflict', async () => {
  const found = await conflictsOf(
    layer('a -> nowhere', 'b -> file', 'file=1', 'c -> e', 'e -> c', 'f -> file/x'),
    layer('a/x=1', 'b/', 'c/x=1', 'f/')
  )
  assert.equal(found, [
    'a: m1-1 over m0-1: a directory over a link to nowhere, which is not in the tree',
    'b: m1-1 over m0-1: a directory over a link to file, which is not a directory',
    'c: m1-1 over m0-1: a directory over a link to e, a loop of links',
    'f: m1-1 over m0-1: a directory over a link to file/x, which is not a directory'
  ])
})

between('41 links in a row are one too many, 40 are not', async () => {
  const chain = (count: number) => [
    'end/',
    ...Array.from({ length: count }, (_, i) => `l${i} -> ${i + 1 === count ? 'end' : `l${i + 1}`}`)
  ]
  assert.equal(await conflictsOf(layer(...chain(40)), layer('l0/', 'l0/x=1')), [])
  assert.is((await conflictsOf(layer(...chain(41)), layer('l0/', 'l0/x=1'))).length, 1)
})

between("a link over another module's directory is a conflict that says so", async () => {
  assert.equal(await conflictsOf(layer('lib/', 'lib/x=1'), layer('usr/', 'usr/lib/', 'lib -> usr/lib')), [
    'lib: m1-1 over m0-1: a symbolic link over a directory'
  ])
})

between("a whiteout or an opaque directory that reaches another module's files is a conflict", async () => {
  const found = await conflictsOf(
    layer('a=1', 'd/', 'd/same=1', 'd/x=1', 'd/y=1', 'd/z/'),
    layer('.wh.a=', 'd/', 'd/.wh..wh..opq=', 'd/same=1', 'd/y=2', 'd/z/')
  )
  assert.equal(found, [
    'a: m1-1 over m0-1: a whiteout removes it',
    'd/x: m1-1 over m0-1: an opaque directory hides it',
    'd/y: m1-1 over m0-1: differs in content',
    'd/z: m1-1 over m0-1: an opaque directory hides it'
  ])
})

between("a whiteout of another module's link speaks of the link, not of where it leads", async () => {
  const base = () => layer('usr/', 'usr/a=1', 'lib -> usr')
  const upper = () => layer('.wh.lib=', 'lib/x=2')
  assert.equal(await conflictsOf(base(), upper()), ['lib: m1-1 over m0-1: a directory over a symbolic link'])
  const tree = mergeLayers(await modules(base(), upper()), { onConflict: 'upper' })
  assert.equal(paths(tree), ['lib', 'lib/x', 'usr', 'usr/a'])
})

between(
  "an opaque directory hides what lower layers of its own module put beside another module's",
  async () => {
    const [base, one, two] = await Promise.all([
      layer('d/'),
      layer('d/', 'd/own=1'),
      layer('d/', 'd/.wh..wh..opq=', 'd/new=1')
    ])
    const tree = mergeLayers(
      stackOf([
        { ...base, module: 0 },
        { ...one, module: 1 },
        { ...two, module: 1 }
      ])
    )
    assert.equal(paths(tree), ['d', 'd/new'])
  }
)

/** All that is known of each name, but for the number of its inode. */
const lines = (tree: MergedTree) =>
  [...walk(tree)].map(
    ({ path, inode, kind, layer }) =>
      `${path}: ${kind} ${layer}, ${tree.inodeLayer[inode]} ${tree.inodeSource[inode]}, ${tree.inodeLinks[inode]} links, ${tree.directoryCount[inode]} names`
  )

between('a generated layer added to a merged tree gives the tree of all layers together', async () => {
  const [base, library, generated] = await Promise.all([
    layer('usr/', 'usr/lib/', 'usr/lib/a=1', 'lib -> usr/lib', 'etc/', 'etc/hosts=own', 'x=1', 'y=1'),
    layer('lib/', 'lib/b=2', 'etc/', 'etc/other=2', 'opt/', 'opt/empty/'),
    layer('.compose/', '.compose/lock=3', 'etc/', 'etc/hosts=', 'etc/z=3', 'lib/', 'lib/c=3', 'opt/empty/d=3')
  ])
  const stack = stackOf([base, library, { ...generated, role: 'generated' }])
  const below = mergeLayers(stack.slice(0, 2))
  const added = addLayer(below, stack[2])
  assert.equal(lines(added), lines(mergeLayers(stack)))
  assert.equal(added.layers, stack)
  assert.equal(added.inodeSource.subarray(0, below.inodeKind.length), below.inodeSource, 'numbers stay')
  const isBefore = new Set<number>()
  for (const directory of added.directories) {
    assert.ok(directory === 0 || isBefore.has(added.directoryParent[directory]), 'each before those in it')
    isBefore.add(directory)
  }
  assert.throws(() => addLayer(mergeLayers(stack.slice(0, 1)), stack[1]), TypeError)
})

between('generated files fill gaps, and replace and report nothing', async () => {
  const [base, generated] = await Promise.all([
    layer(
      ['./', { mode: 0o711 }],
      'etc -> private/etc',
      'private/',
      'private/etc/',
      'private/etc/hosts=mine',
      'tmp=1'
    ),
    layer(['./', { mode: 0o755 }], 'etc/', 'etc/hosts=', 'etc/resolv.conf=', 'tmp/', 'proc/')
  ])
  const tree = mergeLayers(stackOf([base, { ...generated, role: 'generated' }]))
  assert.equal(shownTree(tree), [
    'l644 m0 etc -> private/etc',
    'd755 m0 private',
    'd755 m0 private/etc',
    '-644 m0 private/etc/hosts',
    '-644 m1 private/etc/resolv.conf',
    'd755 m1 proc',
    '-644 m0 tmp'
  ])
  assert.is(tree.inodeLayer[0], 0)
  assert.equal(tree.keptDirectories, [])
})

between('layers in an impossible order are a mistake of the caller', async () => {
  const part = await layer('a=1')
  assert.throws(() => mergeLayers([]), TypeError)
  assert.throws(
    () =>
      mergeLayers(
        stackOf([
          { ...part, module: 0 },
          { ...part, module: 1 },
          { ...part, module: 0 }
        ])
      ),
    TypeError
  )
  assert.throws(() => mergeLayers(stackOf([{ ...part, role: 'generated' }, part])), TypeError)
})

between.run()
