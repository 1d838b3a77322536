import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { blobPath, dataPath, indexPath } from '../../../store/files/store-layout.ts'
import { fsck } from '../../../store/fsck/check-store.ts'
import { addPin, readPin, removePin } from '../../../store/gc/pins.ts'
import { openObject } from '../../../store/import/layer-object.ts'
import { unpublish } from '../../../store/import/unpublish-module.ts'
import { parseModuleName } from '../../../store/module/name.ts'
import { openRepository } from '../../../store/repository/open-repository.ts'
import { DAG_JSON, formatCid, parseCid, sha256Of } from '../../../store/values/digest.ts'
import { sha256OfFile } from '../../helpers/layers.ts'
import { atAllSize } from '../../helpers/needs.ts'
import { age, collect, isWhole, listing, tarballs } from '../../helpers/old-store.ts'
import { bash } from '../../helpers/real-tree.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { someOf } from '../../helpers/size.ts'
import { importInto, newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'

const gc = suite('gc')
const long = atAllSize(gc)

const remove = (store: Parameters<typeof unpublish>[0], module: string) =>
  unpublish(store, parseModuleName(module))

gc('removes files that no name needs any more, and leaves the rest as it was', async () => {
  const store = await newStore()
  const [one, two] = tarballs(2)
  await importInto(store, 'app/kept-1', [one])
  const before = listing(store.root)
  await importInto(store, 'app/gone-1', [two])
  await remove(store, 'app/gone-1')
  age(store.root, 10)
  const told = await collect(store, { olderThanSeconds: 86_400, dryRun: true })
  assert.is(
    listing(store.root).length,
    before.length + 7,
    'record, layer, recipe, part, part list, index and note are there'
  )
  const report = await collect(store, { olderThanSeconds: 86_400 })
  assert.equal({ ...told, dryRun: false }, report)
  assert.equal(listing(store.root), before)
  assert.equal(
    [report.freed.blobs.files, report.freed.data.files, report.freed.parts.files, report.freed.indexes.files],
    [3, 2, 1, 1],
    'record, layer and recipe; part list and the note of its check; part; index'
  )
  assert.equal(
    report.dropped.map(({ module }) => module),
    ['app/gone-1']
  )
  await isWhole(store, 'app/kept-1', one)
  assert.equal((await fsck(store)).unreferenced, { files: 0, bytes: 0 })
})

gc('keeps replaced and unpublished modules, for ever without --older-than', async () => {
  const store = await newStore()
  const [one, two] = tarballs(2)
  await importInto(store, 'app/a-1', [one])
  await importInto(store, 'app/a-1', [two], { replace: true })
  await remove(store, 'app/a-1')
  age(store.root, 5000)
  const before = listing(store.root)
  const report = await collect(store)
  assert.equal(listing(store.root), before)
  assert.is(report.kept.history, 2)
})

gc('counts the age of a record from when it was replaced, not from when it was published', async () => {
  const store = await newStore()
  const [one, two] = tarballs(2)
  const { record } = await importInto(store, 'app/a-1', [one])
  age(store.root, 400)
  await importInto(store, 'app/a-1', [two], { replace: true })
  assert.equal((await collect(store, { olderThanSeconds: 90 * 86_400 })).dropped, [])
  age(store.root, 91)
  const { dropped } = await collect(store, { olderThanSeconds: 90 * 86_400 })
  assert.equal(dropped, [{ module: 'app/a-1', record: formatCid(record) }])
  await isWhole(store, 'app/a-1', two)
})

gc('prints the reason of unpublishing when it drops a record', async () => {
  const store = await newStore()
  await importInto(store, 'app/a-1', tarballs(1))
  await unpublish(store, parseModuleName('app/a-1'), 'license ended')
  age(store.root, 2)
  const { dropped } = await collect(store, { olderThanSeconds: 86_400 })
  assert.is(dropped[0].reason, 'license ended')
})

long('keeps files that two modules share until both are gone', async () => {
  const store = await newStore()
  const [one] = tarballs(1)
  await importInto(store, 'app/a-1', [one])
  await importInto(store, 'app/b-1', [one], { settings: { prefix: 'opt/b' } })
  await remove(store, 'app/a-1')
  age(store.root, 2)
  const { freed } = await collect(store, { olderThanSeconds: 86_400 })
  assert.equal([freed.blobs.files, freed.data.files, freed.indexes.files], [2, 0, 1])
  await isWhole(store, 'app/b-1', one)
})

long(
  'keeps what is younger than the grace period, also what an import took over that failed later',
  async () => {
    const store = await newStore()
    const [one] = tarballs(1)
    await importInto(store, 'app/a-1', [one])
    const before = listing(store.root)
    await remove(store, 'app/a-1')
    bash('rm -r "$1/refs/history"', store.root)
    assert.is((await collect(store)).young.files, 6)
    age(store.root, 3)
    await importInto(store, 'app/b-1', [one])
    await remove(store, 'app/b-1')
    bash('rm -r "$1/refs/history"', store.root)
    const { freed } = await collect(store)
    assert.equal([freed.blobs.files, freed.data.files], [1, 0], 'the record of app/a-1, nothing of the layer')
    assert.is(listing(store.root).length, before.length - 2)
  }
)

long('keeps all layers that a pin needs, and the pinned text', async () => {
  const store = await newStore()
  const [one, two, three] = tarballs(3)
  const { layers } = await importInto(store, 'app/a-1', [one, two])
  await importInto(store, 'app/b-1', [three])
  const text = `# upper layer alone\n${formatCid(layers[1].id)}\n`
  const pin = { name: 'upper', records: [], layers: [layers[1].id], text }
  assert.is(await addPin(store, pin), true)
  assert.is(await addPin(store, pin), false)
  await refusedLater(addPin(store, { ...pin, text: 'other' }), 'PIN_EXISTS', /./)
  await remove(store, 'app/a-1')
  await remove(store, 'app/b-1')
  age(store.root, 2)
  const { freed } = await collect(store, { olderThanSeconds: 86_400 })
  assert.is(freed.blobs.files, 4, 'both records, layer and recipe of app/b-1')
  for (const { id } of layers) await (await openObject(store, id)).data.close()
  assert.is((await readPin(store.root, 'upper')).text, text)
  await removePin(store, 'upper')
  assert.is((await collect(store, { olderThanSeconds: 86_400 })).freed.blobs.files, 4)
  assert.equal(listing(store.root), [])
})

gc('refuses a pin of missing layers, and leaves no pin', async () => {
  const store = await newStore()
  const { record } = await importInto(await newStore(), 'app/a-1', tarballs(1))
  const pin = { name: 'p', records: [record], layers: [], text: '' }
  await refusedLater(addPin(store, pin), 'BLOB_MISSING', /./)
  await refusedLater(readPin(store.root, 'p'), 'PIN_UNKNOWN', /./)
})

const DAMAGE: [string, string][] = [
  ['a ref that is junk', 'chmod 644 "$1/refs/modules/app/a/1"; echo junk > "$1/refs/modules/app/a/1"'],
  ['a ref without its record', 'rm "$2"'],
  ['a layer manifest that is gone', 'rm "$3"'],
  [
    'a record with a flipped bit',
    'chmod 644 "$2"; printf X | dd of="$2" conv=notrunc bs=1 seek=30 status=none'
  ],
  ['a pin that is junk', 'mkdir "$1/refs/pins"; echo junk > "$1/refs/pins/p"'],
  ['a strange thing in the history', 'echo > "$1/refs/history/app/a/1/strange"']
]

for (const [title, script] of someOf(DAMAGE, 3))
  gc(`removes nothing when it meets ${title}`, async () => {
    const store = await newStore()
    const [one, two] = tarballs(2)
    const { record, layers } = await importInto(store, 'app/a-1', [one])
    await importInto(store, 'app/b-1', [two])
    await remove(store, 'app/b-1')
    const file = (id: typeof record) => join(store.root, blobPath(sha256Of(id), ''))
    bash(script, store.root, file(record), file(layers[0].id))
    age(store.root, 2)
    const before = listing(store.root)
    for (const dryRun of [true, false]) {
      const work = collect(store, { olderThanSeconds: 0, graceSeconds: 0, dryRun })
      await refusedLater(work, 'GC_UNSAFE', /nothing is removed/)
    }
    assert.equal(listing(store.root), before)
  })

long('drops compiled layers on demand, and they come back with the same bytes', async () => {
  const store = await newStore()
  const [one] = tarballs(1)
  const { layers } = await importInto(store, 'app/a-1', [one])
  const [{ id, manifest }] = layers
  const other = { ...store.profile, blockSize: 4096 }
  await (await openObject(store, id, other)).data.close()
  const files = [
    indexPath(sha256Of(id), store.profile),
    indexPath(sha256Of(id), other),
    dataPath(sha256Of(manifest.tar), other)
  ].map(path => join(store.root, path))
  const own = join(store.root, dataPath(sha256Of(manifest.tar), store.profile))
  const hashes = files.map(sha256OfFile)
  const ownHash = sha256OfFile(own)
  age(store.root, 2)
  assert.is((await collect(store)).bytes, 0, 'only on demand')
  const { freed } = await collect(store, { objects: true })
  assert.is(freed.objects.files, 4, 'with the note of a check')
  assert.is(sha256OfFile(own), ownHash, 'what the recipe names is no copy')
  for (const file of files) assert.throws(() => readFileSync(file), /ENOENT/)
  await isWhole(store, 'app/a-1', one)
  for (const profile of [store.profile, other]) await (await openObject(store, id, profile)).data.close()
  assert.equal(files.map(sha256OfFile), hashes)
})

long('changes nothing in read-only stores, and counts what they hold', async () => {
  const site = await newStore()
  const own = await newStore()
  const [one, two] = tarballs(2)
  const { record } = await importInto(site, 'app/site-1', [one])
  await importInto(own, 'app/own-1', [two])
  await remove(site, 'app/site-1')
  age(site.root, 9)
  const store = await openRepository({ store: own.root, path: site.root })
  await addPin(store, { name: 'p', records: [record], layers: [], text: 'x' })
  const before = bash('cd "$1"; find . -type f -printf "%p %T@ %C@\\n" | sort', site.root).toString()
  await collect(store, { graceSeconds: 0, olderThanSeconds: 0, objects: true })
  assert.is(bash('cd "$1"; find . -type f -printf "%p %T@ %C@\\n" | sort', site.root).toString(), before)
  const failure = await refusedLater(collect(own, { graceSeconds: 0 }), 'GC_UNSAFE', /./)
  assert.match(failure.hint ?? '', /COMPOSE_PATH/)
})

gc('removes files in tmp older than a day, whatever the grace period', async () => {
  const store = await newStore()
  bash(
    `cd "$1/tmp"; echo > old; mkdir folder; echo > folder/x; echo > young
    touch -d '25 hours ago' old folder; touch -d '20 hours ago' young`,
    store.root
  )
  const { freed } = await collect(store, { graceSeconds: 0 })
  assert.is(freed.leftovers.files, 2)
  assert.is(bash('ls "$1/tmp"', store.root).toString(), 'young\n')
})

gc('gives back the files that a killed collector had aside', async () => {
  const store = await newStore()
  const [one] = tarballs(1)
  const { layers } = await importInto(store, 'app/a-1', [one])
  const digest = sha256Of(layers[0].manifest.tar)
  const flat = `blobs!sha256!${digest.slice(0, 2)}!${digest.slice(2)}.recipe`
  bash(
    'mv "$1" "$2"',
    join(store.root, blobPath(digest, '.recipe')),
    join(store.root, 'tmp', `removed!${flat}!0123456789abcdef`)
  )
  assert.is((await fsck(store)).findings.length, 1)
  await collect(store)
  await isWhole(store, 'app/a-1', one)
  assert.is(bash('ls "$1/tmp"', store.root).toString(), '')
})

gc('a damaged recipe stops --objects with its name, because its data file is not known', async () => {
  const store = await newStore()
  const [one] = tarballs(1)
  const { layers } = await importInto(store, 'app/a-1', [one])
  const path = join(store.root, blobPath(sha256Of(layers[0].manifest.tar), '.recipe'))
  bash('chmod u+w "$1"; truncate -s -1 "$1"', path)
  const error = await refusedLater(collect(store, { objects: true }), 'BLOB_CORRUPT', /recipe .* is damaged/)
  assert.ok(error.message.includes(path))
})

gc('a record that is imported again after it was dropped is whole', async () => {
  const store = await newStore()
  const [one] = tarballs(1)
  const first = await importInto(store, 'app/a-1', [one])
  await remove(store, 'app/a-1')
  await collect(store, { graceSeconds: 0, olderThanSeconds: 0 })
  assert.equal(listing(store.root), [])
  const second = await importInto(store, 'app/a-1', [one])
  assert.equal(second.record, first.record)
  await isWhole(store, 'app/a-1', one)
})

gc('a pin file is ids, an empty line and the text, as its document shows', async () => {
  const store = await newStore()
  const { record, layers } = await importInto(store, 'app/a-1', tarballs(1))
  const text = 'bytes \xff\n\nand lines'
  await addPin(store, { name: 'p', records: [record], layers: [layers[0].id], text })
  const file = readFileSync(join(store.root, 'refs/pins/p'), 'latin1')
  assert.is(file, `strata pin 1\nrecord ${formatCid(record)}\nlayer ${formatCid(layers[0].id)}\n\n${text}`)
  const pin = await readPin(store.root, 'p')
  assert.equal(pin.records.map(formatCid), [formatCid(record)])
  assert.is(pin.text, text)
  assert.equal(parseCid(formatCid(pin.layers[0]), DAG_JSON, 'test'), layers[0].id)
  bash('chmod 644 "$1"', join(store.root, 'refs/pins/p'))
  writeFileSync(join(store.root, 'refs/pins/p'), file.replace('layer ', 'lawyer '))
  await refusedLater(readPin(store.root, 'p'), 'MANIFEST_INVALID', /./)
})

gc.run()
