import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { needing } from '../helpers/needs.ts'
import { listing } from '../helpers/old-store.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { composed, composeFails } from '../helpers/warm-compose.ts'
import { alice, composedAs, reader, sharedStore, VASP } from '../store/shared/people.ts'

const du = suite('compose du')

/** Lengths of all files that modules need. */
const storedBytes = (store: string): number =>
  listing(store)
    .filter(line => !line.startsWith('refs/'))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)

/** Two versions of a layer, and another layer. */
function threeModules(): string {
  const folder = scratch()
  const store = join(folder, 'store')
  bash(
    `cd "$1"; mkdir t o; for i in 1 2 3; do head -c 3000017 /dev/urandom > t/$i; done; seq 1000 > o/other
    tar --sort=name -cf a-1.tar t; head -c 3000017 /dev/urandom > t/3; tar --sort=name -cf a-2.tar t; tar -cf o-1.tar o`,
    folder
  )
  composed(store, ['init', '--level', '1'])
  for (const [module, tar] of [
    ['app/a-1', 'a-1.tar'],
    ['app/a-2', 'a-2.tar'],
    ['lib/o-1', 'o-1.tar']
  ])
    composed(store, ['import', module, join(folder, tar)])
  return store
}

const named =
  (name: string) =>
  ({ module }: { module: string }) =>
    module === name

du('a module owns what unpublishing it and collecting garbage frees', () => {
  const store = threeModules()
  const { modules, total } = composed(store, ['du'])
  assert.is(total.apparentBytes, storedBytes(store))
  assert.is(
    total.diskBytes,
    Number(
      bash(
        `cd "$1"; find blobs data parts objects -type f ! -name '*.checked' -printf '%b\\n' | awk '{ s += $1 } END { print s * 512 }'`,
        store
      )
    )
  )
  const { ownBytes, sharedBytes, apparentBytes, unpackedBytes } = modules.find(named('app/a-2'))
  assert.is(unpackedBytes, 9_000_051)
  assert.is(ownBytes + sharedBytes, apparentBytes)
  assert.ok(sharedBytes > 4_000_000, `${sharedBytes}`)
  composed(store, ['unpublish', 'app/a-2'])
  composed(store, ['gc', '--older-than', '0s', '--grace', '0s'])
  assert.is(total.apparentBytes - storedBytes(store), ownBytes)
})

du('named modules come with those that they share files with', () => {
  const store = threeModules()
  const { modules, total } = composed(store, ['du', 'app/a-2', 'lib/o'])
  assert.is(total, undefined)
  assert.equal(modules.map(({ module }: { module: string }) => module).sort(), ['app/a-2', 'lib/o-1'])
  const { sharedWith, sharedBytes, sharers } = modules.find(named('app/a-2'))
  assert.equal(sharedWith, [{ module: 'app/a-1', apparentBytes: sharedBytes }])
  assert.is(sharers, 1)
  assert.equal(modules.find(named('lib/o-1')).sharedWith, [])
  assert.is(composeFails(store, ['du', 'app/none'], 14).code, 'MODULE_UNKNOWN')
})

needing(
  du,
  'root',
  'setpriv',
  'getfacl'
)('users see which modules are closed to them, and publishers see all', () => {
  const { folder, store } = sharedStore()
  bash('cd "$1"; head -c 2000000 /dev/urandom > f; tar -cf t.tar f; chmod 644 t.tar', folder)
  composedAs(alice, store, ['import', 'app/vasp-1', join(folder, 't.tar'), '--access-group', `${VASP}`])
  const [forReader] = composedAs(reader, store, ['du']).modules
  assert.ok(forReader.closed)
  assert.ok(forReader.apparentBytes < 100_000)
  const [forAlice] = composedAs(alice, store, ['du']).modules
  assert.not.ok(forAlice.closed)
  assert.ok(forAlice.apparentBytes > 2_000_000)
})

du.run()
