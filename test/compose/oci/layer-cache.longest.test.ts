import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { someOf } from '../../helpers/size.ts'
import { suite } from '../../helpers/suite.ts'
import { compose, composed, composeFails } from '../../helpers/warm-compose.ts'

/** `compose build --format oci` a second time: from packed layers that the store keeps. */
const cache = suite('oci: packed layers in the store')

const GROUP = 4242
const OBJECT_CORRUPT = 12
const CONFLICT = 30

interface Built {
  store: string
  folder: string
}

function newStore(): Built {
  const folder = scratch()
  const store = join(folder, 'store')
  chmodSync(folder, 0o755)
  bash(
    `cd "$1"; mkdir -p base/etc lib/opt/lib app/opt/app
    seq 100000 > base/etc/numbers; head -c 300000 /dev/urandom > lib/opt/lib/noise; echo app > app/opt/app/run
    for name in base lib app; do tar -C $name --owner=0 --group=0 -cf $name.tar .; done`,
    folder
  )
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'base/os-1', join(folder, 'base.tar')])
  composed(store, ['import', 'lib/l-1', join(folder, 'lib.tar')])
  composed(store, ['import', 'app/a-1', join(folder, 'app.tar')])
  return { store, folder }
}

const ALL = ['base/os', 'lib/l', 'app/a']
let builds = 0

/** The layout, and what was said of the cache. */
function build({ store, folder }: Built, modules: string[], ...flags: string[]) {
  const layout = join(folder, `layout${builds++}`)
  const report = composed(store, ['build', layout, ...modules, '--format', 'oci', ...flags])
  return { layout, manifest: report.manifest.digest, cache: report.cache }
}

const files = ({ store }: Built, pattern = '*'): string[] =>
  bash('cd "$1"; find oci -type f -name "$2" | sort', store, pattern).toString().split('\n').slice(0, -1)

/** Blobs, in byte order of their keys. */
const blobs = (built: Built): string[] =>
  files(built, '*.json').map(path => join(built.store, path.slice(0, -'.json'.length)))

const sameFolders = (a: string, b: string) => bash('diff -r "$1" "$2"', a, b)

cache('gives the same layout as packing, byte for byte, with generated files and bare', () => {
  const built = newStore()
  for (const flags of someOf([[], ['--bare'], ['--layer-comp', 'none'], ['--layer-comp', 'gzip']], 2)) {
    const packed = build(built, ALL, '--no-cache', ...flags)
    assert.is(packed.cache, undefined)
    const first = build(built, ALL, ...flags)
    const again = build(built, ALL, ...flags)
    const isKnown = flags[0] === '--bare' // whose modules' layers are those of an image that is not
    assert.equal(first.cache, isKnown ? { used: 3, kept: 0 } : { used: 0, kept: 3 })
    assert.equal(again.cache, { used: 3, kept: 0 })
    sameFolders(packed.layout, first.layout)
    sameFolders(packed.layout, again.layout)
  }
})

cache('serves stacks that begin with the same modules, and no other order, audience or rule', () => {
  const built = newStore()
  build(built, ALL)
  assert.equal(build(built, ['base/os', 'lib/l']).cache, { used: 2, kept: 0 })
  assert.equal(build(built, ['base/os', 'app/a']).cache, { used: 1, kept: 1 })
  for (const flags of [
    ['--for', `group:${GROUP}`],
    ['--on-conflict', 'upper'],
    ['--acl-modes', 'group'],
    ['--level', '2']
  ])
    assert.equal(build(built, ALL, ...flags).cache, { used: 0, kept: 3 }, flags.join(' '))
})

cache('serves no stack whose module has other `replaces` patterns', () => {
  const built = newStore()
  bash('cd "$1"; mkdir -p r/etc; echo r > r/etc/numbers; tar -C r -cf r.tar .', built.folder)
  const tar = join(built.folder, 'r.tar')
  for (const [version, pattern] of [
    ['1', 'etc/numbers'],
    ['2', 'etc/*']
  ]) {
    const spec = join(built.folder, `r${version}.yaml`)
    writeFileSync(spec, `replaces: ['${pattern}']\n`)
    composed(built.store, ['import', `lib/r-${version}`, tar, '--spec', spec])
  }
  assert.equal(build(built, ['base/os', 'lib/r-1']).cache, { used: 0, kept: 2 })
  assert.equal(build(built, ['base/os', 'lib/r-2']).cache, { used: 1, kept: 1 })
})

