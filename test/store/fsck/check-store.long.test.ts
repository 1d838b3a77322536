import { chmodSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import * as assert from 'uvu/assert'
import { dataPath, indexPath } from '../../../store/files/store-layout.ts'
import { type FsckReport, fsck } from '../../../store/fsck/check-store.ts'
import { openObject } from '../../../store/import/layer-object.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import { DAG_JSON, parseCid, sha256Of } from '../../../store/values/digest.ts'
import { sha256OfFile } from '../../helpers/layers.ts'
import { atAllSize } from '../../helpers/needs.ts'
import { partFiles } from '../../helpers/part-files.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { someOf } from '../../helpers/size.ts'
import { importInto, newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'
import { compose, composed } from '../../helpers/warm-compose.ts'

const check = suite('fsck')
const long = atAllSize(check)

const ACL = '# file: t/numbers\nuser::rw-\nuser:77:rw-\ngroup::r--\nmask::rw-\nother::r--\n'

interface Published {
  store: Repository
  tar: string
  /** Absolute paths by kind. */
  files: Record<'data' | 'recipe' | 'index' | 'sidecar' | 'layer' | 'record', string>
  /** Import it again. */
  again(): Promise<unknown>
}

/** app/a-1 with an ACL, and app/other-1 that has nothing to do with it. */
async function published(): Promise<Published> {
  const folder = scratch()
  const [tar, acl] = [join(folder, 't.tar'), join(folder, 'acl')]
  bash(
    `cd "$1"; mkdir t; seq 100000 > t/numbers; chmod 664 t/numbers; head -c 200000 /dev/urandom > t/noise
    seq 9 > t/few; tar -cf t.tar t; tar -cf other.tar t/few`,
    folder
  )
  writeFileSync(acl, ACL)
  const store = await newStore()
  const again = () => importInto(store, 'app/a-1', [tar], { aclFile: acl })
  const { record, layers } = await again()
  await importInto(store, 'app/other-1', [join(folder, 'other.tar')])
  const [{ id, manifest }] = layers
  const blob = (hex: string, ending = '') =>
    join(store.root, `blobs/sha256/${hex.slice(0, 2)}/${hex.slice(2)}${ending}`)
  const files = {
    data: join(store.root, dataPath(sha256Of(manifest.tar), store.profile)),
    recipe: blob(sha256Of(manifest.tar), '.recipe'),
    index: join(store.root, indexPath(sha256Of(id), store.profile)),
    sidecar: blob(sha256Of(manifest.sidecar!)),
    layer: blob(sha256Of(id)),
    record: blob(sha256Of(record))
  }
  return { store, tar, files, again }
}

/** The same size and times, so that only reading tells. */
function flip(path: string, at: number): void {
  const { atimeNs, mtimeNs } = statSync(path, { bigint: true })
  const bytes = readFileSync(path)
  bytes[at] ^= 0x01
  chmodSync(path, 0o644)
  writeFileSync(path, bytes)
  utimesSync(path, Number(atimeNs) / 1e9, Number(mtimeNs) / 1e9)
  chmodSync(path, 0o444)
}

const tells = (report: FsckReport) => ({
  codes: [...new Set(report.findings.map(({ code }) => code))],
  modules: [...new Set(report.findings.flatMap(({ modules }) => modules))],
  files: [...new Set(report.findings.map(({ file }) => file))]
})

check('finds nothing in a store that is well, and reads all of it', async () => {
  const { store } = await published()
  const report = await fsck(store)
  assert.equal(report.findings, [])
  assert.is(report.modules, 2)
  assert.is(report.objects, 2)
  assert.is(report.leftovers, 0)
  assert.ok(report.bytesRead > 800_000)
  const ran = compose(store.root, ['fsck'])
  assert.is(ran.status, 0)
  assert.match(ran.out, /no faults\n$/)
})

for (const what of someOf(['data', 'recipe', 'index', 'sidecar', 'layer', 'record'] as const, 2))
  check(`finds any changed byte of a ${what}, and names the module that it hurts`, async () => {
    const { store, files } = await published()
    const path = files[what]
    const size = readFileSync(path).length
    const places = [
      0,
      9,
      Math.floor(size / 3),
      Math.floor(size / 2),
      size - 88,
      size - 60,
      size - 17,
      size - 1
    ]
    for (const at of someOf(places, 3)) {
      flip(path, at)
      const { codes, modules, files: named } = tells(await fsck(store))
      assert.ok(codes.length > 0, `byte ${at} of ${size}`)
      assert.equal(modules, ['app/a-1'], `byte ${at} of ${size}`)
      assert.ok(
        named.includes(relative(store.root, path)) || what === 'data',
        `byte ${at}: ${named} instead of ${path}`
      )
      flip(path, at)
    }
    assert.equal((await fsck(store)).findings, [])
  })

for (const what of someOf(['data', 'recipe', 'sidecar', 'layer', 'record'] as const, 1))
  check(`tells that the ${what} is gone, whom that hurts, and exits with an error`, async () => {
    const { store, files, again } = await published()
    bash('rm "$1"', files[what])
    const ran = compose(store.root, ['fsck'])
    assert.is(ran.status, 12)
    assert.match(ran.out, /hurts: +app\/a-1/)
    assert.match(ran.out, /BLOB_MISSING/)
    assert.not.match(ran.out, /app\/other-1/)
    const report = JSON.parse(compose(store.root, ['--json', 'fsck', '--repair']).out)
    assert.ok(report.findings.some(({ repaired }: { repaired: boolean }) => !repaired))
    if (what === 'record') return // its name stands for it: only --replace may change that
    await again()
    assert.equal((await fsck(store, { repair: true })).findings, [])
  })

long('exporting a damaged tarball fails and leaves no file', async () => {
  const { store, files } = await published()
  flip(partFiles(store.root, files.data)[0], 100_000)
  const out = scratch()
  const ran = compose(store.root, ['export', 'app/a', join(out, 'x')])
  assert.is(ran.status, 12)
  assert.match(ran.err, /BLOB_CORRUPT/)
  assert.is(bash('find "$1" -type f | wc -l', out).toString(), '0\n')
})

long('importing the tarball again heals a damaged data file or recipe', async () => {
  for (const what of ['data', 'recipe'] as const)
    for (const at of someOf([5, 20, -5], 1)) {
      const { store, files, again, tar } = await published()
      flip(files[what], at < 0 ? readFileSync(files[what]).length + at : at)
      assert.is.not((await fsck(store)).findings.length, 0)
      await again()
      assert.equal((await fsck(store)).findings, [], `${what} at ${at}`)
      const out = scratch()
      composed(store.root, ['export', 'app/a', out])
      assert.is(sha256OfFile(join(out, 'layer.tar')), sha256OfFile(tar))
    }
})

long('--repair compiles an index that is damaged, or removed, to the same bytes', async () => {
  const { store, files } = await published()
  const before = sha256OfFile(files.index)
  flip(files.index, 200)
  const report = composed(store.root, ['fsck', '--repair'])
  assert.equal(
    report.findings.map(({ code, repaired }: { code: string; repaired: boolean }) => [code, repaired]),
    [['OBJECT_CORRUPT', true]]
  )
  assert.is(sha256OfFile(files.index), before)
  bash('rm "$1"', files.index)
  assert.is(composed(store.root, ['fsck', '--repair']).compiled, 1)
  assert.is(sha256OfFile(files.index), before)
  assert.is(bash('stat -c %a "$1"', files.index).toString(), '444\n')
})

long('--repair throws away the damaged object of another profile, which is then compiled anew', async () => {
  const { store, files } = await published()
  const [layer] = composed(store.root, ['show', 'app/a']).layers
  const id = parseCid(layer.id, DAG_JSON, 'test')
  const profile = { ...store.profile, blockSize: 4096 }
  const object = await openObject(store, id, profile)
  await object.data.close()
  const [path] = partFiles(store.root, object.data.shownPath)
  const good = sha256OfFile(path)
  flip(path, 1000)
  const report = await fsck(store, { repair: true })
  assert.equal(
    report.findings.map(({ file, repaired }) => [file?.split('/')[0], repaired]),
    [
      ['objects', true],
      ['parts', true]
    ]
  )
  const anew = await openObject(store, id, profile)
  await anew.data.close()
  assert.equal(partFiles(store.root, anew.data.shownPath), [path])
  assert.is(sha256OfFile(path), good)
  assert.equal((await fsck(store)).findings, [])
  assert.ok(files.data !== path)
})

check('finds files that are writable, linked from elsewhere, or no blobs at all', async () => {
  const { store, files } = await published()
  chmodSync(files.recipe, 0o664)
  assert.match((await fsck(store)).findings[0].message, /its mode is 664, wanted 0444/)
  chmodSync(files.recipe, 0o444)
  chmodSync(files.data, 0o644)
  assert.match((await fsck(store)).findings[0].message, /its mode is 644/)
  chmodSync(files.data, 0o444)
  bash('ln "$1" "$2"', files.recipe, join(store.root, 'elsewhere'))
  assert.match((await fsck(store)).findings[0].message, /has 2 names/)
  bash('rm "$1/elsewhere"; echo > "$1/blobs/sha256/stray"', store.root)
  assert.match((await fsck(store)).findings[0].message, /stray is not named as a blob/)
})

check('counts files of interrupted commands, which are not a fault', async () => {
  const { store, files } = await published()
  bash('echo > "$1/tmp/abc"; ln "$2" "$1/tmp/def"', store.root, files.recipe)
  const report = await fsck(store)
  assert.equal(report.findings, [])
  assert.is(report.leftovers, 2)
})

long('a ref that is junk is a fault', async () => {
  const { store } = await published()
  bash('mkdir -p "$1/refs/modules/app/bad"; echo junk > "$1/refs/modules/app/bad/1"', store.root)
  assert.equal(tells(await fsck(store)).codes, ['MANIFEST_INVALID'])
})

check.run()
