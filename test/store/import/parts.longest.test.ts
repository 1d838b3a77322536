import { createCipheriv } from 'node:crypto'
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import * as assert from 'uvu/assert'
import { fsck } from '../../../store/fsck/check-store.ts'
import { unpublish } from '../../../store/import/unpublish-module.ts'
import { parseModuleName } from '../../../store/module/name.ts'
import { openRepository } from '../../../store/repository/open-repository.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import { COMPOSE } from '../../helpers/compose.ts'
import { maker, withMounted } from '../../helpers/loop-mount.ts'
import { needing } from '../../helpers/needs.ts'
import { age, collect, isWhole } from '../../helpers/old-store.ts'
import { partFiles } from '../../helpers/part-files.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { importInto, newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'
import { composed } from '../../helpers/warm-compose.ts'
import {
  alice,
  bob,
  composedAs,
  contentFiles,
  failsAs,
  readableBy,
  reader,
  root,
  sharedStore,
  VASP,
  vaspUser
} from '../shared/people.ts'

/** Two versions of a layer: files of 3 MB that do not pack, and 2,000 small ones (spec/object.md#parts). */
const parts = suite('parts')

/** Bytes that do not pack, the same in every run, so that they are cut at the same places. */
const noise = (seed: number, lengthBytes: number): Buffer =>
  createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16)).update(Buffer.alloc(lengthBytes))

/** @param change shell commands that make the second version from the first */
function versions(change: string, folder = scratch()): string[] {
  mkdirSync(join(folder, 't'))
  for (const i of [1, 2, 3, 4, 5]) writeFileSync(join(folder, 't', `large-${i}`), noise(i, 3_000_017))
  writeFileSync(join(folder, 'other'), noise(6, 3_000_017))
  bash(
    `cd "$1"
    awk 'BEGIN { for (i = 1; i <= 2000; i++) { f = "t/small-" i; for (j = i; j <= i + 300; j++) print j > f; close(f) } }'
    tar --sort=name -cf one.tar t; ${change}; tar --sort=name -cf two.tar t; rm -r t`,
    folder
  )
  return ['one.tar', 'two.tar'].map(name => join(folder, name))
}

const partsOf = ({ root }: Pick<Repository, 'root'>): string[] =>
  contentFiles(root).filter(file => file.startsWith('parts/'))

const sizeOf = ({ root }: Repository): number =>
  partsOf({ root }).reduce((sum, part) => sum + statSync(join(root, part)).size, 0)

for (const [what, change, most] of [
  ['a new file of 100 kB that comes first', 'head -c 100000 other > t/aaa', 3.2e6],
  ['a changed file of 3 MB in the middle', 'mv other t/large-3', 5e6],
  ['a small file that is gone', 'rm t/small-1000', 3.2e6],
  ['other owners and times', 'chmod 600 t/small-7; touch -d @1 t/large-*', 0]
] as const)
  parts(`a version with ${what} adds at most ${most / 1e6} MB of parts`, async () => {
    const store = await newStore()
    const [one, two] = versions(change)
    await importInto(store, 'app/a-1', [one])
    assert.ok(partsOf(store).length >= 5)
    const before = sizeOf(store)
    await importInto(store, 'app/a-2', [two])
    const added = sizeOf(store) - before
    assert.ok(added <= most, `${added} of ${before}`)
    await isWhole(store, 'app/a-1', one)
    await isWhole(store, 'app/a-2', two)
  })

parts('the same versions have the same parts in every store, in whatever order they come', async () => {
  const [one, two] = versions('rm t/large-2; head -c 100000 /dev/urandom > t/aaa')
  const stores = [await newStore(), await newStore()]
  for (const [i, order] of [
    [one, two],
    [two, one]
  ].entries())
    for (const [n, tar] of order.entries()) await importInto(stores[i], `app/a-${n}`, [tar])
  assert.equal(partsOf(stores[0]), partsOf(stores[1]))
})

