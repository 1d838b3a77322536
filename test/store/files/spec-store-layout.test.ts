import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import * as assert from 'uvu/assert'
import { readWholeBlob } from '../../../store/contents/blob-store.ts'
import { NOTE_ENDING, noteChecked } from '../../../store/contents/data-identity.ts'
import { initStore } from '../../../store/files/store.ts'
import {
  BLOB_ENCODINGS,
  blobPath,
  dataPath,
  FOLDERS,
  indexPath,
  partPath
} from '../../../store/files/store-layout.ts'
import { openRepository } from '../../../store/repository/open-repository.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import { type Digest, digestOf } from '../../../store/values/digest.ts'
import { scratch } from '../../helpers/scratch.ts'
import { bytesOfDump, specExample, specText } from '../../helpers/spec-example.ts'
import { suite } from '../../helpers/suite.ts'

const document = suite('spec/store-layout.md')

const DOCUMENT = 'store-layout.md'
const dump = (name: string): Buffer => bytesOfDump(specExample(DOCUMENT, name))
const tarball = dump('tarball')
const digest = digestOf(tarball)

async function newStore(): Promise<Repository> {
  const root = join(scratch(), 'store')
  await initStore(root)
  return openRepository({ store: root })
}

function place(store: Repository, path: string, bytes: Buffer): void {
  mkdirSync(dirname(join(store.root, path)), { recursive: true })
  writeFileSync(join(store.root, path), bytes)
}

document('shows the store.json that init writes', async () => {
  const { root } = await newStore()
  assert.is(readFileSync(join(root, 'store.json'), 'utf8'), specExample(DOCUMENT, 'store.json'))
})

document('shows a recipe and a data file that give the tarball of which it names the hash', async () => {
  assert.ok(specText(DOCUMENT).includes(`SHA-256 \`${digest}\``))
  const store = await newStore()
  place(store, blobPath(digest, '.recipe'), dump('recipe'))
  place(store, dataPath(digest, store.profile), dump('part list'))
  place(store, partPath(digestOf(dump('data'))), dump('data'))
  assert.equal(await readWholeBlob(store, digest), tarball)
})

document('puts the files of its example where the code looks for them', async () => {
  const text = specText(DOCUMENT)
  const { profile } = await newStore()
  assert.ok(text.includes(`\`${blobPath(digest, '.recipe')}\``))
  assert.ok(text.includes(`\`${dataPath(digest, profile)}\``))
  assert.ok(text.includes(`\`${partPath(digestOf(dump('data')))}\``))
})

document('draws each folder and each file name that the code makes', async () => {
  const picture = /```\nstore\.json[\s\S]*?```/.exec(specText(DOCUMENT))![0]
  const { profile } = await newStore()
  const name = (pattern: string) => pattern.padEnd(64, '0') as Digest
  const drawn = (path: string) => path.replace(/0{9,}/, '…')
  for (const encoding of BLOB_ENCODINGS)
    assert.match(picture, new RegExp(`^${drawn(blobPath(name('abcdef'), encoding))} `, 'm'))
  assert.ok(picture.includes(drawn(dataPath(name('abcdef'), profile))))
  assert.ok(picture.includes(drawn(indexPath(name('123456'), profile))))
  assert.ok(picture.includes(drawn(partPath(name('abcdef')))))
  for (const folder of FOLDERS) assert.match(picture, new RegExp(`^${folder}/`, 'm'))
})

document('shows the note of a check with the numbers that the code writes into one', async () => {
  const store = await newStore()
  const path = dataPath(digest, store.profile)
  place(store, path, dump('part list'))
  const file = await open(join(store.root, path))
  const sha256 = 'ab'.repeat(32)
  await noteChecked(store.root, path, file, sha256)
  await file.close()
  const { size, ino, mtimeNs, ctimeNs } = statSync(join(store.root, path), { bigint: true })
  const note = readFileSync(join(store.root, `${path}${NOTE_ENDING}`), 'utf8')
  assert.is(note, `${size} ${ino} ${mtimeNs} ${ctimeNs} ${sha256}\n`)
  assert.match(specExample(DOCUMENT, 'checked'), /^\d+ \d+ \d{19} \d{19} [0-9a-f]{64}\n$/)
  assert.ok(specText(DOCUMENT).includes(`….${NOTE_ENDING.slice(1)} `))
})

document.run()
