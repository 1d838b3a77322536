import { execFileSync } from 'node:child_process'
import * as assert from 'uvu/assert'
import { LayerTrees } from '../../../store/index/layer-trees.ts'
import { baseName, findPaths, hidesPath, pathNames } from '../../../store/index/tree-search.ts'
import { sha256Of } from '../../../store/values/digest.ts'
import { hostLayer } from '../../helpers/layers.ts'
import { bash } from '../../helpers/real-tree.ts'
import { importInto, newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'
import { tarballOf } from './indexed-store.ts'

const search = suite('index: search in a tree')

async function treeOf(tar: string) {
  const store = await newStore()
  const { layers } = await importInto(store, 'base/tree-1', [tar])
  return (await new LayerTrees(store).read(sha256Of(layers[0].id)))!
}

/** Paths as GNU tar lists them, by their bytes. */
const listed = (tar: string): string[] =>
  execFileSync('tar', ['--quoting-style=literal', '-tf', tar], { encoding: 'latin1', maxBuffer: 1 << 28 })
    .split('\n')
    .map(path => path.replace(/^\.?\/|\/$/g, ''))
    .filter(path => path !== '' && path !== '.')

search('finds each path that GNU tar lists, as itself and by its name, and no other', async () => {
  const tar = hostLayer()
  const tree = await treeOf(tar)
  const paths = [...new Set(listed(tar))]
  assert.ok(paths.length > 100)
  assert.equal([...pathNames(tree)].sort(), [...new Set(paths.map(baseName))].sort())
  for (const path of paths) {
    assert.equal(
      findPaths(tree, { path, orEndsSo: false }).map(found => found.path),
      [path]
    )
    const ending = path.split('/').slice(-2).join('/')
    assert.equal(
      findPaths(tree, { path: ending, orEndsSo: true })
        .map(found => found.path)
        .sort(),
      paths.filter(other => `/${other}`.endsWith(`/${ending}`)).sort(),
      ending
    )
    assert.ok(hidesPath(tree, path), path)
  }
})

search('has the kind of each path', async () => {
  const tar = tarballOf({ 'd/f': 'f' })
  bash('cd "$(dirname "$1")/tree"; ln -s f d/l; mkfifo d/p; tar -cf "$1" d', tar)
  const tree = await treeOf(tar)
  const kinds = ['d', 'd/f', 'd/l', 'd/p'].map(path => findPaths(tree, { path, orEndsSo: false })[0].kind)
  assert.equal(kinds, ['directory', 'file', 'symlink', 'fifo'])
})

search('does not find directories that no entry names, nor whiteouts', async () => {
  const tar = tarballOf({ 'a/b/f': 'f', 'a/.wh.gone': '' })
  bash('tar -cf "$1" -C "$(dirname "$1")/tree" a/b/f a/.wh.gone', tar)
  const tree = await treeOf(tar)
  for (const path of ['a', 'a/b', 'a/gone', 'a/.wh.gone'])
    assert.equal(findPaths(tree, { path, orEndsSo: true }), [], path)
  assert.is(findPaths(tree, { path: 'b/f', orEndsSo: true })[0].path, 'a/b/f')
})

search('knows which paths of lower layers do not show through', async () => {
  const tar = tarballOf({
    'x/.wh.gone': '',
    'opaque/.wh..wh..opq': '',
    'opaque/new': 'n',
    'was-a-directory': 'f'
  })
  bash('tar -cf "$1" -C "$(dirname "$1")/tree" x/.wh.gone opaque was-a-directory', tar)
  const tree = await treeOf(tar)
  for (const path of [
    'x/gone',
    'x/gone/below',
    'opaque/old',
    'opaque/deep/old',
    'was-a-directory/f',
    'was-a-directory'
  ])
    assert.ok(hidesPath(tree, path), path)
  for (const path of ['x', 'x/other', 'x/gone2', 'other', 'opaqu/e'])
    assert.not.ok(hidesPath(tree, path), path)
})

search.run()