parts('gc keeps the parts that another version needs, and removes the others', async () => {
  const store = await newStore()
  const [one, two] = versions('rm t/large-1 t/large-2')
  await importInto(store, 'app/a-2', [two])
  const needed = partsOf(store)
  const bytes = sizeOf(store)
  await importInto(store, 'app/a-1', [one])
  await unpublish(store, parseModuleName('app/a-1'))
  age(store.root, 10)
  const { freed } = await collect(store, { olderThanSeconds: 86_400 })
  assert.ok(freed.parts.files > 0)
  assert.ok(freed.parts.bytes > 4_000_000)
  assert.equal(partsOf(store), needed)
  assert.is(sizeOf(store), bytes)
  await isWhole(store, 'app/a-2', two)
})

parts(
  'a damaged or missing part is one finding with all modules that need it, and is copied back',
  async () => {
    const store = await newStore()
    const [one, two] = versions('rm t/large-5')
    await importInto(store, 'app/a-1', [one])
    await importInto(store, 'lib/b-1', [two])
    const copy = join(scratch(), 'copy')
    bash('cp -a "$1" "$2"', store.root, copy)
    const lists = contentFiles(store.root).filter(file => file.startsWith('data/'))
    const [ofOne, ofTwo] = lists.map(list => partFiles(store.root, join(store.root, list)))
    const shared = relative(store.root, ofOne.find(part => ofTwo.includes(part))!)
    const path = join(store.root, shared)
    for (const damage of [
      'chmod 600 "$1"; printf X | dd of="$1" bs=1 seek=1000000 conv=notrunc status=none; chmod 444 "$1"',
      'chmod 600 "$1"; truncate -s -1 "$1"; chmod 444 "$1"',
      'rm "$1"'
    ]) {
      bash(damage, path)
      const found = (await fsck(store)).findings.filter(({ file }) => file === shared)
      assert.is(found.length, 1, damage)
      assert.equal(found[0].modules, ['app/a-1', 'lib/b-1'], damage)
      const beside = await openRepository({ store: store.root, path: copy })
      const { findings } = await fsck(beside, { repair: true })
      assert.ok(
        findings.every(({ repaired }) => repaired),
        JSON.stringify(findings)
      )
      assert.equal((await fsck(store)).findings, [])
    }
    await isWhole(store, 'app/a-1', one)
  }
)

needing(
  parts,
  'root',
  maker('xfs'),
  'mount'
)('an image of the second version shares its pages with the parts of the first', async () => {
  await withMounted('xfs', async folder => {
    const tars = versions('head -c 100001 /dev/urandom > t/aaa', folder)
    const store = join(folder, 'store')
    composed('', ['init', store, '--level', '1'])
    for (const [i, tar] of tars.entries()) composed(store, ['import', `app/a-${i + 1}`, tar])
    const { clonedBytes, copiedBytes } = composed(store, [
      'build',
      '--bare',
      join(folder, 'i.sqfs'),
      'app/a-2'
    ])
    assert.ok(
      clonedBytes >= 0.95 * (clonedBytes + copiedBytes),
      `${clonedBytes} of ${clonedBytes + copiedBytes}`
    )
    rmSync(join(folder, 'i.sqfs'))
  })
})

/** `ulimit -n` of shells that allow few open files: a quarter of it may be open parts. */
const FEW = { blocks: 29, streams: 48 }

needing(
  parts,
  'root',
  'unsquashfs',
  'umoci'
)('an image, a sandbox and an OCI layout are whole when parts outnumber the descriptors', () => {
  const folder = scratch()
  const [tar, store, tree] = ['t.tar', 'store', 'tree'].map(name => join(folder, name))
  bash(
    `cd "$1"; mkdir t; for i in $(seq 16); do head -c 2500000 /dev/urandom > t/$i; done; tar -cf t.tar t; tar -xpf t.tar --one-top-level=tree`,
    folder
  )
  composed('', ['init', store, '--level', '1'])
  composed(store, ['import', 'app/a-1', tar])
  assert.ok(partsOf({ root: store }).length > FEW.streams / 4)
  const build = (limit: number, ...words: string[]): void => {
    const command = [process.execPath, COMPOSE, '--store', store, 'build', '--bare', ...words, 'app/a']
    bash('ulimit -n "$1"; shift; exec "$@" > /dev/null', String(limit), ...command)
  }
  for (const { blocks, streams } of [FEW, { blocks: 1024, streams: 1024 }]) {
    const [image, sandbox, layout] = ['i.sqfs', 'sandbox', 'oci'].map(name =>
      join(folder, `${blocks}-${name}`)
    )
    build(blocks, image)
    build(blocks, '--sandbox', sandbox)
    build(streams, '--format', 'oci', '--layer-comp', 'none', layout)
    bash('unsquashfs -q -n -no-progress -d "$1-tree" "$1"; diff -r "$1-tree/t" "$2/t"', image, tree)
    bash('diff -r "$1/t" "$2/t"', sandbox, tree)
    bash('umoci unpack --image "$1" "$1-tree"; diff -r "$1-tree/rootfs/t" "$2/t"', layout, tree)
  }
})

