/** Imports whose files are mostly those of an earlier one, by the command, for several users. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { BLOCKS, OWN_BLOCKS } from '../../../store/index/block-keys.ts'
import { databaseFolders } from '../../../store/index/database-folder.ts'
import { COMPOSE, documentOf } from '../../helpers/compose.ts'
import { atAllSize, needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { composed } from '../../helpers/warm-compose.ts'
import {
  alice,
  bob,
  carol,
  composedAs,
  type Person,
  root,
  runAs,
  sharedStore,
  VASP
} from '../shared/people.ts'

const known = suite('import: blocks that are packed in a store')
const long = atAllSize(known)
const asRoot = needing(known, 'root', 'setpriv')
const longAsRoot = atAllSize(asRoot)

/** Tarballs of 60 files that compress, 5 that do not, and a large one; each has a file more than the one before. */
function tarballs(folder = scratch()): string[] {
  bash(
    `cd "$1"; umask 022; mkdir -p tree/d
    for i in $(seq 60); do seq $i $((i + 30000)) > tree/d/file-$i; done
    for i in $(seq 5); do
      openssl enc -aes-128-ctr -K 00 -iv 0$i -in <(head -c 300000 /dev/zero) -out tree/d/noise-$i
    done
    seq 450000 > tree/large
    for i in 1 2 3 4; do
      tar --sort=name --mtime=@0 --owner=0 --group=0 -C tree -cf $i.tar d large
      seq $i 99999 > tree/d/file-$((10 * i))b
    done; chmod 644 *.tar`,
    folder
  )
  return [1, 2, 3, 4].map(i => join(folder, `${i}.tar`))
}

// biome-ignore lint/suspicious/noExplicitAny: a document of the command
const packedBlocks = (report: any): number => report.layers[0].packedBlocks

const newRoot = (): string => {
  const store = join(scratch(), 'store')
  composed(store, ['init', '--level', '1'])
  return store
}

/** Hashes of all files but those of lists and databases, which hold times. */
const filesOf = (store: string): string =>
  bash(
    'cd "$1"; find blobs data objects -type f ! -name "*.checked" | sort | xargs sha256sum',
    store
  ).toString()

const NEW_BLOCKS = 8

long(
  'a layer with a file more costs the packing of that file, and has the same bytes as in an empty store',
  () => {
    const [first, second] = tarballs()
    const store = newRoot()
    const all = packedBlocks(composed(store, ['import', 'base/a-1', first]))
    assert.ok(all > 60)
    const some = packedBlocks(composed(store, ['import', 'base/a-2', second]))
    assert.ok(some > 0 && some <= NEW_BLOCKS, `${some} of ${all}`)
    const empty = newRoot()
    composed(empty, ['import', 'base/a-2', second])
    const wanted = filesOf(empty)
    for (const line of wanted.trimEnd().split('\n')) assert.ok(filesOf(store).includes(line), line)
    assert.equal(composed(store, ['fsck']).findings, [])
  }
)

known('blocks of a store on COMPOSE_PATH are known, and nothing is written there', () => {
  const [first, second] = tarballs()
  const [site, own] = [newRoot(), newRoot()]
  composed(site, ['import', 'base/a-1', first])
  const state = () => bash('cd "$1"; find . -printf "%p %C@ %s\\n" | sort', site).toString()
  const before = state()
  const some = packedBlocks(composed(own, ['import', 'base/a-2', second], { env: { COMPOSE_PATH: site } }))
  assert.ok(some > 0 && some <= NEW_BLOCKS, `${some}`)
  assert.is(state(), before)
  assert.equal(composed(own, ['fsck']).findings, [])
})

atAllSize(needing(known, 'root', 'unshare', 'setpriv'))('also of one on a read-only mount', () => {
  const [first, second] = tarballs()
  const [site, own] = [newRoot(), newRoot()]
  composed(site, ['import', 'base/a-1', first])
  const mounted = join(scratch(), 'mounted')
  mkdirSync(mounted)
  const script =
    'mount --bind "$0" "$1"; mount -o remount,ro,bind "$1"; ! touch "$1/tmp/x" 2>&-; shift; exec "$@"'
  const command = [process.execPath, COMPOSE, '--json', 'import', 'base/a-2', second]
  const env = { COMPOSE_PATH: mounted }
  const ran = runAs(root, ['unshare', '-m', 'bash', '-euc', script, site, mounted, ...command], own, { env })
  assert.is(ran.status, 0, ran.err)
  const some = packedBlocks(documentOf(ran.out))
  assert.ok(some > 0 && some <= NEW_BLOCKS, `${some}`)
})

long('what gc took is packed again, and fsck makes the databases anew', () => {
  const [first, second] = tarballs()
  const store = newRoot()
  const all = packedBlocks(composed(store, ['import', 'base/a-1', first]))
  composed(store, ['unpublish', 'base/a-1', '--reason', 'test'])
  composed(store, ['gc', '--grace', '0s', '--older-than', '0s'])
  assert.is(packedBlocks(composed(store, ['import', 'base/a-1', first])), all)
  bash('rm -r "$1"/index/blocks-*', store)
  assert.is(composed(store, ['fsck']).indexRebuilt, true)
  const some = packedBlocks(composed(store, ['import', 'base/a-2', second]))
  assert.ok(some > 0 && some <= NEW_BLOCKS, `${some}`)
})

longAsRoot(
  'blocks that another user published are known to all; blocks of a restricted module to its publisher alone',
  () => {
    const { folder, store } = sharedStore()
    const [first, second, third, fourth] = tarballs(folder)
    const count = (who: Person, name: string, tar: string, ...more: string[]) =>
      packedBlocks(composedAs(who, store, ['import', name, tar, ...more]))
    const all = count(carol, 'app/a-1', first, '--access-group', `${VASP}`)
    assert.equal(databaseFolders(store, BLOCKS), [])
    assert.is(databaseFolders(store, OWN_BLOCKS).length, 1)
    const again = count(carol, 'app/a-2', second, '--access-group', `${VASP}`)
    assert.ok(again > 0 && again <= NEW_BLOCKS, `${again}: her own`)
    assert.ok(count(bob, 'app/b-1', third) >= all, 'not known to others')
    const open = count(alice, 'app/b-2', fourth)
    assert.ok(open <= NEW_BLOCKS, `${open}: of an open module`)
  }
)

longAsRoot(
  'a module that is restricted later is in no database for everyone after root’s fsck, nor after its publisher’s change',
  () => {
    const { folder, store } = sharedStore()
    const [first] = tarballs(folder)
    const keys = () =>
      bash('cat "$1"/index/blocks-*/*.ldb "$1"/index/blocks-*/*.log | wc -c', store).toString()
    composedAs(alice, store, ['import', 'app/a-1', first])
    const before = Number(keys())
    composedAs(alice, store, ['import', 'app/a-1', first, '--replace', '--access-group', `${VASP}`])
    assert.ok(Number(keys()) < before / 4, `${keys()} of ${before} bytes`)
    composedAs(root, store, ['fsck'])
    assert.is(databaseFolders(store, BLOCKS).filter(({ uid }) => uid !== 0).length, 0)
  }
)

known.run()
