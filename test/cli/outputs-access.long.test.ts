import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { suite } from '../helpers/suite.ts'
import {
  alice,
  CHEM,
  composeAs,
  composedAs,
  failsAs,
  type Person,
  reader,
  root,
  runAs,
  sharedStore,
  tarball,
  VASP,
  vaspUser
} from '../store/shared/people.ts'

const dave: Person = { uid: 61014, groups: [...alice.groups, VASP, CHEM] }
const aclOf = (path: string): string => bash('getfacl -cnp "$1" | grep -v "^$"', path).toString()
const canRead = (who: Person, path: string): boolean => runAs(who, ['cat', path], '/').status === 0

interface World {
  folder: string
  store: string
  out: (name: string) => string
}

function world(...flags: string[]): World {
  const { folder, store } = sharedStore()
  bash('mkdir -m 777 "$1/out"', folder)
  composedAs(dave, store, ['import', 'app/vasp-6.4', tarball(folder, 'vasp', { acl: true }), ...flags])
  return { folder, store, out: name => join(folder, 'out', name) }
}

const outputs = suite('access of what is written')
const asRoot = needing(outputs, 'root', 'setpriv', 'getfacl', 'unsquashfs')

asRoot('an exported module has the access of its files in the store', () => {
  const { store, out } = world('--access-group', `${VASP}`)
  composedAs(dave, store, ['export', 'app/vasp', out('x')])
  for (const file of ['layer.tar', 'layer.acl']) {
    assert.ok(canRead(vaspUser, out(`x/${file}`)), file)
    assert.not.ok(canRead(reader, out(`x/${file}`)), file)
    assert.ok(canRead(dave, out(`x/${file}`)), file)
  }
})

const VISIBLE = 'opt/vasp/secret-name-vasp'
const SANDBOX_ACL = `user::rwx\ngroup::---\ngroup:${VASP}:r-x\nmask::r-x\nother::---\n`

for (const [title, who] of [
  ['by root', root],
  ['by a user', dave]
] as const) {
  asRoot(`a sandbox made ${title} can be entered by the audience alone, and says nothing of it`, () => {
    const { store, out } = world('--access-group', `${VASP}`)
    const built = composedAs(who, store, ['build', '--sandbox', out('s'), 'app/vasp'])
    assert.is(aclOf(out('s')), SANDBOX_ACL)
    assert.ok(canRead(vaspUser, join(out('s'), VISIBLE)))
    assert.not.ok(canRead(reader, join(out('s'), VISIBLE)))
    composedAs(who, store, ['build', out('a.sqfs'), 'app/vasp'])
    const again = composedAs(who, store, ['build', out('b.sqfs'), out('s')])
    assert.equal(again.lock, built.lock)
    assert.equal([again.edits.added, again.edits.changed, again.edits.deleted], [0, 0, 0])
    assert.ok(readFileSync(out('a.sqfs')).equals(readFileSync(out('b.sqfs'))))
    composedAs(who, store, ['extract', out('a.sqfs'), out('e')])
    assert.is(aclOf(out('e')), SANDBOX_ACL)
    const edited = composedAs(who, store, ['build', out('c.sqfs'), out('e')])
    assert.equal([edited.edits.added, edited.edits.changed, edited.edits.deleted], [0, 0, 0])
    assert.ok(readFileSync(out('a.sqfs')).equals(readFileSync(out('c.sqfs'))))
  })

  asRoot(`a change of its mode ${title} is one of the stored mode`, () => {
    const { store, out } = world('--access-group', `${VASP}`)
    composedAs(who, store, ['build', '--sandbox', out('s'), 'app/vasp'])
    bash('chmod +t "$1"', out('s'))
    const { edits } = composedAs(who, store, ['build', out('b.sqfs'), out('s')])
    assert.is(edits.changed, 1)
    const found = bash('unsquashfs -lln "$1" | grep "squashfs-root$"', out('b.sqfs')).toString()
    assert.match(found, /^drwxr-xr-t /)
  })
}