const damages: Record<string, (path: string) => void> = {
  'other bytes of the same length': path => {
    const bytes = readFileSync(path)
    bytes[bytes.length - 9] ^= 1
    rewrite(path, bytes)
  },
  'a shorter blob': path => rewrite(path, readFileSync(path).subarray(1)),
  'no blob': path => rmSync(path),
  'no note': path => rmSync(`${path}.json`),
  'a note that is no JSON': path => rewrite(`${path}.json`, Buffer.from('{"strata":')),
  'a note of another version': path =>
    rewrite(
      `${path}.json`,
      Buffer.from(readFileSync(`${path}.json`, 'utf8').replace('"version":1', '"version":2'))
    ),
  'a blob that others may write to': path => chmodSync(path, 0o666),
  'no note of a check': path => rmSync(`${path}.checked`)
}

function rewrite(path: string, bytes: Uint8Array): void {
  chmodSync(path, 0o644)
  writeFileSync(path, bytes)
  chmodSync(path, 0o444)
}

/** Whole again after each of them. */
let shared: Built | undefined

for (const [what, damage] of Object.entries(damages))
  cache(`never uses what is damaged, and makes it anew: ${what}`, () => {
    shared ??= newStore()
    const built = shared
    const first = build(built, ALL)
    const before = files(built)
    blobs(built).forEach(damage)
    const again = build(built, ALL)
    const isUsable = what === 'no note of a check' // it is hashed, and found whole
    assert.equal(again.cache, isUsable ? { used: 3, kept: 0 } : { used: 0, kept: 3 })
    sameFolders(first.layout, again.layout)
    assert.equal(files(built), before)
    assert.equal(build(built, ALL).cache, { used: 3, kept: 0 }, 'whole again')
  })

cache('--verify hashes a blob even if it is the very file that was checked last', () => {
  const built = newStore()
  build(built, ALL)
  const [path] = blobs(built)
  const note = `${path}.json`
  // A disk that changes bytes by itself would leave a note with another hash than that of the blob.
  const digest = JSON.parse(readFileSync(note, 'utf8')).digest
  rewrite(
    note,
    Buffer.from(
      readFileSync(note, 'utf8').replace(
        digest,
        digest.replace(/^./, (c: string) => (c === '0' ? '1' : '0'))
      )
    )
  )
  assert.equal(build(built, ALL, '--verify').cache, { used: 2, kept: 1 })
})

cache('a build that fails while known layers are copied leaves nothing', () => {
  const built = newStore()
  build(built, ALL)
  bash('cd "$1"; mkdir -p c/etc; echo c > c/etc/numbers; tar -C c -cf c.tar .', built.folder)
  composed(built.store, ['import', 'lib/c-1', join(built.folder, 'c.tar')])
  const out = join(built.folder, 'out')
  mkdirSync(out)
  const conflict = ['build', join(out, 'a'), 'base/os', 'lib/c', '--format', 'oci']
  assert.is(composeFails(built.store, conflict, CONFLICT).code, 'CONFLICT')
  for (const index of bash('find "$1"/objects -name "*.index"', built.store).toString().trim().split('\n')) {
    const bytes = readFileSync(index)
    bytes[bytes.length - 1] ^= 1
    rewrite(index, bytes)
  }
  const damaged = ['build', join(out, 'b'), ...ALL, '--format', 'oci']
  assert.match(composeFails(built.store, damaged, OBJECT_CORRUPT).message, 'do not match the hash at its end')
  assert.equal(readdirSync(out), [])
})

