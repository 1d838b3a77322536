import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type FsckReport, fsck } from '../../store/fsck/check-store.ts'
import { openRepository } from '../../store/repository/open-repository.ts'
import { randomOf } from '../compose/helpers/random-layer.ts'
import { atAllSize, needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { someOf } from '../helpers/size.ts'
import { suite } from '../helpers/suite.ts'
import { compose } from '../helpers/warm-compose.ts'
import { applyFlip, bytesOf, type RottenStore, rottenStore } from './rotten-store.ts'

const repair = suite('bit rot: repair')
const test = needing(repair, 'root')
const long = atAllSize(test)

const isRepairable = (file: string) => /^(blobs|data|objects|parts)\//.test(file)

const open = ({ store, intact }: RottenStore) => openRepository({ store: store.root, path: intact })

const left = ({ findings }: FsckReport) => findings.filter(({ repaired }) => !repaired)

function assertSame({ store, intact, files }: RottenStore, when: string): void {
  for (const file of files) {
    assert.is(bytesOf(store.root, file), bytesOf(intact, file), `${when}: ${file}`)
    assert.is(
      statSync(join(store.root, file)).mode,
      statSync(join(intact, file)).mode,
      `${when}: mode of ${file}`
    )
  }
}

test('a changed byte of any file is repaired from another store, to the same bytes', async () => {
  const rotten = await rottenStore(20_000)
  const random = randomOf(4)
  for (const file of someOf(rotten.files.filter(isRepairable), 6))
    for (const at of [0, random(statSync(join(rotten.store.root, file)).size)]) {
      applyFlip(rotten.store, { file, at, bits: 1 + random(255) })
      const report = await fsck(await open(rotten), { repair: true })
      assert.ok(report.findings.length > 0, `${file} at ${at} was not found`)
      assert.equal(left(report), [], `${file} at ${at}`)
      assert.equal((await fsck(rotten.store)).findings, [], `${file} at ${at}`)
      assertSame(rotten, `${file} at ${at}`)
    }
  assert.equal(readdirSync(join(rotten.store.root, 'tmp')), [])
})

test('a file that is gone comes back from another store', async () => {
  const rotten = await rottenStore(20_000)
  for (const file of rotten.files.filter(path => /^(data|objects)\//.test(path))) {
    rmSync(join(rotten.store.root, file))
    assert.equal(left(await fsck(await open(rotten), { repair: true })), [], file)
    assertSame(rotten, file)
  }
})

long('together with the command, which reports where they come from', async () => {
  const rotten = await rottenStore(20_000)
  for (const file of rotten.files.filter(isRepairable)) applyFlip(rotten.store, { file, at: 30, bits: 0x40 })
  const ran = compose(rotten.store.root, ['fsck', '--repair'], { env: { COMPOSE_PATH: rotten.intact } })
  assert.is(ran.status, 0, ran.out + ran.err)
  assert.match(ran.out, new RegExp(`from: +${rotten.intact}\n`))
  assert.match(ran.out, /no faults\n$/)
  assertSame(rotten, 'all at once')
})

long(
  'without another store, lost files are reported with the modules that they affect, and the rest is repaired',
  async () => {
    const rotten = await rottenStore(20_000)
    const { store, files } = rotten
    const [index] = files.filter(path => path.startsWith('objects/'))
    const data = files.filter(path => path.startsWith('data/'))
    applyFlip(store, { file: index, at: 200, bits: 1 })
    applyFlip(store, { file: data[0], at: 10, bits: 1 })
    const ran = compose(store.root, ['fsck', '--repair'])
    assert.is(ran.status, 12)
    assert.match(ran.out, /hurts: +(base\/a-1|lib\/b-2\.1)\n/)
    assert.match(ran.out, /left: +no other store has it whole: name more stores in COMPOSE_PATH/)
    assert.match((await fsck(store, { repair: true })).findings[0].message, /damaged|hash/)
  }
)

test('a store that is damaged itself gives nothing', async () => {
  const rotten = await rottenStore(20_000)
  const before = rotten.files.filter(isRepairable).map(file => {
    for (const root of [rotten.store.root, rotten.intact])
      applyFlip({ ...rotten.store, root }, { file, at: 20, bits: 2 })
    return [file, bytesOf(rotten.store.root, file)]
  })
  const report = await fsck(await open(rotten), { repair: true })
  assert.ok(left(report).length > 3)
  for (const [file, bytes] of before.filter(
    ([file]) => file.startsWith('blobs/') || file.startsWith('data/')
  ))
    assert.is(bytesOf(rotten.store.root, file), bytes, `${file} was replaced by a damaged copy`)
})

long('a blob is also taken from a store that keeps it in another way', async () => {
  const rotten = await rottenStore(20_000)
  const recipe = rotten.files.find(path => path.endsWith('.recipe'))!
  const other = join(rotten.intact, recipe)
  const plain = other.replace(/\.recipe$/, '')
  const { store } = rotten
  const module = (await fsck(store)).modules
  bash('mv "$1" "$1.kept"', other)
  const tar = readdirSync(rotten.folder).filter(name => name.endsWith('.tar'))
  const digest = recipe.replace(/^blobs\/sha256\/|\/|\.recipe$/g, '')
  const source = tar.find(name =>
    bash('sha256sum < "$1"', join(rotten.folder, name)).toString().startsWith(digest)
  )!
  writeFileSync(plain, readFileSync(join(rotten.folder, source)))
  bash('rm "$1.kept"; chmod 444 "$2"', other, plain)
  applyFlip(store, { file: recipe, at: 3, bits: 4 })
  assert.equal(left(await fsck(await open(rotten), { repair: true })), [])
  const after = await fsck(store)
  assert.equal(after.findings, [])
  assert.is(after.modules, module)
})

repair.run()
