import { existsSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { atAllSize, needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { suite } from '../../helpers/suite.ts'
import {
  alice,
  bob,
  CHEM,
  carol,
  chemist,
  composeAs,
  composedAs,
  contentFiles,
  failsAs,
  type Person,
  readableBy,
  reader,
  root,
  sharedStore,
  tarball,
  VASP,
  vaspUser
} from './people.ts'

const access = suite('access groups')
const asRoot = needing(access, 'root', 'setpriv', 'getfacl')
/** Tests that take too long for a check. */
const longest = atAllSize(asRoot)

/** Recipe, data file, sidecar and index: all but records and manifests of layers. */
function restrictedFiles(store: string): string[] {
  const script = 'cd "$1"; find blobs data objects parts -type f ! -name "*.checked" ! -perm -004 | sort'
  return bash(script, store)
    .toString()
    .trim()
    .split('\n')
    .filter(line => line !== '')
}

/** True if the look-up tables hold the name of a file of {@link tarball}. */
const isToldInIndex = (store: string, name: string): boolean =>
  bash('grep -rl "$2" "$1/index" || true', store, `secret-name-${name}`).toString() !== ''

const publish = (who: Person, store: string, name: string, tar: string, ...flags: string[]) =>
  composedAs(who, store, ['import', name, tar, ...flags])

asRoot('only members of the groups can open files with a module’s content, as the kernel confirms', () => {
  const { folder, store } = sharedStore()
  publish(alice, store, 'app/vasp-6.4', tarball(folder, 'vasp', { acl: true }), '--access-group', `${VASP}`)
  const files = contentFiles(store)
  const closed = restrictedFiles(store)
  assert.is(closed.length, 5, closed.join())
  assert.equal(readableBy(vaspUser, store, closed), closed)
  assert.equal(readableBy(carol, store, closed), closed)
  assert.equal(readableBy(alice, store, closed), closed) // her own
  for (const who of [reader, chemist, bob]) assert.equal(readableBy(who, store, closed), [])
  assert.equal(
    readableBy(reader, store, files),
    files.filter(file => !closed.includes(file))
  )
  for (const file of closed)
    assert.is(
      bash('getfacl -cnp "$1" | grep -v "^$"', join(store, file)).toString(),
      `user::r--\ngroup::---\ngroup:${VASP}:r--\nmask::r--\nother::---\n`
    )
  assert.equal(composedAs(root, store, ['fsck']).findings, [])
})

asRoot('a user outside sees the module, and the error names the groups that it admits', () => {
  const { folder, store } = sharedStore()
  publish(alice, store, 'app/vasp-6.4', tarball(folder, 'vasp', { acl: true }), '--access-group', `${VASP}`)
  bash('mkdir -m 777 "$1/out"', folder)
  const out = (name: string) => join(folder, 'out', name)
  const shown = composedAs(reader, store, ['show', 'app/vasp'])
  assert.equal(shown.layers[0].readableBy, [VASP])
  assert.is(shown.layers[0].tarBytes, undefined)
  for (const args of [
    ['build', out('a.sqfs'), 'app/vasp'],
    ['build', '--sandbox', out('a'), 'app/vasp'],
    ['export', 'app/vasp', out('x')]
  ]) {
    const error = failsAs(reader, store, args)
    assert.is(error.code, 'ACCESS_DENIED', args.join(' '))
    assert.is(error.exitStatus, 17)
    assert.is(error.message, `app/vasp-6.4 is for gid ${VASP}; you are not in it`)
  }
  assert.not.ok(existsSync(out('a.sqfs')))
  composedAs(vaspUser, store, ['build', out('b.sqfs'), 'app/vasp'])
  composedAs(vaspUser, store, ['export', 'app/vasp', out('y')])
  const checked = composedAs(reader, store, ['fsck'])
  assert.equal([checked.findings, checked.unread], [[], 3]) // what the recipe would lead to is not looked for
})

longest('shared index/ holds no paths of a restricted module', () => {
  const { folder, store } = sharedStore()
  publish(alice, store, 'app/vasp-6.4', tarball(folder, 'vasp'), '--access-group', `${VASP}`)
  publish(alice, store, 'app/open-1', tarball(folder, 'open'))
  composeAs(root, store, ['fsck'])
  assert.ok(isToldInIndex(store, 'open'))
  assert.not.ok(isToldInIndex(store, 'vasp'))
})

longest('content that an open module also has is open, and a note tells the publisher why', () => {
  const { folder, store } = sharedStore()
  const tar = tarball(folder, 'same')
  publish(alice, store, 'lib/open-1', tar)
  const { notes } = publish(bob, store, 'app/closed-1', tar, '--access-group', `${VASP}`)
  assert.match(notes.join(), /open to more than its groups, because lib\/open-1 has the same/)
  assert.equal(restrictedFiles(store), [])
  const other = tarball(folder, 'other')
  publish(alice, store, 'app/other-1', other, '--access-group', `${VASP}`)
  publish(alice, store, 'app/other-2', other, '--access-group', `${CHEM}`, '--open-to', `group:${CHEM}`)
  const closed = restrictedFiles(store)
  assert.is(closed.length, 4)
  for (const who of [vaspUser, chemist]) assert.equal(readableBy(who, store, closed), closed)
  assert.equal(readableBy(reader, store, closed), [])
  assert.equal(composedAs(root, store, ['fsck']).findings, [])
})

longest(
  'a publisher cannot open another user’s file: nothing is published, and the error names its owner',
  () => {
    const { folder, store } = sharedStore()
    const tar = tarball(folder, 'vasp')
    publish(alice, store, 'app/vasp-6.4', tar, '--access-group', `${VASP}`)
    const error = failsAs(bob, store, ['import', 'lib/open-1', tar])
    assert.is(error.code, 'STORE_ACCESS')
    assert.match(`${error.message} ${error.hint}`, /uid 61011/)
    assert.is(failsAs(bob, store, ['show', 'lib/open']).code, 'MODULE_UNKNOWN')
    assert.is(restrictedFiles(store).length, 4)
    publish(bob, store, 'app/again-1', tar, '--access-group', `${VASP}`) // the same access needs no change
    publish(alice, store, 'lib/open-1', tar, '--open-to', 'everyone')
    assert.equal(restrictedFiles(store), [])
    assert.equal(composedAs(root, store, ['fsck']).findings, [])
  }
)

longest('--replace with other groups opens and closes the files that are there', () => {
  const { folder, store } = sharedStore()
  const tar = tarball(folder, 'vasp', { acl: true })
  publish(alice, store, 'app/vasp-6.4', tar)
  assert.ok(isToldInIndex(store, 'vasp'))
  composedAs(alice, store, ['build', '--block', '64K', join(store, 'tmp/x.sqfs'), 'app/vasp']) // objects of two profiles
  publish(alice, store, 'app/vasp-6.4', tar, '--replace', '--access-group', `${VASP}`)
  const closed = restrictedFiles(store)
  assert.is(closed.length, 8, closed.join())
  for (const who of [reader, chemist]) assert.equal(readableBy(who, store, closed), [])
  assert.not.ok(isToldInIndex(store, 'vasp'))
  publish(
    alice,
    store,
    'app/vasp-6.4',
    tar,
    '--replace',
    ...['--access-group', `${CHEM}`, '--open-to', `group:${CHEM}`]
  )
  assert.equal(readableBy(vaspUser, store, closed), [])
  assert.equal(readableBy(chemist, store, closed), closed)
  assert.equal(composedAs(root, store, ['fsck']).findings, [])
  // Root's word that the indexes are right lies beside them, and they stay alice's to open.
  const owners = (pattern: string) =>
    bash('cd "$1"; find objects -name "$2" -printf "%u\\\\n"', store, pattern).toString()
  assert.is(owners('*.index.checked'), 'root\nroot\n')
  assert.not.match(owners('*.index'), /root/)
  publish(alice, store, 'app/vasp-6.4', tar, '--replace', '--open-to', 'everyone')
  assert.equal(restrictedFiles(store), [])
  assert.equal(composedAs(root, store, ['fsck']).findings, [])
})

longest('an object that a reader compiles into an own store is for users who may read the layer', () => {
  const { folder, store } = sharedStore()
  publish(alice, store, 'app/vasp-6.4', tarball(folder, 'vasp', { acl: true }), '--access-group', `${VASP}`)
  bash('mkdir -m 777 "$1/own"', folder)
  const own = join(folder, 'own/store')
  composedAs(vaspUser, own, ['init', '--level', '2'])
  const env = { COMPOSE_PATH: store }
  composedAs(vaspUser, own, ['build', '--level', '2', join(folder, 'own/a.sqfs'), 'app/vasp'], { env })
  const files = contentFiles(own)
  assert.is(files.length, 3)
  assert.equal(restrictedFiles(own), files)
  assert.equal(readableBy(carol, own, files), files)
  assert.equal(readableBy(reader, own, files), [])
  bash('chmod 755 "$1"', own)
  const image = join(folder, 'own/b.sqfs')
  assert.is(failsAs(reader, own, ['build', '--level', '2', image, 'app/vasp'], { env }).code, 'ACCESS_DENIED')
})

asRoot('fsck reports each file with too wide or too narrow access, and --repair corrects it', () => {
  const { folder, store } = sharedStore()
  publish(alice, store, 'app/vasp-6.4', tarball(folder, 'vasp', { acl: true }), '--access-group', `${VASP}`)
  publish(alice, store, 'lib/open-1', tarball(folder, 'open'))
  const closed = restrictedFiles(store)
  const [open] = contentFiles(store).filter(file => file.startsWith('data/') && !closed.includes(file))
  bash(
    'cd "$1"; setfacl -b "$2"; chmod 444 "$2"; setfacl -m u:61021:r "$3"; setfacl -x "g:61001" "$4"; chmod 400 "$5"',
    store,
    ...closed.slice(0, 3),
    open
  )
  const ran = composeAs(root, store, ['fsck'])
  assert.is(ran.status, 12)
  const findings: { code: string; file: string; message: string; modules: string[] }[] = JSON.parse(
    ran.out
  ).findings
  const told = findings.map(
    ({ code, file, message, modules }) =>
      `${code} ${file} ${/open to more|closed to some/.exec(message)?.[0]} ${modules}`
  )
  assert.equal(
    told.sort(),
    [
      `STORE_ACCESS ${closed[0]} open to more app/vasp-6.4`,
      `STORE_ACCESS ${closed[1]} open to more app/vasp-6.4`,
      `STORE_ACCESS ${closed[2]} closed to some app/vasp-6.4`,
      `STORE_ACCESS ${open} closed to some lib/open-1`
    ].sort()
  )
  assert.is(composeAs(bob, store, ['fsck', '--repair']).status, 12) // not his
  composedAs(root, store, ['fsck', '--repair'])
  assert.equal(composedAs(root, store, ['fsck']).findings, [])
  assert.equal(restrictedFiles(store), closed)
})

asRoot('a group that only has a name is refused before anything is published', () => {
  const { folder, store } = sharedStore()
  const args = ['import', 'app/x-1', tarball(folder, 'x'), '--access-group', 'no-such-group']
  const error = failsAs(alice, store, args)
  assert.is(error.code, 'NAME_UNKNOWN')
  assert.is(error.hint, '--map-group no-such-group=GID')
  assert.equal(bash('find "$1"/blobs "$1"/tmp "$1"/data -type f', store).toString(), '')
  composedAs(alice, store, [...args, '--map-group', `no-such-group=${VASP}`])
  assert.is(restrictedFiles(store).length, 4)
})

access.run()