asRoot('with --record-only, or for one user, nobody but the maker of a sandbox can enter it', () => {
  const { store, out } = world('--access-group', `${VASP}`)
  composedAs(dave, store, ['build', '--sandbox', out('r'), '--record-only', 'app/vasp'])
  composedAs(dave, store, ['build', '--sandbox', out('m'), 'app/vasp', '--for', 'me'])
  for (const name of ['r', 'm']) {
    assert.is(aclOf(out(name)), 'user::rwx\ngroup::---\nother::---\n')
    const { edits } = composedAs(dave, store, ['build', out(`${name}.sqfs`), out(name)])
    assert.equal([edits.added, edits.changed, edits.deleted], [0, 0, 0])
  }
})

asRoot('a stored owner whom no module admits does not own the top of a sandbox of root', () => {
  const { folder, store } = sharedStore()
  bash(
    'cd "$1"; mkdir t out; chmod 777 out; echo x > t/f; chown -R 61021:61021 t; tar -C t -cf t.tar .',
    folder
  )
  const out = (name: string) => join(folder, 'out', name)
  composedAs(root, store, ['import', 'base/own-1', join(folder, 't.tar'), '--access-group', `${VASP}`])
  composedAs(root, store, ['build', '--sandbox', out('s'), 'base/own'])
  assert.not.ok(canRead(reader, out('s/f')))
  assert.ok(canRead(vaspUser, out('s/f')))
  composedAs(root, store, ['build', out('a.sqfs'), 'base/own'])
  const { edits } = composedAs(root, store, ['build', out('b.sqfs'), out('s')])
  assert.equal([edits.added, edits.changed, edits.deleted], [0, 0, 0])
  assert.ok(readFileSync(out('a.sqfs')).equals(readFileSync(out('b.sqfs'))))
})

const tarballs = suite('privileges that a target brings')
const privileged = needing(tarballs, 'root', 'setpriv', 'unsquashfs')

privileged('a tarball with set-id files is refused without --allow-privileged', () => {
  const { folder, store, out } = world()
  bash(
    'cd "$1"; mkdir su; cp /bin/true su/evil; chmod 4755 su/evil; tar -C su -cf su.tar evil; chmod 644 su.tar',
    folder
  )
  const tar = join(folder, 'su.tar')
  for (const args of [
    ['build', out('a.sqfs'), tar],
    ['build', out('a.tar'), tar, '--format', 'tar'],
    ['build', '--sandbox', out('a'), tar],
    ['lock', tar, '-o', out('a.lock')],
    ['which', '/evil', tar],
    ['diff', tar, 'app/vasp']
  ]) {
    const error = failsAs(dave, store, args)
    assert.is(error.code, 'PRIVILEGED', args.join(' '))
    assert.equal(error.facts.paths, ['evil (setuid root)'])
    assert.match(error.hint!, /--allow-privileged/)
  }
  assert.not.ok(existsSync(out('a.sqfs')))
  composedAs(dave, store, ['build', out('b.sqfs'), tar, '--allow-privileged'])
})

privileged('set-id bits that were set in a sandbox are taken over, and reported', () => {
  const { store, out } = world()
  composedAs(root, store, ['build', '--sandbox', out('s'), 'app/vasp'])
  bash('cd "$1/opt/vasp"; for f in 1 2 3 4; do cp /bin/true s$f; chmod 4755 s$f; done', out('s'))
  const ran = composeAs(root, store, ['build', out('a.sqfs'), out('s')])
  assert.is(ran.status, 0, ran.err)
  assert.match(
    ran.err,
    /bring 4 set-id files, devices or capabilities: \/opt\/vasp\/s1 \(setuid\), .*\/opt\/vasp\/s3 \(setuid\), 1 more/
  )
  const listing = bash('unsquashfs -lln "$1" opt/vasp/s1', out('a.sqfs')).toString()
  assert.match(listing, /^-rwsr-xr-x .*s1$/m)
})

