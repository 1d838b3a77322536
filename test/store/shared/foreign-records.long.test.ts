import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { dirname, join } from 'node:path'
import { CID } from 'multiformats/cid'
import * as assert from 'uvu/assert'
import { accessOfLayer } from '../../../store/access/layer-access.ts'
import { readLayer } from '../../../store/contents/manifests.ts'
import { readRecord } from '../../../store/contents/read-record.ts'
import { blobPath } from '../../../store/files/store-layout.ts'
import { parseModuleName } from '../../../store/module/name.ts'
import { encodeRecord, type ModuleRecord } from '../../../store/module/record.ts'
import { readRef } from '../../../store/module/ref-file.ts'
import { openRepository } from '../../../store/repository/open-repository.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import { formatCid, manifestCid, sha256Of } from '../../../store/values/digest.ts'
import { atAllSize, needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { suite } from '../../helpers/suite.ts'
import {
  alice,
  bob,
  CHEM,
  carol,
  chemist,
  composeAs,
  composedAs,
  contentFiles,
  failsAs,
  type Person,
  PUBLISHERS,
  readableBy,
  reader,
  root,
  sharedStore,
  tarball,
  VASP,
  vaspUser
} from './people.ts'

const foreign = suite('a record of somebody who never had the content')
const asRoot = needing(foreign, 'root', 'setpriv', 'getfacl')
const long = atAllSize(asRoot)

const FORGED = { category: 'app', name: 'forged', version: '1.0' }

/** Every file that may hold something of a module: all but records, manifests of layers and notes. */
const contentsOf = (store: string): string[] =>
  contentFiles(store).filter(file => !file.startsWith('blobs/') || file.endsWith('.recipe'))

const contentsFor = (who: Person, store: string): string[] => readableBy(who, store, contentsOf(store))

const publish = (who: Person, store: string, name: string, tar: string, ...flags: string[]) =>
  composedAs(who, store, ['import', name, tar, ...flags])

/** A store with the module app/vasp-6.4 of alice's, which is for members of one group. */
function restrictedStore(): { folder: string; store: string; tar: string } {
  const { folder, store } = sharedStore()
  const tar = tarball(folder, 'vasp')
  publish(alice, store, 'app/vasp-6.4', tar, '--access-group', `${VASP}`)
  assert.is(contentsOf(store).length, 4)
  return { folder, store, tar }
}

async function recordOf(store: string, name: string): Promise<{ opened: Repository; record: ModuleRecord }> {
  const opened = await openRepository({ store })
  return { opened, record: await readRecord(opened, readRef(store, parseModuleName(name))!) }
}

/** Writes a file into a store as a publisher can without this program. */
function writeAs(who: Person, path: string, bytes: string | Uint8Array): void {
  for (const folder of [dirname(dirname(path)), dirname(path)])
    if (!existsSync(folder)) {
      mkdirSync(folder, { recursive: true })
      chownSync(folder, who.uid, PUBLISHERS)
      chmodSync(folder, 0o2775)
    }
  writeFileSync(path, bytes, { mode: 0o444 })
  chownSync(path, who.uid, PUBLISHERS)
}

function forge(who: Person, store: string, record: ModuleRecord, name = FORGED): void {
  const bytes = encodeRecord({ ...record, ...name, accessGroups: [] })
  const id = manifestCid(bytes)
  writeAs(who, join(store, blobPath(sha256Of(id), '')), bytes)
  writeAs(who, join(store, 'refs/modules', name.category, name.name, name.version), `${formatCid(id)}\n`)
}

interface Told {
  code: string
  message: string
  modules: string[]
  repaired: boolean
}

function findingsOf(store: string, ...flags: string[]): Told[] {
  return JSON.parse(composeAs(root, store, ['fsck', ...flags]).out).findings
}

long('opens no file when root repairs the store, and fsck names it, its owner and what to type', async () => {
  const { store } = restrictedStore()
  forge(bob, store, (await recordOf(store, 'app/vasp-6.4')).record)
  for (const flags of [[], ['--repair'], []]) {
    const told = findingsOf(store, ...flags)
    assert.is(told.length, 4)
    for (const { code, message, modules, repaired } of told) {
      assert.equal([code, repaired], ['STORE_ACCESS', false])
      assert.equal(modules, ['app/forged-1.0', 'app/vasp-6.4'])
      assert.match(message, /app\/forged-1\.0 \(record b\w+, of uid 61012\) is for everyone/)
      assert.match(message, /compose unpublish app\/forged-1\.0\./)
      assert.match(message, /uid 61011 or root types compose import app\/forged-1\.0 TARBALL --replace/)
    }
    for (const who of [bob, reader, chemist]) assert.equal(contentsFor(who, store), [])
    assert.equal(contentsFor(vaspUser, store), contentsOf(store))
  }
  composedAs(root, store, ['unpublish', 'app/forged-1.0'])
  assert.equal(findingsOf(store, '--repair'), [])
  assert.equal(contentsFor(reader, store), [])
})

long('opens no file when others publish the same tarball for a group, and is named to them', async () => {
  const { store, tar } = restrictedStore()
  forge(bob, store, (await recordOf(store, 'app/vasp-6.4')).record)
  for (const [who, name] of [
    [alice, 'app/vasp-6.4'],
    [alice, 'app/vasp-6.5'],
    [carol, 'app/again-1'],
    [root, 'app/again-2']
  ] as const) {
    const { notes } = publish(who, store, name, tar, '--access-group', `${VASP}`)
    assert.match(notes.join(), /not opened for app\/forged-1\.0/)
    for (const outsider of [bob, reader]) assert.equal(contentsFor(outsider, store), [], name)
  }
})

long('that was there before the content opens no file of the content', async () => {
  const { store, tar } = restrictedStore()
  const { record } = await recordOf(store, 'app/vasp-6.4')
  bash('find "$1/data" "$1/objects" -type f -delete; find "$1/blobs" -name "*.recipe" -delete', store)
  bash('rm -r "$1/refs/modules/app"', store)
  forge(bob, store, record)
  publish(alice, store, 'app/vasp-6.4', tar, '--access-group', `${VASP}`)
  assert.is(contentsOf(store).length, 4)
  assert.equal(contentsFor(reader, store), [])
})

long('opens no file that it names as something else, such as the manifest of a layer', async () => {
  const { store } = restrictedStore()
  const { opened, record } = await recordOf(store, 'app/vasp-6.4')
  const { tar } = await readLayer(opened, record.layers[0])
  forge(bob, store, { ...record, layers: [CID.createV1(record.layers[0].code, tar.multihash)] })
  findingsOf(store, '--repair')
  assert.equal(contentsFor(reader, store), [])
})

long('does not open former records: a note of the history shows nothing', async () => {
  const { store, tar } = restrictedStore()
  publish(alice, store, 'app/vasp-6.4', tar, '--replace', '--open-to', 'everyone')
  publish(alice, store, 'app/vasp-6.4', tar, '--replace', '--access-group', `${VASP}`)
  composedAs(alice, store, ['unpublish', 'app/vasp-6.4'])
  assert.equal(findingsOf(store, '--repair'), [])
  assert.equal(contentsFor(reader, store), [])
})

long('opens no file of another store that it reaches through a folder that is a link', async () => {
  const { folder, store } = restrictedStore()
  const { opened, record } = await recordOf(store, 'app/vasp-6.4')
  const other = join(folder, 'other')
  composedAs(root, other, ['init', '--group', `${PUBLISHERS}`, '--level', '2'])
  const [profile] = readdirSync(join(store, 'data'))
  for (const area of ['data', 'objects'])
    bash('ln -s "$1" "$2"', join(store, area, profile), join(other, area, 'zstd-9-128k-2'))
  const path = blobPath(sha256Of(record.layers[0]), '')
  writeAs(bob, join(other, path), readFileSync(join(store, path)))
  // Root's own word would open files of this store.
  forge(root, other, record)
  findingsOf(other, '--repair')
  assert.equal(contentsFor(reader, store), [])
  const { tar } = await readLayer(opened, record.layers[0])
  publish(root, other, 'lib/open-1', join(folder, 'vasp.tar'))
  assert.is(statSync(join(other, blobPath(sha256Of(tar), '.recipe'))).mode & 0o777, 0o444)
  assert.equal(contentsFor(reader, store), [])
})

asRoot(
  'nor does a file that a publisher puts beside the recipe open what is made from the layer',
  async () => {
    const { store } = restrictedStore()
    const { opened, record } = await recordOf(store, 'app/vasp-6.4')
    const layer = await readLayer(opened, record.layers[0])
    for (const encoding of ['', '.zst'] as const)
      writeAs(bob, join(store, blobPath(sha256Of(layer.tar), encoding)), 'nothing')
    const { tar, index } = await accessOfLayer(opened, layer)
    assert.equal([tar, index], [[VASP], [VASP]])
  }
)

long('nothing is opened under two names at once', () => {
  const { store } = restrictedStore()
  const [data] = contentsOf(store)
  bash('chmod 400 "$1"; ln "$1" "$1.second"', join(store, data))
  const told = findingsOf(store, '--repair').filter(({ code }) => code === 'STORE_ACCESS')
  assert.equal(
    told.map(({ repaired }) => repaired),
    [false]
  )
  assert.not.ok(contentsFor(vaspUser, store).includes(data))
  bash('rm "$1.second"', join(store, data))
  findingsOf(store, '--repair')
  assert.equal(contentsFor(vaspUser, store), contentsOf(store))
})

const shared = suite('records of those who had the content')
const alsoAsRoot = needing(shared, 'root', 'setpriv', 'getfacl')
const longAlsoAsRoot = atAllSize(alsoAsRoot)

longAlsoAsRoot('root may widen access by publishing, whoever owns the files', () => {
  const { store, tar } = restrictedStore()
  publish(root, store, 'app/chem-1', tar, '--access-group', `${CHEM}`, '--open-to', `group:${CHEM}`)
  for (const who of [vaspUser, chemist]) assert.equal(contentsFor(who, store), contentsOf(store))
  assert.equal(contentsFor(reader, store), [])
  bash('cd "$1"; find data parts objects -type f ! -name "*.checked" -exec chmod 400 {} +', store)
  assert.equal(
    findingsOf(store, '--repair').map(({ repaired }) => repaired),
    [true, true, true]
  )
  for (const who of [vaspUser, chemist]) assert.equal(contentsFor(who, store), contentsOf(store))
  publish(root, store, 'lib/open-1', tar, '--open-to', 'everyone')
  assert.equal(contentsFor(reader, store), contentsOf(store))
  assert.equal(findingsOf(store), [])
})

alsoAsRoot('a module keeps its access when another user publishes its content', () => {
  const { folder, store } = sharedStore()
  const tar = tarball(folder, 'same')
  publish(alice, store, 'lib/hers-1', tar)
  publish(bob, store, 'lib/his-1', tar)
  composedAs(alice, store, ['unpublish', 'lib/hers-1'])
  assert.equal(findingsOf(store, '--repair'), [])
  assert.equal(contentsFor(reader, store), contentsOf(store))
  const { notes } = publish(alice, store, 'app/closed-1', tar, '--access-group', `${VASP}`)
  assert.match(notes.join(), /open to more than its groups, because lib\/his-1 has the same/)
  assert.equal(contentsFor(reader, store), contentsOf(store))
})

longAlsoAsRoot('the index of another layer of an open tarball is open, whoever makes it', () => {
  const { folder, store } = sharedStore()
  const tar = tarball(folder, 'same')
  publish(alice, store, 'lib/open-1', tar)
  publish(bob, store, 'app/closed-1', tar, '--access-group', `${VASP}`, '--prefix', 'elsewhere')
  assert.is(contentsOf(store).length, 5)
  assert.equal(contentsFor(reader, store), contentsOf(store))
  bash('find "$1/objects" -type f -user 61012 -exec chmod 400 {} +', store)
  assert.equal(
    findingsOf(store, '--repair').map(({ repaired }) => repaired),
    [true]
  )
  assert.equal(contentsFor(reader, store), contentsOf(store))
})

alsoAsRoot('records and manifests of layers are for everyone, whoever owns them', () => {
  const { store } = restrictedStore()
  bash('find "$1/blobs" -type f ! -name "*.recipe" -exec chown 0 {} + -exec chmod 400 {} +', store)
  assert.equal(
    findingsOf(store, '--repair').map(({ repaired }) => repaired),
    [true, true]
  )
  assert.equal(findingsOf(store), [])
  assert.is(composedAs(reader, store, ['show', 'app/vasp']).module, 'app/vasp-6.4')
  assert.equal(contentsFor(reader, store), [])
})

long('opens no content that repair fetches from a store where it is closed', async () => {
  const secret = restrictedStore()
  const { store } = sharedStore()
  const { record, opened } = await recordOf(secret.store, 'app/vasp-6.4')
  for (const id of record.layers) {
    const manifest = sha256Of(id)
    writeAs(
      bob,
      join(store, blobPath(manifest, '')),
      readFileSync(join(secret.store, blobPath(manifest, '')))
    )
    await readLayer(opened, id)
  }
  const planted = contentsOf(secret.store).filter(file => !file.startsWith('objects/'))
  for (const file of planted) writeAs(bob, join(store, file), 'garbage')
  forge(bob, store, record)
  composeAs(root, store, ['fsck', '--repair'], { env: { COMPOSE_PATH: secret.store } })
  const fetched = planted.filter(file => readFileSync(join(store, file), 'latin1') !== 'garbage')
  assert.equal(fetched, planted, 'the test is about what was fetched')
  for (const who of [bob, reader, chemist]) assert.equal(contentsFor(who, store), [])
})

asRoot('makes nothing that root or a member of the groups builds wider than the files are', async () => {
  const { folder, store } = restrictedStore()
  const name = parseModuleName('app/vasp-6.4')
  const { record } = await recordOf(store, 'app/vasp-6.4')
  bash('mkdir -m 777 "$1/out"; rm "$1/store/refs/modules/app/vasp/6.4"', folder)
  forge(bob, store, { ...record, redistributable: true }, name)
  for (const who of [root, carol]) {
    const out = (file: string) => join(folder, 'out', `${who.uid}-${file}`)
    const image = composedAs(who, store, ['build', out('x.sqfs'), 'app/vasp'])
    assert.match(image.audience.text, /the content of app\/vasp-6\.4 admits gid 61001/)
    composedAs(who, store, ['build', '--sandbox', out('box'), 'app/vasp'])
    composedAs(who, store, ['build', '--format', 'oci', '--internal', out('lay'), 'app/vasp'])
    composedAs(who, store, ['push', '--internal', 'app/vasp', `oci-archive:${out('x.oci')}`])
    assert.is(failsAs(who, store, ['build', '--for', 'everyone', out('y'), 'app/vasp']).code, 'ACCESS_WIDER')
    for (const args of [
      ['push', 'app/vasp', `oci-archive:${out('y.oci')}`],
      ['build', '--format', 'tar', out('y.tar'), 'app/vasp'],
      ['export', 'app/vasp', out('exported')]
    ]) {
      const { code, message } = failsAs(who, store, args)
      assert.is(code, 'NOT_REDISTRIBUTABLE', args.join(' '))
      assert.match(message, /its files in the store are closed to users whom its record admits/)
    }
  }
  const files = bash('cd "$1"; find out -type f', folder).toString().trim().split('\n')
  for (const stranger of [bob, reader, chemist]) assert.equal(readableBy(stranger, folder, files), [])
  assert.ok(readableBy(vaspUser, folder, files).some(file => file.endsWith('x.sqfs')))
})

foreign.run()
shared.run()
