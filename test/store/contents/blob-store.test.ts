import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { putBlob, readWholeBlob } from '../../../store/contents/blob-store.ts'
import { findBlob } from '../../../store/contents/find-blob.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import { type Digest, digestOf } from '../../../store/values/digest.ts'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'

const blobs = suite('blob store')

const pathOf = async (store: Repository, digest: Digest): Promise<string> =>
  join(store.root, findBlob(store, digest)!.path)

const damage = (path: string, at = 0) => {
  const bytes = readFileSync(path)
  bytes[at < 0 ? bytes.length + at : at] ^= 0x10
  chmodSync(path, 0o644)
  writeFileSync(path, bytes)
  chmodSync(path, 0o444)
}

const TEXT = Buffer.from('compressible '.repeat(10_000))
const NOISE = Buffer.from(Array.from({ length: 20_000 }, (_, i) => (i * i * 2654435761) >>> 13))

blobs('keeps what compresses as zstd under the hash of the decoded bytes, the rest as it is', async () => {
  const store = await newStore()
  for (const [bytes, ending] of [
    [TEXT, '.zst'],
    [Buffer.from('small'), ''],
    [Buffer.alloc(0), '']
  ] as const) {
    const digest = await putBlob(store, bytes)
    assert.is(digest, digestOf(bytes))
    const path = await pathOf(store, digest)
    assert.is(path, join(store.root, `blobs/sha256/${digest.slice(0, 2)}/${digest.slice(2)}${ending}`))
    assert.equal(await readWholeBlob(store, digest), bytes)
  }
})

needing(blobs, 'zstd')('is read by sha256sum and zstd alike', async () => {
  const store = await newStore()
  const path = await pathOf(store, await putBlob(store, TEXT))
  const sum = bash('zstd -dcq "$1" | sha256sum', path).toString().slice(0, 64)
  assert.is(sum, digestOf(TEXT))
})

blobs('put twice is fine: the file that is there stays, and counts as used just now', async () => {
  const store = await newStore()
  const digest = await putBlob(store, NOISE)
  const path = await pathOf(store, digest)
  const inode = statSync(path).ino
  bash('touch -d "3 days ago" "$1"', path)
  assert.is(await putBlob(store, NOISE), digest)
  const after = statSync(path)
  assert.is(after.ino, inode)
  assert.ok(Date.now() - after.mtimeMs < 60_000, 'gc leaves alone what was used lately')
})

blobs('forty at once, the same and others, all arrive', async () => {
  const store = await newStore()
  const contents = Array.from({ length: 40 }, (_, i) => Buffer.from(`content ${i % 7} `.repeat(2000)))
  const digests = await Promise.all(contents.map(bytes => putBlob(store, bytes)))
  for (const [i, digest] of digests.entries()) assert.equal(await readWholeBlob(store, digest), contents[i])
  assert.is(bash('find "$1/tmp" -type f | wc -l', store.root).toString(), '0\n')
})

blobs('a changed byte is found when the blob is read, wherever it is', async () => {
  // Byte 4 of a zstd frame is left out, because one of its bits has no meaning.
  for (const bytes of [TEXT, NOISE, Buffer.from('small blob')])
    for (const at of [0, 3, 5, -1, -2]) {
      const store = await newStore()
      const digest = await putBlob(store, bytes)
      damage(await pathOf(store, digest), at)
      const error = await refusedLater(
        readWholeBlob(store, digest),
        'BLOB_CORRUPT',
        new RegExp(`^blob sha256:${digest} is damaged: `)
      )
      assert.is(error.facts.file, await pathOf(store, digest))
    }
})

blobs('one that was cut off, or has grown, is damaged too', async () => {
  for (const bytes of [TEXT, NOISE])
    for (const change of ['truncate -s -1', 'truncate -s 0', 'truncate -s +1']) {
      const store = await newStore()
      const digest = await putBlob(store, bytes)
      bash(`chmod u+w "$1"; ${change} "$1"; chmod 444 "$1"`, await pathOf(store, digest))
      await refusedLater(readWholeBlob(store, digest), 'BLOB_CORRUPT', /is damaged/)
    }
})

blobs('putting a damaged blob again heals it', async () => {
  const store = await newStore()
  const digest = await putBlob(store, TEXT)
  damage(await pathOf(store, digest), 20)
  assert.is(await putBlob(store, TEXT), digest)
  assert.equal(await readWholeBlob(store, digest), TEXT)
})

blobs('one that is nowhere is missing, and the error names the stores', async () => {
  const store = await newStore()
  const error = await refusedLater(
    readWholeBlob(store, digestOf(TEXT)),
    'BLOB_MISSING',
    /in none of the stores/
  )
  assert.equal(error.facts.stores, [store.root])
})

blobs('further stores are read and never written', async () => {
  const [mine, site] = [await newStore(), await newStore()]
  const digest = await putBlob(site, TEXT)
  const both: Repository = { ...mine, searched: [mine, site] }
  assert.equal(await readWholeBlob(both, digest), TEXT)
  const before = bash('find "$1" -type f | wc -l', site.root).toString()
  await putBlob(both, TEXT)
  assert.is(findBlob(both, digest)!.store.root, mine.root, 'a store has all that its own records name')
  assert.is(bash('find "$1" -type f | wc -l', site.root).toString(), before)
})

blobs.run()
