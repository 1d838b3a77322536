import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { defaultStore, initStore } from '../../../store/files/store.ts'
import { openRepository } from '../../../store/repository/open-repository.ts'
import { sha256OfFile } from '../../helpers/layers.ts'
import { atAllSize, atCheckSize, needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { QUICK } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'
import { archive, file } from '../../helpers/tar-make.ts'
import { compose, composed, composeFails } from '../../helpers/warm-compose.ts'

const store = suite('store')
const long = atCheckSize(store)

function tarball(content = 'x'): string {
  const path = join(scratch(), 'layer.tar')
  writeFileSync(path, archive(file('a', content)))
  return path
}

store('init twice is fine, and reports that nothing was made', () => {
  const root = join(scratch(), 'new/store')
  assert.is(composed(root, ['init']).made, true)
  const before = readFileSync(join(root, 'store.json'), 'utf8')
  assert.is(composed(root, ['init']).made, false)
  assert.is(readFileSync(join(root, 'store.json'), 'utf8'), before)
  assert.is(composeFails(root, ['init', '--level', '3'], 10).code, 'STORE_EXISTS')
})

store('init goes on where an interrupted init stopped', async () => {
  const root = scratch()
  mkdirSync(join(root, 'blobs/sha256'), { recursive: true })
  assert.is(await initStore(root), true)
})

store('init refuses a folder that holds something else, and leaves it alone', () => {
  const root = scratch()
  writeFileSync(join(root, 'thesis.tex'), 'x')
  const error = composeFails(root, ['init'], 10)
  assert.is(error.code, 'STORE_EXISTS')
  assert.match(error.message, /thesis\.tex/)
  assert.is(bash('ls "$1"', root).toString(), 'thesis.tex\n')
})

long('init refuses a level, a compressor or a block size that SquashFS does not have', () => {
  for (const flags of [
    ['--level', '23'],
    ['--comp', 'lzo'],
    ['--block', '3K'],
    ['--block', '2M'],
    ['--level', 'x']
  ])
    assert.is(composeFails(join(scratch(), 's'), ['init', ...flags], 2).code, 'USAGE')
})

store('a folder without store.json is not a store, and the error says how to make one', () => {
  const root = join(scratch(), 'none')
  const error = composeFails(root, ['show', 'app/a'], 10)
  assert.is(error.code, 'STORE_MISSING')
  assert.match(error.hint!, new RegExp(`^compose init ${root} makes one; `))
})

store('a store of another version, or a store.json that is none, is refused', async () => {
  const root = join(scratch(), 'store')
  await initStore(root, QUICK)
  const path = join(root, 'store.json')
  chmodSync(path, 0o644)
  const there = JSON.parse(readFileSync(path, 'utf8'))
  writeFileSync(path, JSON.stringify({ ...there, version: 3 }))
  await refusedLater(openRepository({ store: root }), 'STORE_VERSION', /version 3, wanted 2/)
  for (const text of [
    '{',
    '{"strata":"shop","version":1}',
    JSON.stringify({ ...there, profile: { level: 99 } })
  ]) {
    writeFileSync(path, text)
    await refusedLater(openRepository({ store: root }), 'MANIFEST_INVALID', /store\.json/)
  }
})

store('the default store lies under XDG_DATA_HOME, a relative one is ignored', () => {
  assert.is(defaultStore({ XDG_DATA_HOME: '/data' }), '/data/strata')
  assert.match(defaultStore({ XDG_DATA_HOME: 'data' }), /^\/.+\/\.local\/share\/strata$/)
  const home = scratch()
  const made = composed('', ['init'], { env: { COMPOSE_STORE: '', XDG_DATA_HOME: home } })
  assert.is(made.store, join(home, 'strata'))
})

store('--store goes before COMPOSE_STORE, and may be spelled like a command', () => {
  const folder = scratch()
  composed('/nonexistent', ['--store', 'import', 'init', '--level', '1'], { cwd: folder })
  composed('/nonexistent', ['--store', 'import', 'import', 'base/a-1', tarball()], { cwd: folder })
  assert.is(
    composed('/nonexistent', ['show', 'base/a', '--store', 'import'], { cwd: folder }).module,
    'base/a-1'
  )
})

store('published files are read-only, and unnamed files are private to their owner', () => {
  const root = join(scratch(), 'store')
  composed(root, ['init', '--level', '1'])
  composed(root, ['import', 'base/a-1', tarball('x'.repeat(10_000))])
  const modes = bash(
    'find "$1"/blobs "$1"/data "$1"/parts "$1"/objects -type f ! -name "*.checked" -printf "%m\\n" | sort -u',
    root
  )
  assert.is(modes.toString(), '444\n')
  assert.is(bash('stat -c %a "$1/tmp"', root).toString(), '700\n')
  assert.is(bash('find "$1/tmp" -type f | wc -l', root).toString(), '0\n')
})

store('COMPOSE_PATH names further stores, searched in order', () => {
  const folder = scratch()
  const [mine, group, site] = ['mine', 'group', 'site'].map(name => join(folder, name))
  for (const root of [mine, group, site]) composed(root, ['init', '--level', '1'])
  composed(site, ['import', 'base/os-1', tarball('site')])
  composed(site, ['import', 'app/x-1', tarball('old')])
  composed(group, ['import', 'app/x-1', tarball('group')])
  const env = { COMPOSE_PATH: `${group}::${site}` }
  assert.is(composed(mine, ['show', 'base/os'], { env }).store, site)
  assert.is(composed(mine, ['show', 'app/x'], { env }).store, group)
  composed(mine, ['export', 'base/os', join(folder, 'out')], { env })
  assert.is(sha256OfFile(join(folder, 'out/layer.tar')), sha256OfFile(tarball('site')))
  assert.is(compose(mine, ['show', 'base/os']).status, 14)
  assert.is(composed(mine, ['fsck'], { env }).findings.length, 0)
})

needing(store, 'root')('a reader without write permission can read, and is told that it cannot write', () => {
  const folder = scratch()
  const root = join(folder, 'store')
  composed(root, ['init', '--level', '1'])
  composed(root, ['import', 'base/a-1', tarball()])
  bash('chmod 755 "$1"; mkdir -m 777 "$1/out"', folder)
  const reader = { uid: 65534 }
  assert.is(composed(root, ['show', 'base/a'], reader).module, 'base/a-1')
  composed(root, ['export', 'base/a', join(folder, 'out')], reader)
  assert.is(composed(root, ['fsck'], reader).findings.length, 0)
  const error = composeFails(root, ['import', 'base/b-1', tarball()], 10, reader)
  assert.is(error.code, 'STORE_READONLY')
  assert.match(error.hint!, /COMPOSE_STORE/)
})

atAllSize(needing(store, 'root', 'mount'))(
  'a full disk ends an import with its name, and leaves nothing behind',
  () => {
    const folder = scratch()
    bash('mount -t tmpfs -o size=3m tmpfs "$1"', folder)
    try {
      const root = join(folder, 'store')
      composed(root, ['init', '--level', '1'])
      const tar = join(scratch(), 'big.tar')
      bash('cd "$(dirname "$1")"; head -c 8M /dev/urandom > big; tar -cf "$1" big', tar)
      const { code, facts } = composeFails(root, ['import', 'base/a-1', tar], 1)
      assert.equal([code, facts.errno], ['IO', 'ENOSPC'])
      assert.is(bash('find "$1"/tmp "$1"/data "$1"/blobs -type f | wc -l', root).toString(), '0\n')
      composed(root, ['import', 'base/a-1', tarball()])
    } finally {
      bash('umount "$1"', folder)
    }
  }
)

store('a blob that is a symbolic link is not followed', () => {
  const root = join(scratch(), 'store')
  composed(root, ['init', '--level', '1'])
  composed(root, ['import', 'base/a-1', tarball()])
  bash(
    'for blob in $(find "$1/blobs" -type f); do mv "$blob" "$blob.moved"; ln -s "$blob.moved" "$blob"; done',
    root
  )
  const ran = compose(root, ['show', 'base/a'])
  assert.is.not(ran.status, 0)
  assert.match(ran.err, /is a symbolic link[\s\S]*BLOB_CORRUPT/)
})

store.run()
