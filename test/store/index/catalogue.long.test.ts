import { readFileSync, renameSync, rmSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { readLayer } from '../../../store/contents/manifests.ts'
import { readRecord } from '../../../store/contents/read-record.ts'
import { blobPath, OBJECTS } from '../../../store/files/store-layout.ts'
import { openCatalogue } from '../../../store/index/catalogue.ts'
import { formatModuleName, parseModuleName } from '../../../store/module/name.ts'
import { readRef } from '../../../store/module/ref-file.ts'
import { openRepository } from '../../../store/repository/open-repository.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import { type Digest, formatCid, sha256Of } from '../../../store/values/digest.ts'
import { atAllSize } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { importInto, newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'
import { indexedStore, PROVIDERS, removeIndex, tarballOf } from './indexed-store.ts'

const catalogue = suite('catalogue')
const long = atAllSize(catalogue)

const namesIn = async (store: Repository) =>
  (await openCatalogue(store).modules()).modules.map(({ name }) => formatModuleName(name))

/** Names and ids by find(1) and cat(1). */
const refsOf = ({ root }: Repository): string[] =>
  bash('cd "$1/refs/modules"; find . -type f | sort | while read f; do echo "$f $(cat "$f")"; done', root)
    .toString()
    .trim()
    .split('\n')

catalogue('lists each published module, with the facts of its record', async () => {
  const store = await newStore()
  await importInto(store, 'apps/vasp-6.4.2', [tarballOf({ 'bin/vasp': 'v' })], {
    settings: {
      summary: 'Électrons "and" \\ions',
      family: 'dft',
      hidden: true,
      deprecated: { date: '2026-01-31', text: 'use 6.5' },
      labels: { team: 'materials', note: 'two\nlines' }
    }
  })
  await importInto(store, 'base/debian-12', [tarballOf({ 'etc/issue': 'i' })])
  for (const open of [store, await openRepository({ store: store.root, path: '' })]) {
    const { modules, faults } = await openCatalogue(open).modules()
    assert.equal(faults, [])
    assert.equal(
      modules.map(({ name, record }) => `./${name.category}/${name.name}/${name.version} ${record}`),
      refsOf(store)
    )
    const { name, record, ...vasp } = modules[0]
    assert.is(record, formatCid(readRef(store.root, name)!))
    assert.equal(vasp, {
      store: { root: store.root, profile: store.profile },
      kind: 'application',
      summary: 'Électrons "and" \\ions',
      family: 'dft',
      hidden: true,
      deprecated: { date: '2026-01-31', text: 'use 6.5' },
      labels: { team: 'materials', note: 'two\nlines' }
    })
    assert.equal([modules[1].kind, modules[1].hidden, modules[1].labels], ['base', false, {}])
  }
})

catalogue('lists stores in the order of search, and finds records of one in another', async () => {
  const [own, site] = [await newStore(), await newStore()]
  await importInto(site, 'mpi/openmpi-4.1', [tarballOf({ 'bin/mpirun': 'site' })])
  await importInto(own, 'mpi/openmpi-4.1', [tarballOf({ 'bin/mpirun': 'own' })])
  const store = await openRepository({ store: own.root, path: site.root })
  const { modules } = await openCatalogue(store).modules()
  assert.equal(
    modules.map(({ store }) => store.root),
    [own.root, site.root]
  )
  const { providers } = await openCatalogue(store).provides('bin/mpirun')
  assert.equal(
    providers.map(({ module }) => module.store.root),
    [own.root, site.root]
  )
})

long('finds the modules with a path, whole or as the end of one, but not by a part of a name', async () => {
  const { look } = await indexedStore()
  assert.equal(look('provides', 'bin/mpirun'), PROVIDERS)
  assert.equal(look('provides', 'mpirun'), PROVIDERS)
  const one = (provider: string) => ({ providers: [provider], unsearched: [] })
  assert.equal(look('provides', '/usr/bin/mpirun'), one('mpi/mpich-4.2 usr/bin/mpirun file'))
  assert.equal(look('provides', 'opt/ompi/lib/'), one('mpi/openmpi-4.1.6 opt/ompi/lib directory'))
  for (const path of ['/bin/mpirun', 'pirun', 'mpi', 'in/mpirun', 'mpirunx', 'bin/absent'])
    assert.equal(look('provides', path), { providers: [], unsearched: [] }, path)
})

catalogue('refuses paths that no tree holds', async () => {
  const { store } = await indexedStore()
  for (const path of ['', '/', 'a//b', '../bin', './x', 'a\0b'])
    await refusedLater(openCatalogue(store).provides(path), 'USAGE', /path /)
})

catalogue('finds names that are not UTF-8 and those of any length', async () => {
  const store = await newStore()
  const folder = tarballOf({ x: 'x' })
  bash(
    `cd "$(dirname "$1")/tree"; mkdir -p $'d\\377'; echo a > $'d\\377/\\351t\\351'; echo b > "$2"; tar -cf "$1" *`,
    folder,
    'n'.repeat(255)
  )
  await importInto(store, 'lib/odd-1', [folder])
  const { provides } = openCatalogue(store)
  assert.is((await provides('\xe9t\xe9')).providers[0].path, 'd\xff/\xe9t\xe9')
  assert.is((await provides('d\xff/\xe9t\xe9')).providers.length, 1)
  assert.is((await provides('n'.repeat(255))).providers.length, 1)
})

long('knows whose record, layer, tarball and sidecar a blob is, with an index and without', async () => {
  const indexed = await indexedStore()
  const { store, look } = indexed
  const tar = tarballOf({ 'opt/x': 'x' })
  bash('cd "$(dirname "$1")"; tar --format=pax --pax-option=SCHILY.xattr.user.a=b -cf "$1" -C tree opt', tar)
  await importInto(store, 'apps/marked-1', [tar])
  const record = readRef(store.root, parseModuleName('apps/marked-1'))!
  const [layer] = (await readRecord(store, record)).layers
  const manifest = await readLayer(store, layer)
  assert.ok(manifest.sidecar)
  for (const isIndexed of [true, false]) {
    if (!isIndexed) removeIndex(indexed)
    for (const id of [record, layer, manifest.tar, manifest.sidecar!])
      assert.equal(look('users', sha256Of(id)), ['apps/marked-1'], `${id}, indexed: ${isIndexed}`)
    assert.equal(look('users', '0'.repeat(64) as Digest), [])
  }
})

catalogue('names the layers that it could not look into', async () => {
  const indexed = await indexedStore()
  rmSync(join(indexed.store.root, OBJECTS), { recursive: true })
  const record = readRef(indexed.store.root, parseModuleName('mpi/mpich-4.2'))!
  const [layer] = (await readRecord(indexed.store, record)).layers.map(formatCid)
  const { providers, unsearched } = indexed.look('provides', 'bin/mpirun') as typeof PROVIDERS
  assert.equal(providers, [])
  assert.ok((unsearched as string[]).includes(layer))
  removeIndex(indexed)
  assert.is((indexed.look('provides', 'bin/absent') as { unsearched: string[] }).unsearched.length, 4)
})

long('lists all others beside a module whose record is damaged, and that one when it is back', async () => {
  const indexed = await indexedStore()
  const { store, look } = indexed
  const before = look('modules')
  const record = readRef(store.root, parseModuleName('mpi/mpich-4.2'))!
  const path = join(store.root, blobPath(sha256Of(record), ''))
  renameSync(path, `${path}.away`)
  removeIndex(indexed)
  for (let time = 0; time < 2; time++) {
    const { modules, faults } = look('modules') as { modules: string[]; faults: string[] }
    assert.equal(faults, ['BLOB_MISSING'])
    assert.is(modules.length, 2)
  }
  renameSync(`${path}.away`, path)
  assert.equal(look('modules'), before)
})

catalogue('reports strange entries in refs each time', async () => {
  const { store, look } = await indexedStore()
  bash(
    'ln -s 4.2 "$1/refs/modules/mpi/mpich/latest"; echo junk > "$1/refs/modules/mpi/mpich/5.0"',
    store.root
  )
  for (let time = 0; time < 3; time++) {
    const { modules, faults } = look('modules') as { modules: string[]; faults: string[] }
    assert.is(modules.length, 3)
    assert.equal(faults, ['MANIFEST_INVALID', 'MANIFEST_INVALID'])
  }
})

catalogue('reads a list once, however often it is asked', async () => {
  const { store } = await indexedStore()
  const { modules } = openCatalogue(store)
  const first = await modules()
  unlinkSync(join(store.root, 'refs/modules/mpi/mpich/4.2'))
  assert.equal(await modules(), first)
  assert.is((await namesIn(store)).length, 2)
})

long('gives the same results with its index as without', async () => {
  const indexed = await indexedStore()
  const questions: [string, string?][] = [
    ['modules'],
    ['provides', 'mpirun'],
    ['provides', 'bin'],
    ['provides', 'a.so']
  ]
  const withIndex = questions.map(words => indexed.look(...words))
  assert.ok(readFileSync(join(indexed.index, 'modules.json')).length > 0)
  removeIndex(indexed)
  assert.equal(
    questions.map(words => indexed.look(...words)),
    withIndex
  )
})

catalogue.run()