const locks = suite('what is said beside a lock')
const besideLock = needing(locks, 'root', 'setpriv')

besideLock('is refused for every output if it contradicts the lock', () => {
  const { store, out } = world()
  const lock = out('a.lock')
  composedAs(dave, store, ['lock', 'app/vasp', '-o', lock])
  for (const flags of [
    ['--for', 'me'],
    ['--acl-modes', 'group'],
    ['--on-conflict', 'upper'],
    ['--bare'],
    ['--level', '3']
  ])
    for (const target of [
      [out('x'), lock],
      [out('x'), lock, '--format', 'oci'],
      [out('x'), lock, '--format', 'tar'],
      ['--sandbox', out('x'), lock]
    ]) {
      const error = failsAs(dave, store, ['build', ...target, ...flags])
      assert.is(error.code, 'USAGE', `${flags} ${target}`)
      assert.match(error.message, /^the lock has /)
      assert.not.ok(existsSync(out('x')))
    }
  const same = ['--for', 'everyone', '--acl-modes', 'audience', '--on-conflict', 'error', '--level', '1']
  composedAs(dave, store, ['build', out('y.sqfs'), lock, ...same])
})

const swapped = suite('the lock of a sandbox')
const lockInSandbox = needing(swapped, 'root', 'setpriv')

for (const [title, keepTree] of [
  ['that says another tree', true],
  ['that says nothing of the tree', false]
] as const)
  lockInSandbox(`${title} and leads to other layers is refused, edited or not`, () => {
    const { folder, store, out } = world()
    composedAs(dave, store, ['import', 'lib/other-1', tarball(folder, 'other')])
    composedAs(dave, store, ['build', '--sandbox', out('s'), 'app/vasp'])
    composedAs(dave, store, ['lock', 'lib/other', '-o', out('other.lock')])
    const other = JSON.parse(readFileSync(out('other.lock'), 'utf8'))
    if (!keepTree) delete other.tree
    writeFileSync(join(out('s'), '.compose/sandbox/lock'), `${JSON.stringify(other, undefined, 2)}\n`)
    for (const edit of ['true', 'echo more > "$1/opt/new"']) {
      bash(edit, out('s'))
      const error = failsAs(dave, store, ['build', out('a.sqfs'), out('s')])
      assert.is(error.code, 'SANDBOX_INVALID')
      assert.match(
        error.message,
        /gives a tree with sha256:[0-9a-f]{64}, but the sandbox was made from one with/
      )
      assert.not.ok(existsSync(out('a.sqfs')))
    }
  })

lockInSandbox('may be any that leads to the same tree, also below edits', () => {
  const { store, out } = world()
  composedAs(dave, store, ['build', '--sandbox', out('s'), 'app/vasp'])
  const file = join(out('s'), '.compose/sandbox/lock')
  const lock = JSON.parse(readFileSync(file, 'utf8'))
  delete lock.tree
  writeFileSync(file, `${JSON.stringify(lock, undefined, 2)}\n`)
  bash('echo more > "$1/opt/new"', out('s'))
  assert.is(composedAs(dave, store, ['build', out('a.sqfs'), out('s')]).edits.added, 1)
})

lockInSandbox('also leads to the tree of an extracted image, which has whole seconds', () => {
  const { folder, store } = sharedStore()
  bash(
    'cd "$1"; mkdir t out; chmod 777 out; echo x > t/f; tar --format=posix -C t -cf t.tar f; chmod 644 t.tar',
    folder
  )
  const out = (name: string) => join(folder, 'out', name)
  composedAs(dave, store, ['import', 'app/fine-1', join(folder, 't.tar')])
  composedAs(dave, store, ['build', out('a.sqfs'), 'app/fine'])
  composedAs(dave, store, ['extract', out('a.sqfs'), out('e')])
  bash('echo more > "$1/new"', out('e'))
  assert.is(composedAs(dave, store, ['build', out('b.sqfs'), out('e')]).edits.added, 1)
})

outputs.run()
tarballs.run()
locks.run()
swapped.run()
