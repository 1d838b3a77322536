/**
 * Indexes, data files and packed layers have the names of layers, not of their bytes. What a member of the group puts
 * there instead is in nobody's image, and `fsck` finds it.
 */
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { atAllSize, needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { suite } from '../../helpers/suite.ts'
import {
  alice,
  bob,
  carol,
  composeAs,
  composedAs,
  failsAs,
  type Person,
  reader,
  root,
  type SharedStore,
  sharedStore
} from './people.ts'

const forged = suite('forged caches of a shared store')
const asRoot = needing(forged, 'root', 'setpriv', 'unsquashfs')
const long = atAllSize(asRoot)

const OBJECT_CORRUPT = 12

/** The same names and sizes; the evil one gives privileges, opens what is closed, and says something else. */
function tarballs(folder: string): { good: string; evil: string } {
  bash(
    `cd "$1"
    for kind in good evil; do
      mkdir -p $kind/bin $kind/etc
      { echo "$kind"; seq 40000; } > $kind/bin/tool; echo "$kind" > $kind/etc/secret
    done
    chmod 755 good/bin/tool; chmod 4755 evil/bin/tool; chmod 600 good/etc/secret; chmod 666 evil/etc/secret
    for kind in good evil; do
      tar -C $kind --owner=0 --group=0 --numeric-owner --mtime=@0 --sort=name -cf $kind.tar bin etc; chmod 644 $kind.tar
    done`,
    folder
  )
  return { good: join(folder, 'good.tar'), evil: join(folder, 'evil.tar') }
}

const lines = (script: string, ...args: string[]): string[] =>
  bash(script, ...args)
    .toString()
    .split('\n')
    .filter(line => line !== '')

const indexesOf = (store: string): string[] => lines('cd "$1"; find objects -name "*.index" | sort', store)
const dataFilesOf = (store: string): string[] =>
  lines('cd "$1"; find data -type f ! -name "*.checked" | sort', store)

/** Puts files that bob made of the evil tarball in his own store at the places of the good one in the shared store. */
function plant(
  who: Person,
  { folder, store }: SharedStore,
  evilStore: string,
  goodStore: string,
  dirs: string
): void {
  const pairs = [
    ...indexesOf(goodStore).map((to, i) => [indexesOf(evilStore)[i], to]),
    ...dataFilesOf(goodStore).map((to, i) => [dataFilesOf(evilStore)[i], to])
  ].filter(([, to]) => new RegExp(dirs).test(to))
  assert.ok(pairs.length > 0)
  for (const [from, to] of pairs)
    bash(
      `cd "$1"; mkdir -p "$(dirname "store/$4")"; chgrp 61000 "$(dirname "store/$4")" "$(dirname "$(dirname "store/$4")")"
      chmod 3775 "$(dirname "store/$4")" "$(dirname "$(dirname "store/$4")")"
      cp "$2/$3" "store/$4"; chown "$5" "store/$4"; chmod 444 "store/$4"`,
      folder,
      evilStore,
      from,
      to,
      `${who.uid}:61000`
    )
  assert.ok(store.startsWith(folder))
}

function privateStore(folder: string, name: string, tar: string, level = '1'): string {
  const store = join(folder, name)
  composedAs(root, store, ['init', '--level', level])
  composedAs(root, store, ['import', 'app/tool-1', tar, '--allow-privileged'])
  return store
}

/** The lines of the image's own files, as unsquashfs shows them, and the tool's first word. */
function builtBy(who: Person, { folder, store }: SharedStore, ...flags: string[]): string {
  const out = join(folder, `out-${who.uid}`)
  bash('rm -rf "$1"; mkdir -m 777 "$1"', out)
  composedAs(who, store, ['build', join(out, 'i.sqfs'), 'app/tool', '--bare', '--no-sync', ...flags], {
    env: { XDG_CACHE_HOME: join(out, 'cache') }
  })
  return bash(
    'unsquashfs -lln "$1" | grep -E "tool|secret" | cut -c1-10; unsquashfs -cat "$1" bin/tool | head -1',
    join(out, 'i.sqfs')
  )
    .toString()
    .trim()
}

const GOOD = '-rwxr-xr-x\n-rw-------\ngood'

long('an index that was there before the import is replaced by it', () => {
  const shared = sharedStore()
  const { good, evil } = tarballs(shared.folder)
  const [goodStore, evilStore] = [
    privateStore(shared.folder, 'g', good),
    privateStore(shared.folder, 'e', evil)
  ]
  plant(bob, shared, evilStore, goodStore, '^objects/')
  composedAs(root, shared.store, ['import', 'app/tool-1', good])
  for (const who of [reader, alice, root]) assert.is(builtBy(who, shared), GOOD)
  assert.equal(composedAs(root, shared.store, ['fsck']).findings, [])
})

long(
  'for a member of the group who cannot replace it, the error names the owner and nothing is published',
  () => {
    const shared = sharedStore()
    const { good, evil } = tarballs(shared.folder)
    plant(
      bob,
      shared,
      privateStore(shared.folder, 'e', evil),
      privateStore(shared.folder, 'g', good),
      '^objects/'
    )
    const error = failsAs(alice, shared.store, ['import', 'app/tool-1', good])
    assert.is(error.code, 'OBJECT_CORRUPT')
    assert.match(error.message, /holds other bytes than it should, and belongs to uid 61012/)
    assert.match(error.hint!, /fsck --repair/)
    assert.is(failsAs(reader, shared.store, ['show', 'app/tool']).code, 'MODULE_UNKNOWN')
  }
)

long('an index and data of another profile are compared with the tarball before they are used', () => {
  const shared = sharedStore()
  const { good, evil } = tarballs(shared.folder)
  composedAs(root, shared.store, ['import', 'app/tool-1', good])
  const [goodStore, evilStore] = [
    privateStore(shared.folder, 'g', good, '3'),
    privateStore(shared.folder, 'e', evil, '3')
  ]
  for (const planted of ['^objects/zstd-3', '^(objects|data)/zstd-3']) {
    plant(bob, shared, evilStore, goodStore, planted)
    const image = join(shared.folder, 'refused.sqfs')
    const refused = failsAs(carol, shared.store, ['build', image, 'app/tool', '--bare', '--level', '3'])
    assert.is(refused.code, 'OBJECT_CORRUPT')
    const found = composeAs(root, shared.store, ['fsck'])
    assert.is(found.status, OBJECT_CORRUPT, found.out)
    assert.match(found.out, /app\/tool-1/)
    assert.is(builtBy(root, shared, '--level', '3'), GOOD)
    assert.is(builtBy(reader, shared, '--level', '3'), GOOD)
    bash('rm -r "$1"/objects/zstd-3-* "$1"/data/zstd-3-*', shared.store)
  }
})

long('fsck --repair removes all that fsck finds', () => {
  const shared = sharedStore()
  const { good, evil } = tarballs(shared.folder)
  composedAs(root, shared.store, ['import', 'app/tool-1', good])
  plant(
    bob,
    shared,
    privateStore(shared.folder, 'e', evil, '3'),
    privateStore(shared.folder, 'g', good, '3'),
    '^(objects|data)/zstd-3'
  )
  const repaired = composedAs(root, shared.store, ['fsck', '--repair'])
  assert.ok(repaired.findings.some(({ repaired }: { repaired: boolean }) => repaired))
  assert.equal(composedAs(root, shared.store, ['fsck']).findings, [])
})

long(
  'what an honest member of the group made is compared once by each user, and by nobody after root checked it',
  () => {
    const shared = sharedStore()
    const { good } = tarballs(shared.folder)
    composedAs(bob, shared.store, ['import', 'app/tool-1', good])
    const [index] = indexesOf(shared.store)
    const cache = join(shared.folder, 'cache')
    bash('mkdir -m 700 "$1"; chown 61021 "$1"', cache)
    const env = { XDG_CACHE_HOME: cache }
    const proofs = () => lines('grep -c ^proof "$1/strata/checks-1" 2>/dev/null || true', cache)
    const build = ['build', join(cache, 'i.sqfs'), 'app/tool', '--bare', '--no-sync']
    for (let i = 0; i < 2; i++) composedAs(reader, shared.store, build, { env })
    assert.equal(proofs(), ['1'])
    bash('rm -r "$1/strata"', cache)
    const owner = () => bash('stat -c %u "$1"', join(shared.store, index)).toString()
    const maker = owner()
    composedAs(root, shared.store, ['fsck'])
    assert.is(owner(), maker, 'root leaves a note beside the index, which stays its maker’s')
    composedAs(reader, shared.store, build, { env })
    assert.not.equal(proofs(), ['1'])
  }
)

long(
  'a note of a check by the owner of the data file is ignored, because the owner can write to the file',
  () => {
    const shared = sharedStore()
    const { good } = tarballs(shared.folder)
    composedAs(bob, shared.store, ['import', 'app/tool-1', good])
    composedAs(root, shared.store, ['fsck'])
    assert.is(builtBy(reader, shared), GOOD)
    const [data] = dataFilesOf(shared.store)
    bash(
      `chmod 644 "$1"; printf XX | dd of="$1" bs=1 seek=100 conv=notrunc 2>/dev/null; chmod 444 "$1"
    read -r _ _ _ _ sha < "$1.checked"
    stat -c "%s %i %.9Y %.9Z $sha" "$1" | tr -d . > "$1.new"; mv "$1.new" "$1.checked"; chown 61012 "$1.checked" "$1"; chmod 444 "$1.checked"`,
      join(shared.store, data)
    )
    const out = join(shared.folder, 'out')
    bash('mkdir -m 777 "$1"', out)
    const error = failsAs(reader, shared.store, ['build', join(out, 'i.sqfs'), 'app/tool', '--bare'])
    assert.is(error.code, 'OBJECT_CORRUPT')
  }
)

long('a packed layer with a note that fits is not taken from another member of the group', () => {
  const shared = sharedStore()
  const { good, evil } = tarballs(shared.folder)
  composedAs(root, shared.store, ['import', 'app/tool-1', good])
  const layout = (store: string, name: string) =>
    composedAs(root, store, [
      'build',
      join(shared.folder, name),
      'app/tool',
      '--format',
      'oci',
      '--bare',
      '--no-sync'
    ])
  layout(shared.store, 'first.oci')
  const evilStore = privateStore(shared.folder, 'e', evil)
  layout(evilStore, 'evil.oci')
  const notes = (store: string) => lines('cd "$1"; find oci -name "*.json"', store)
  const [to, from] = [notes(shared.store)[0], notes(evilStore)[0]].map(note => note.replace(/\.json$/, ''))
  bash(
    `for end in "" .json .checked; do rm -f "$2/$4$end"; done
    cp "$1/$3" "$2/$4"; sed "s/\\"layers\\":.*/$(grep -o '"layers":.*' "$2/$4.json.old" 2>/dev/null | head -1)/" /dev/null
    cp "$1/$3.json" "$2/$4.json"; chown 61012 "$2/$4" "$2/$4.json"; chmod 444 "$2/$4" "$2/$4.json"`,
    evilStore,
    shared.store,
    from,
    to
  )
  layout(shared.store, 'second.oci')
  assert.is(
    bash('diff -r "$1/first.oci" "$1/second.oci" && echo same', shared.folder).toString().trim(),
    'same'
  )
})

forged.run()
