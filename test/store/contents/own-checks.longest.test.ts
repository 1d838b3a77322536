import { createHash } from 'node:crypto'
import { chmodSync, chownSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { OWN_CHECKS } from '../../../store/contents/own-checks.ts'
import { indexPath } from '../../../store/files/store-layout.ts'
import { decodeIndex, hashOfIndex } from '../../../store/object/layer-index.ts'
import { sha256Of } from '../../../store/values/digest.ts'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { importInto, newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'
import { compose, composed, composeFails } from '../../helpers/warm-compose.ts'

const checked = suite('indexes that were looked through')

const OBJECT_CORRUPT = 12

/** A module of 3,000 files: its index is large enough that looking through it counts. */
async function published() {
  const folder = scratch()
  bash('cd "$1"; mkdir t; (cd t; seq -f x%04.0f 3000 | xargs touch); tar -cf t.tar t', folder)
  const store = await newStore()
  const { layers } = await importInto(store, 'app/many-1', [join(folder, 't.tar')])
  const index = join(store.root, indexPath(sha256Of(layers[0].id), store.profile))
  const cache = join(folder, 'cache')
  const build = ['build', join(folder, 'image.sqfs'), 'app/many', '--no-sync']
  return { root: store.root, index, cache, file: join(cache, 'strata', OWN_CHECKS), build, folder }
}

type Published = Awaited<ReturnType<typeof published>>

const hashOf = (index: string) => hashOfIndex(readFileSync(index)).toString('hex')

/** A name that no file can have, and the hash that fits: the work of somebody, not of a disk. */
const forge = (index: string): void =>
  rewrite(index, bytes => bytes.write('x/007', bytes.indexOf('x0007'), 'latin1'))

function rewrite(index: string, change: (bytes: Buffer) => void): void {
  const bytes = readFileSync(index)
  change(bytes)
  createHash('sha256')
    .update(bytes.subarray(0, -32))
    .digest()
    .copy(bytes, bytes.length - 32)
  chmodSync(index, 0o644)
  writeFileSync(index, bytes)
  chmodSync(index, 0o444)
}

const refuses = ({ root, build, cache }: Published) =>
  assert.match(
    composeFails(root, build, OBJECT_CORRUPT, { env: { XDG_CACHE_HOME: cache } }).message,
    /it contradicts itself: entry \d+ has no name/
  )

checked('are noted once, for the user alone', async () => {
  const { root, index, cache, file, build } = await published()
  bash('mkdir "$1"', cache)
  for (let i = 0; i < 2; i++) composed(root, build, { env: { XDG_CACHE_HOME: cache } })
  assert.is(readFileSync(file, 'latin1'), `\nindex ${hashOf(index)}\n`)
  assert.is(statSync(file).mode & 0o777, 0o600)
})

checked('are noted behind a line that was cut off', async () => {
  const { root, index, cache, file, build } = await published()
  bash('mkdir -p "$1"; printf "\\n0123" > "$2"', join(cache, 'strata'), file)
  for (let i = 0; i < 2; i++) composed(root, build, { env: { XDG_CACHE_HOME: cache } })
  assert.is(readFileSync(file, 'latin1'), `\n0123\nindex ${hashOf(index)}\n`)
})

checked('are not noted where they contradict themselves', async () => {
  const made = await published()
  forge(made.index)
  refuses(made)
  refuses(made)
  assert.is(existsSync(made.file), false)
})

checked("are taken at the user's own word, and fsck takes nobody's", async () => {
  const made = await published()
  forge(made.index)
  bash('mkdir -p "$1"', join(made.cache, 'strata'))
  writeFileSync(made.file, `\nindex ${hashOf(made.index)}\n`, { mode: 0o600 })
  const env = { XDG_CACHE_HOME: made.cache }
  composed(made.root, made.build, { env })
  const { status, err } = compose(made.root, ['fsck'], { env })
  assert.is(status, OBJECT_CORRUPT, err)
  chmodSync(made.file, 0o666)
  refuses(made)
})

checked('are noted once, also when fsck looks through them', async () => {
  const { root, index, cache, file, build } = await published()
  const env = { XDG_CACHE_HOME: cache }
  bash('mkdir "$1"', cache)
  composed(root, build, { env })
  for (let i = 0; i < 2; i++) composed(root, ['fsck'], { env })
  assert.is(readFileSync(file, 'latin1'), `\nindex ${hashOf(index)}\n`)
})

checked('have hashes of directories, which fsck and build --verify compute again', async () => {
  const { root, index, build } = await published()
  const { listingHash } = decodeIndex(readFileSync(index))
  rewrite(index, bytes => {
    bytes[bytes.indexOf(listingHash)] ^= 1
  })
  composed(root, build)
  const wrong = /the hash of directory 0 does not match its content/
  assert.match(composeFails(root, [...build, '--verify'], OBJECT_CORRUPT).message, wrong)
  const { status, out } = compose(root, ['fsck'])
  assert.is(status, OBJECT_CORRUPT)
  assert.match(out, wrong)
  composed(root, ['fsck', '--repair'])
  composed(root, [...build, '--verify'])
})

checked('need no place of their own', async () => {
  const { root, build } = await published()
  const home = join(scratch(), 'gone')
  for (const env of [{ HOME: home }, { XDG_CACHE_HOME: '/proc/none' }, { XDG_CACHE_HOME: '/dev/null' }])
    composed(root, build, { env })
  assert.is(existsSync(home), false)
  const taken = scratch()
  bash('mkdir -p "$1"', join(taken, 'strata', OWN_CHECKS))
  composed(root, build, { env: { XDG_CACHE_HOME: taken } })
})

needing(checked, 'root')("are not taken at somebody else's word", async () => {
  const made = await published()
  forge(made.index)
  bash('mkdir -p "$1"', join(made.cache, 'strata'))
  writeFileSync(made.file, `\nindex ${hashOf(made.index)}\n`, { mode: 0o600 })
  chownSync(made.file, 4321, 4321)
  refuses(made)
})

checked.run()
