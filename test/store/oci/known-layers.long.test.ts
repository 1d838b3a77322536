import { chmodSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { dataPath } from '../../../store/files/store-layout.ts'
import { compileStoredTar, compileTar } from '../../../store/import/compile-tar.ts'
import { AS_IT_IS } from '../../../store/import/placement.ts'
import { findStoredData } from '../../../store/import/stored-data.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import { type Digest, formatCid } from '../../../store/values/digest.ts'
import { DEFAULT_LIMITS } from '../../../store/values/limits.ts'
import { LayoutMaker, named, sha256 } from '../../helpers/oci-layout.ts'
import { isWhole, listing } from '../../helpers/old-store.ts'
import { bash } from '../../helpers/real-tree.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { importInto, newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'

const known = suite('import: layers that are in the store')

/** Equal files, empty ones, whole blocks of zeros, files of several blocks with tails, a hole. */
function tarballs(): string[] {
  const folder = scratch()
  bash(
    `cd "$1"; mkdir a b
    seq 200000 > a/long; cp a/long a/twin; seq 100 > a/short; touch a/empty; cp a/short b/short
    head -c 400000 /dev/zero > a/zeros; head -c 300000 /dev/urandom > b/noise; seq 100 > b/.wh.long
    truncate -s 1M b/hole; echo end >> b/hole
    tar --sort=name -cf a.tar a; tar --sort=name --sparse -cf b.tar b`,
    folder
  )
  return ['a.tar', 'b.tar'].map(name => join(folder, name))
}

const [A, B] = tarballs()

function layoutOf(tars: string[], diffIds = tars.map(tar => sha256(readFileSync(tar)))): string {
  const maker = new LayoutMaker(scratch())
  const rootfs = { rootfs: { type: 'layers', diff_ids: diffIds } }
  const image = maker.image(
    tars.map(tar => readFileSync(tar)),
    { config: rootfs }
  )
  maker.index(named(image, 'latest'))
  return maker.folder
}

const digestOf = (tar: string): Digest => sha256(readFileSync(tar)).slice('sha256:'.length) as Digest

const indexesOf = ({ root }: Repository): Record<string, string> =>
  Object.fromEntries(
    readdirSync(join(root, 'objects'), { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(({ name, parentPath }) => [name, readFileSync(join(parentPath, name), 'latin1')])
  )

known(
  'give the same layers, indexes and files as packing them did, and nothing is written anew',
  async () => {
    const layout = layoutOf([A, B])
    const store = await newStore()
    const first = await importInto(store, 'base/a-1', [layout])
    const indexes = indexesOf(store)
    const files = listing(store.root)
    const inodes = () =>
      [A, B].map(tar => statSync(join(store.root, dataPath(digestOf(tar), store.profile))).ino)
    const before = inodes()
    rmSync(join(store.root, 'objects'), { recursive: true })
    const second = await importInto(store, 'base/b-1', [layout])
    assert.equal(
      second.layers.map(({ id }) => formatCid(id)),
      first.layers.map(({ id }) => formatCid(id))
    )
    assert.equal(
      second.layers.map(({ tarBytes, dataBytes }) => [tarBytes, dataBytes]),
      first.layers.map(({ tarBytes, dataBytes }) => [tarBytes, dataBytes])
    )
    assert.equal(indexesOf(store), indexes)
    assert.equal(inodes(), before)
    const added = listing(store.root).filter(file => !files.includes(file))
    assert.is(added.length, 3, `record, ref and note of the history: ${added}`)
  }
)

known('are hashed to the tables that packing made', async () => {
  const store = await newStore()
  await importInto(store, 'base/a-1', [A, B])
  for (const tar of [A, B]) {
    const input = () => ({
      name: tar,
      chunks: [readFileSync(tar)] as unknown as AsyncIterable<Uint8Array>,
      limits: DEFAULT_LIMITS,
      placement: AS_IT_IS
    })
    const stored = await findStoredData(store, digestOf(tar))
    assert.ok(stored, 'it is found by its hash')
    const packed = await compileTar(store.root, store.profile, input())
    const hashed = await compileStoredTar(store.root, store.profile, input(), stored)
    const { blocks, ...data } = packed.data
    assert.ok(blocks, 'only packing knows them')
    assert.equal(hashed.data, data)
    const [one, other] = [hashed, packed].map(({ recipeFile }) =>
      readFileSync(join(store.root, recipeFile.path))
    )
    assert.ok(one.equals(other), 'one recipe')
    for (const file of [packed.dataFiles, packed.recipeFile, hashed.recipeFile]) await file.discard()
    assert.equal(readdirSync(join(store.root, 'tmp')), [])
  }
})

known('are packed when they are there for another profile alone', async () => {
  const store = await newStore()
  await importInto(store, 'base/a-1', [A])
  const other = { ...store, profile: { ...store.profile, level: 2 } }
  assert.is(await findStoredData(other, digestOf(A)), undefined)
})

known('are packed when their data file is damaged, which heals it', async () => {
  const layout = layoutOf([A])
  const store = await newStore()
  await importInto(store, 'base/a-1', [layout])
  const path = join(store.root, dataPath(digestOf(A), store.profile))
  const bytes = readFileSync(path)
  bytes[bytes.length >> 1] ^= 1
  chmodSync(path, 0o644)
  writeFileSync(path, bytes)
  chmodSync(path, 0o444)
  await importInto(store, 'base/b-1', [layout])
  await isWhole(store, 'base/b-1', A)
})

known('are recognised even if a config names the wrong kind of blob', async () => {
  const store = await newStore()
  await importInto(store, 'base/a-1', [A, B])
  const before = listing(store.root)
  const lying = layoutOf([A], [`sha256:${digestOf(B)}`])
  await refusedLater(
    importInto(store, 'base/b-1', [lying]),
    'SOURCE_INVALID',
    new RegExp(`hashes to sha256:${digestOf(A)}, the config says sha256:${digestOf(B)}`)
  )
  assert.equal(listing(store.root), before)
  assert.equal(readdirSync(join(store.root, 'tmp')), [])
})

known.run()