needing(cache, 'root')('is skipped with a note if the store cannot be written', () => {
  const built = newStore()
  const out = join(built.folder, 'of-user')
  mkdirSync(out)
  chownSync(out, 12345, 12345)
  const asUser = (name: string) =>
    composed(built.store, ['build', join(out, name), ...ALL, '--format', 'oci'], { uid: 12345 })
  const first = asUser('one')
  assert.is(first.cache.used + first.cache.kept, 0)
  assert.match(first.cache.failure, /permission denied/i)
  const known = build(built, ALL)
  const again = asUser('two')
  assert.equal(again.cache, { used: 3, kept: 0 }, 'what root keeps is used')
  assert.is(again.manifest.digest, first.manifest.digest)
  sameFolders(known.layout, join(out, 'two'))
})

needing(cache, 'root')('a full disk leaves no half of a layer, and the layout is whole', () => {
  const built = newStore()
  const small = join(built.folder, 'small')
  bash('mkdir "$1"; mount -t tmpfs -o size=300k,mode=755 none "$1"', small)
  try {
    composed(small, ['init', '--level', '1'])
    const layout = join(built.folder, 'layout-full')
    const report = composed(small, ['build', layout, ...ALL, '--format', 'oci'], {
      env: { COMPOSE_PATH: built.store }
    })
    assert.match(report.cache.failure ?? JSON.stringify(report.cache), /ENOSPC/)
    assert.ok(report.cache.kept < 3)
    bash('test -z "$(ls "$1/tmp")"', small)
    sameFolders(layout, build(built, ALL).layout)
  } finally {
    bash('umount "$1"', small)
  }
})

needing(
  cache,
  'root',
  'getfacl'
)('is for those alone who may read every layer that it was made from', () => {
  const built = newStore()
  composed(built.store, [
    'import',
    'lib/secret-1',
    join(built.folder, 'lib.tar'),
    '--prefix',
    'x',
    '--access-group',
    String(GROUP)
  ])
  bash('cd "$1"; mkdir s; seq 5000 > s/own; tar -C s -cf s.tar .', built.folder)
  composed(built.store, ['import', 'app/s-1', join(built.folder, 's.tar'), '--access-group', String(GROUP)])
  build(built, ['base/os', 'app/s', 'app/a'])
  const accessOf = (path: string) => bash('getfacl -cnp "$1"', path).toString()
  const layersIn = (path: string) => JSON.parse(readFileSync(`${path}.json`, 'utf8')).layers.length
  for (const path of blobs(built)) {
    const isOpen = layersIn(path) === 1
    assert.is(statSync(path).mode & 0o004, isOpen ? 4 : 0)
    if (!isOpen) assert.match(accessOf(path), new RegExp(`group::---\ngroup:${GROUP}:r--`))
  }
  assert.equal(composed(built.store, ['fsck']).findings, [])
})

needing(
  cache,
  'root',
  'getfacl'
)('goes when a module gets other access groups', () => {
  const built = newStore()
  build(built, ALL)
  assert.is(blobs(built).length, 3)
  composed(built.store, [
    'import',
    'lib/l-1',
    join(built.folder, 'lib.tar'),
    '--access-group',
    String(GROUP),
    '--replace'
  ])
  assert.is(blobs(built).length, 1, 'the base alone was made from nothing of it')
  assert.equal(composed(built.store, ['fsck']).findings, [])
})

needing(cache, 'root')('fsck finds entries that are damaged or too open, and --repair removes them', () => {
  const built = newStore()
  composed(built.store, [
    'import',
    'app/a-1',
    join(built.folder, 'app.tar'),
    '--access-group',
    String(GROUP),
    '--replace'
  ])
  build(built, ALL)
  const found = () => {
    const ran = compose(built.store, ['--json', 'fsck'])
    return JSON.parse(ran.out).findings.map(({ code }: { code: string }) => code)
  }
  assert.equal(found(), [])
  const closed = blobs(built).find(path => (statSync(path).mode & 4) === 0)!
  const open = blobs(built).find(path => path !== closed)!
  bash('setfacl -b "$1"; chmod 444 "$1"', closed)
  damages['other bytes of the same length'](open)
  assert.equal(found().sort(), ['OBJECT_CORRUPT', 'STORE_ACCESS'])
  compose(built.store, ['fsck', '--repair'])
  assert.not.ok(existsSync(closed) || existsSync(open))
  assert.equal(found(), [])
  assert.equal(build(built, ALL).cache, { used: 1, kept: 2 })
})

cache.run()
