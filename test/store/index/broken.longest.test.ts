import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { fsck } from '../../../store/fsck/check-store.ts'
import { databaseFolders } from '../../../store/index/database-folder.ts'
import { FACTS } from '../../../store/index/facts-keys.ts'
import { openFactsViews } from '../../../store/index/facts-view.ts'
import { decodeModules, readModulesFile } from '../../../store/index/modules-file.ts'
import { rebuildIndex } from '../../../store/index/update-index.ts'
import { bash } from '../../helpers/real-tree.ts'
import { someOf } from '../../helpers/size.ts'
import { importInto } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'
import { databaseOf, indexedStore, PROVIDERS, removeIndex, tarballOf } from './indexed-store.ts'

const broken = suite('index: broken')

/** Number of layers that the databases of a store cover. */
async function covered(root: string): Promise<number> {
  const views = await openFactsViews(root)
  const layers = new Set(views.flatMap(view => [...view.layers.keys()]))
  for (const view of views) await view.close()
  return layers.size
}

const DAMAGES: [title: string, script: string][] = [
  ['is gone', 'rm -r "$1"'],
  ['is empty', ': > "$1"'],
  ['is cut in half', 'truncate -s $(($(stat -c %s "$1") / 2)) "$1"'],
  ['is of zeros', 'size=$(stat -c %s "$1"); head -c "$size" /dev/zero > "$1"'],
  ['is junk', 'size=$(stat -c %s "$1"); seq 100000 | head -c "$size" > "$1"'],
  ['is a folder', 'rm "$1"; mkdir "$1"'],
  ['is a pipe', 'rm "$1"; mkfifo "$1"'],
  ['is a link to nowhere', 'rm "$1"; ln -s /nonexistent "$1"']
]

for (const [title, script] of someOf(DAMAGES, 4))
  broken(`a list of modules that ${title} changes no answer`, async () => {
    const { store, index, look } = await indexedStore()
    const before = look('modules')
    bash(`chmod u+w "$1"; ${script}`, join(index, 'modules.json'))
    assert.equal(look('modules'), before)
    assert.equal(look('provides', 'mpirun'), PROVIDERS)
    if (title !== 'is a folder') assert.ok(readModulesFile(store.root), 'it was written anew')
  })

broken('a list of modules is read only when all of its bytes are right', async () => {
  const { index } = await indexedStore()
  const bytes = readFileSync(join(index, 'modules.json'))
  decodeModules(bytes)
  for (let at = 0; at < bytes.length; at++) {
    const flipped = Buffer.from(bytes)
    flipped[at] ^= 1
    assert.throws(() => decodeModules(flipped), undefined, `byte ${at}`)
  }
})

broken('a list of modules that somebody made up reaches no terminal with control characters', async () => {
  const { index } = await indexedStore()
  const [, modules, layers] = readFileSync(join(index, 'modules.json'), 'utf8').split('\n')
  const sealed = (line: string) => {
    const body = `${line}\n${layers}\n`
    const sha256 = createHash('sha256').update(body).digest('hex')
    return Buffer.from(`${JSON.stringify({ strata: 'modules', format: 1, sha256 })}\n${body}`)
  }
  const withSummary = (json: string) => modules.replace('"kind":', `"summary":${json},"kind":`)
  assert.ok(decodeModules(sealed(modules)))
  for (const json of ['"plain"', '"\\"quoted\\" \\\\u001b"', '"é"'])
    assert.is(
      decodeModules(sealed(withSummary(json))).categories[0].names[0].modules[0].summary,
      JSON.parse(json)
    )
  for (const json of [
    '"\\u001b[2J"',
    '"\\\\\\u001b"',
    '"\x7f"',
    '"\u009b2J"',
    '"\u202e"',
    '"\\b"',
    '7',
    '{}',
    'null'
  ])
    assert.throws(() => decodeModules(sealed(withSummary(json))), undefined, json)
  for (const [from, to] of [
    ['"mpi"', '7'],
    ['"version":"4.2"', '"version":4.2'],
    ['"record":"b', '"record":"c'],
    ['"kind":"library"', '"kind":"toString"'],
    ['"names":[', '"names":7,"x":[']
  ])
    assert.throws(() => decodeModules(sealed(modules.replace(from, to))), undefined, to)
})

broken('a database that lacks a file, or has one that is damaged, changes no answer', async () => {
  const indexed = await indexedStore()
  const { store, index, look } = indexed
  await rebuildIndex(store)
  bash('cp -a "$1" "$1.good"', index)
  const files = readdirSync(databaseOf(indexed)).filter(name => !/^LO/.test(name))
  assert.ok(files.some(name => name.endsWith('.ldb')) && files.includes('CURRENT'), files.join(' '))
  for (const name of files)
    for (const [title, script] of someOf(DAMAGES, 2)) {
      bash(script, join(databaseOf(indexed), name))
      assert.equal(look('provides', 'mpirun'), PROVIDERS, `${name} ${title}`)
      bash('rm -r "$1"; cp -a "$1.good" "$1"', index)
    }
})

broken('a database of another format, or of junk, is rebuilt by the next import', async () => {
  const indexed = await indexedStore()
  const { store } = indexed
  assert.is(await covered(store.root), 4)
  for (const script of [
    'echo junk > "$1/CURRENT"',
    'rm "$1"/MANIFEST-*',
    'rm "$1"/*.ldb',
    'rm "$1/CURRENT"'
  ]) {
    bash(script, databaseOf(indexed))
    assert.is(await covered(store.root), 0, script)
    await importInto(store, 'lib/more-1', [tarballOf({ more: script })], { replace: true })
    assert.is(await covered(store.root), 5, script)
    assert.is(databaseFolders(store.root, FACTS).length, 1)
    assert.equal(indexed.look('provides', 'bin/mpirun'), PROVIDERS)
  }
})

broken('a missing index is rebuilt by the next import, and by fsck', async () => {
  const indexed = await indexedStore()
  const { store, look } = indexed
  const before = look('modules')
  removeIndex(indexed)
  await importInto(store, 'mpi/mpich-4.2', [tarballOf({ 'usr/bin/mpirun': 'm', 'usr/bin/xmpirun': 'x' })])
  assert.is(await covered(store.root), 4)
  removeIndex(indexed)
  assert.is((await fsck(store)).indexRebuilt, true)
  assert.is(await covered(store.root), 4)
  assert.equal(look('modules'), before)
  assert.equal(readdirSync(join(store.root, 'tmp')), [])
})

broken('fsck corrects an index that lies', async () => {
  const { store, index, look } = await indexedStore()
  const file = join(index, 'modules.json')
  const lines = readFileSync(file, 'utf8').split('\n')
  const body = `${lines[1].replace('"4.2"', '"4.9"')}\n${lines[2]}\n`
  const sha256 = createHash('sha256').update(body).digest('hex')
  rmSync(file)
  writeFileSync(file, `${JSON.stringify({ strata: 'modules', format: 1, sha256 })}\n${body}`)
  assert.is((await fsck(store)).indexRebuilt, true)
  assert.ok(
    (look('modules') as { modules: string[] }).modules.some(line => line.startsWith('mpi/mpich-4.2 '))
  )
  assert.not.match(readFileSync(file, 'utf8'), /"4\.9"/)
})

broken.run()
