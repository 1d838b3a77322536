import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { atAllSize, atCheckSize, needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { bySize } from '../../helpers/size.ts'
import { suite } from '../../helpers/suite.ts'
import {
  alice,
  bob,
  composeAs,
  composedAs,
  contentFiles,
  failsAs,
  PUBLISHERS,
  reader,
  root,
  sharedStore,
  tarball
} from './people.ts'

const trust = suite('files that nobody who publishes could have put there')
const asRoot = needing(trust, 'root', 'setpriv')
const long = atCheckSize(asRoot)
/** Tests that take too long for a check. */
const longest = atAllSize(asRoot)

/** Files that somebody who can write to a folder may put in a file's place; the second line undoes it. */
const TRICKS: [what: string, does: string, undone: string, told: RegExp][] = [
  [
    'a symbolic link to the same bytes',
    'mv "$1" "$1.real"; ln -s "$1.real" "$1"',
    'mv "$1.real" "$1"',
    /is a symbolic link/
  ],
  ['a file with a second name', 'ln "$1" "$1.second"', 'rm "$1.second"', /has 2 names/],
  [
    'a file that its group can write',
    'chmod 464 "$1"',
    'chmod 444 "$1"',
    /can be written to by others: its mode is 464/
  ],
  [
    'a file that all can write',
    'chmod 446 "$1"',
    'chmod 444 "$1"',
    /can be written to by others: its mode is 446/
  ],
  [
    'a file that an ACL lets others write',
    'setfacl -m u:61021:rw "$1"',
    'setfacl -b "$1"; chmod 444 "$1"',
    /can be written to by others/
  ],
  ['a file of somebody else', 'chown 61099 "$1"', 'chown 0 "$1"', /belongs to uid 61099/],
  ['a pipe', 'mv "$1" "$1.real"; mkfifo -m 444 "$1"', 'mv "$1.real" "$1"', /is not a regular file/],
  ['a folder', 'mv "$1" "$1.real"; mkdir "$1"', 'rmdir "$1"; mv "$1.real" "$1"', /is not a regular file/]
]

long('are refused by whoever would use them, by name, though their bytes are right', () => {
  const folder = scratch()
  bash('chmod 755 "$1"', folder)
  const store = join(folder, 'store')
  composedAs(root, store, ['init', '--level', '1'])
  composedAs(root, store, ['import', 'lib/a-1', tarball(folder, 'a', { acl: true })])
  const image = join(folder, 'a.sqfs')
  const uses = (file: string) =>
    file.endsWith('.recipe') || file.startsWith('blobs/')
      ? ['export', 'lib/a', join(folder, 'out')]
      : ['build', '--bare', image, 'lib/a']
  const files = contentFiles(store)
  assert.is(files.length, 7)
  // Below the size `all`, each trick is tried with every third file.
  for (const [i, file] of files.entries())
    for (const [what, does, undone, told] of bySize(
      TRICKS.filter((_, trick) => trick % 3 === i % 3),
      TRICKS
    )) {
      bash(does, join(store, file))
      const error = failsAs(root, store, uses(file))
      assert.is(error.code, 'BLOB_CORRUPT', `${what}: ${file}: ${error.message}`)
      assert.match(error.message, told)
      assert.ok(error.message.includes(file), `${error.message} names ${file}`)
      bash(`${undone}; rm -rf "$2"`, join(store, file), join(folder, 'out'))
    }
  composedAs(root, store, uses('data/'))
  assert.equal(composedAs(root, store, ['fsck']).findings, [])
})

long(
  'a file of any publisher is fine in a store of a group, one of a stranger is not in anybody’s own',
  () => {
    const { folder, store } = sharedStore()
    composedAs(bob, store, ['import', 'lib/a-1', tarball(folder, 'a')])
    bash('mkdir -m 777 "$1/out"', folder)
    composedAs(reader, store, ['build', '--bare', join(folder, 'out/a.sqfs'), 'lib/a'])
    composedAs(alice, join(folder, 'out/hers'), ['init', '--level', '1'])
    const own = join(folder, 'out/hers')
    composedAs(alice, own, ['import', 'lib/b-1', tarball(folder, 'b')])
    composedAs(reader, own, ['build', '--bare', join(folder, 'out/b.sqfs'), 'lib/b'])
    bash('find "$1/data" -type f ! -name "*.checked" -exec chown 61012 {} +', own)
    const error = failsAs(reader, own, ['build', '--bare', join(folder, 'out/c.sqfs'), 'lib/b'])
    assert.is(error.code, 'BLOB_CORRUPT')
    assert.match(error.message, /belongs to uid 61012, wanted uid 61011 or user root/)
  }
)

longest('a second name that a killed publisher left in tmp/ stops nobody, publisher or not', () => {
  const { folder, store } = sharedStore()
  composedAs(alice, store, ['import', 'lib/a-1', tarball(folder, 'a')])
  bash(
    'cd "$1"; find blobs data parts objects -type f | while read f; do ln "$f" "tmp/$(basename "$f")"; done',
    store
  )
  bash('mkdir -m 777 "$1/out"', folder)
  for (const who of [reader, bob, root])
    composedAs(who, store, ['build', '--bare', join(folder, `out/${who.uid}.sqfs`), 'lib/a'])
  assert.is(composeAs(root, store, ['fsck']).status, 0)
})

asRoot('a note of a check by a user who could not have made it is ignored', () => {
  const { folder, store } = sharedStore()
  composedAs(root, store, ['import', 'lib/a-1', tarball(folder, 'a')])
  const [data] = contentFiles(store).filter(file => file.startsWith('data/'))
  const path = join(store, data)
  // The same size and a fitting note: only who hashes it sees it.
  bash(
    `chmod 600 "$1"; printf X | dd of="$1" bs=1 seek=9 conv=notrunc status=none; chmod 444 "$1"
    read -r _ _ _ _ sha < "$1.checked"; chmod 644 "$1.checked"
    node -e 'const s=fs.statSync(process.argv[1],{bigint:true});fs.writeFileSync(process.argv[1]+".checked",[s.size,s.ino,s.mtimeNs,s.ctimeNs,process.argv[2]].join(" ")+"\\n")' "$1" "$sha"
    chown 61099 "$1.checked"; mkdir -m 777 "$2/out"`,
    path,
    folder
  )
  const args = ['build', '--bare', join(folder, 'out/a.sqfs'), 'lib/a']
  assert.is(failsAs(reader, store, args).code, 'OBJECT_CORRUPT')
})

asRoot('store.json with a group that is not an id is refused', () => {
  const { store } = sharedStore()
  bash(`chmod 644 "$1/store.json"; sed -i 's/"group": ${PUBLISHERS}/"group": -3/' "$1/store.json"`, store)
  assert.is(failsAs(root, store, ['show', 'lib/a']).code, 'MANIFEST_INVALID')
})

trust.run()