const access = needing(parts, 'root', 'setpriv', 'getfacl')

access(
  'a restricted part stays closed when an open module brings the same bytes, which needs no flag',
  () => {
    const { folder, store } = sharedStore()
    const [one, two] = versions('rm t/large-5', folder)
    bash('chmod 644 "$1" "$2"', one, two)
    composedAs(alice, store, ['import', 'app/vasp-1', one, '--access-group', `${VASP}`])
    const closed = contentFiles(store).filter(file => file.startsWith('parts/'))
    composedAs(bob, store, ['import', 'lib/open-1', two])
    assert.equal(readableBy(reader, store, closed), [])
    assert.equal(readableBy(vaspUser, store, closed), closed)
    bash('mkdir -m 777 "$1/out"', folder)
    for (const [who, module] of [
      [reader, 'lib/open'],
      [vaspUser, 'app/vasp']
    ] as const) {
      const image = join(folder, 'out', `${who.uid}.sqfs`)
      composedAs(who, store, ['build', '--bare', image, module])
      assert.ok(existsSync(image))
    }
    const before = contentFiles(store).length
    composedAs(bob, store, ['import', 'lib/open-2', two, '--prefix', 'elsewhere'])
    assert.is(
      contentFiles(store).length - before,
      3,
      'record, layer and tree index: open modules share their parts'
    )
    assert.equal(composedAs(root, store, ['fsck']).findings, [])
  }
)

access('a restricted module uses the parts of an open one, and its publisher is told', () => {
  const { folder, store } = sharedStore()
  const [one, two] = versions('rm t/large-5', folder)
  bash('chmod 644 "$1" "$2"', one, two)
  composedAs(alice, store, ['import', 'lib/open-1', one])
  const open = contentFiles(store).filter(file => file.startsWith('parts/'))
  const { notes } = composedAs(alice, store, ['import', 'app/vasp-1', two, '--access-group', `${VASP}`])
  assert.match(notes.join(), /open to more than its groups, because lib\/open-1 has the same/)
  assert.equal(readableBy(reader, store, open), open)
  composedAs(alice, store, ['unpublish', 'lib/open-1'])
  composedAs(alice, store, ['import', 'app/vasp-1', two, '--access-group', `${VASP}`, '--replace'])
  assert.equal(
    composedAs(root, store, ['fsck', '--repair']).findings.filter((f: { repaired: boolean }) => !f.repaired),
    []
  )
})

access('a part of a single byte, which cannot be cut, is opened by its owner for an open module', () => {
  const { folder, store } = sharedStore()
  bash(
    'cd "$1"; mkdir t; for f in x y; do printf 1 > t/$f; tar -cf $f.tar t; rm t/$f; done; chmod 644 *.tar',
    folder
  )
  const [x, y] = ['x.tar', 'y.tar'].map(name => join(folder, name))
  composedAs(alice, store, ['import', 'app/vasp-1', x, '--access-group', `${VASP}`])
  const closed = contentFiles(store).filter(file => file.startsWith('parts/'))
  assert.is(closed.length, 1)
  assert.is(statSync(join(store, closed[0])).size, 1)
  assert.is(failsAs(bob, store, ['import', 'lib/open-1', y]).code, 'STORE_ACCESS')
  composedAs(alice, store, ['import', 'lib/open-1', y])
  assert.equal(readableBy(reader, store, closed), closed)
})

parts.run()
