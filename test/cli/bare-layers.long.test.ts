import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { atAllSize, needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { suite } from '../helpers/suite.ts'
import {
  alice,
  CHEM,
  composedAs,
  failsAs,
  type Person,
  root,
  sharedStore,
  tarball,
  VASP
} from '../store/shared/people.ts'

const bare = suite('layers without a record')
const asRoot = needing(bare, 'root', 'setpriv', 'getfacl')
/** Tests that take too long for a check. */
const longest = atAllSize(asRoot)

/** Publishes, and is in both groups: who is fooled is somebody who may read all of it. */
const dave: Person = { uid: 61014, groups: [...alice.groups, VASP, CHEM] }
const frank: Person = { uid: 61015, groups: [VASP] }

const aclFor = (gid: number) => `user::rw-\ngroup::---\ngroup:${gid}:r--\nmask::r--\nother::---\n`
const aclOf = (path: string): string => bash('getfacl -cnp "$1" | grep -v "^$"', path).toString()

interface World {
  folder: string
  store: string
  out: (name: string) => string
  /** Ids alone, as `cut -d' ' -f1` leaves them of a list. */
  list: (...modules: string[]) => string
}

function world(): World {
  const { folder, store } = sharedStore()
  bash('mkdir -m 777 "$1/out"', folder)
  const out = (name: string) => join(folder, 'out', name)
  const list = (...modules: string[]): string => {
    const file = join(folder, `${modules.join('-').replaceAll('/', '_')}.list`)
    const ids = modules.flatMap(module =>
      composedAs(root, store, ['show', module]).layers.map(({ id }: { id: string }) => id)
    )
    writeFileSync(file, `${ids.join('\n')}\n`, { mode: 0o644 })
    return file
  }
  return { folder, store, out, list }
}

/** The same name is the same tarball. */
function publish({ folder, store }: World, module: string, name: string, ...flags: string[]): void {
  const file = join(folder, `${name}.tar`)
  const tar = existsSync(file) ? file : tarball(folder, name)
  composedAs(dave, store, ['import', module, tar, '--prefix', `opt/${name}`, ...flags])
}

asRoot('an image of them is for the groups of their module', () => {
  const here = world()
  publish(here, 'app/vasp-6.4', 'vasp', '--access-group', `${VASP}`)
  const list = here.list('app/vasp-6.4')
  const image = here.out('a.sqfs')
  const built = composedAs(dave, here.store, ['build', image, list])
  assert.is(built.lock.image.audience, `group:${VASP}`)
  assert.match(built.audience.text, /app\/vasp-6\.4 admits gid/)
  assert.is(aclOf(image), aclFor(VASP))
  for (const format of [[], ['--format', 'tar'], ['--format', 'oci'], ['--sandbox']]) {
    const args = format[0] === '--sandbox' ? [...format, here.out('x')] : [here.out('x'), ...format]
    const error = failsAs(dave, here.store, ['build', ...args, list, '--for', 'everyone'])
    assert.is(error.code, 'ACCESS_WIDER', format.join(' '))
    assert.not.ok(existsSync(here.out('x')))
  }
})

asRoot(
  'a lock that leaves the record out, or calls a layer captured, is refused where it says everyone',
  () => {
    const here = world()
    publish(here, 'app/vasp-6.4', 'vasp', '--access-group', `${VASP}`)
    const file = join(here.folder, 'stack.lock')
    composedAs(dave, here.store, ['lock', 'app/vasp', '-o', here.out('true.lock')])
    const lock = JSON.parse(readFileSync(here.out('true.lock'), 'utf8'))
    lock.image.audience = 'everyone'
    for (const captured of [{}, { captured: true }]) {
      lock.modules = [{ ...captured, layers: lock.modules[0].layers }]
      writeFileSync(file, `${JSON.stringify(lock, undefined, 2)}\n`, { mode: 0o644 })
      const error = failsAs(dave, here.store, ['build', here.out('b.sqfs'), file])
      assert.is(error.code, 'ACCESS_WIDER')
    }
  }
)

asRoot('a layer of several modules is for users whom any of the modules admits', () => {
  const here = world()
  publish(here, 'app/one-1', 'same', '--access-group', `${VASP}`)
  publish(here, 'app/two-1', 'same', '--access-group', `${CHEM}`, '--open-to', `group:${CHEM}`)
  const list = here.list('app/one-1')
  const both = composedAs(dave, here.store, ['build', here.out('a.sqfs'), list])
  assert.is(both.lock.image.audience, `group:${VASP},${CHEM}`)
  publish(here, 'lib/open-1', 'same', '--open-to', 'everyone')
  const open = composedAs(dave, here.store, ['build', here.out('b.sqfs'), list])
  assert.is(open.lock.image.audience, 'everyone')
})

asRoot('layers of different modules are for users whom all these modules admit', () => {
  const here = world()
  publish(here, 'app/one-1', 'one', '--access-group', `${VASP}`)
  publish(here, 'app/two-1', 'two', '--access-group', `${CHEM}`)
  const { lock } = composedAs(dave, here.store, [
    'build',
    here.out('a.sqfs'),
    here.list('app/one-1', 'app/two-1')
  ])
  assert.match(lock.image.audience, new RegExp(`^user:${dave.uid}:`))
  assert.is(statSync(here.out('a.sqfs')).mode & 0o777, 0o600)
})

longest('a layer of an unpublished module is for users who may read its files', () => {
  const here = world()
  publish(here, 'app/vasp-6.4', 'vasp', '--access-group', `${VASP}`)
  const list = here.list('app/vasp-6.4')
  composedAs(dave, here.store, ['unpublish', 'app/vasp-6.4'])
  const { lock, audience } = composedAs(dave, here.store, ['build', here.out('a.sqfs'), list])
  assert.is(lock.image.audience, `group:${VASP}`)
  assert.match(audience.text, /layer bagu/)
})

asRoot('a module that must not leave the site does not leave it as bare layers', () => {
  const here = world()
  publish(here, 'app/vasp-6.4', 'vasp', '--no-redistribute')
  const list = here.list('app/vasp-6.4')
  for (const format of ['tar', 'oci']) {
    const args = ['build', here.out('x'), list, '--format', format]
    const error = failsAs(dave, here.store, args)
    assert.is(error.code, 'NOT_REDISTRIBUTABLE', format)
    assert.equal(error.facts.modules, ['app/vasp-6.4'])
    assert.not.ok(existsSync(here.out('x')))
  }
  composedAs(dave, here.store, ['build', here.out('y.tar'), list, '--format', 'tar', '--internal'])
  publish(here, 'lib/free-1', 'vasp', '--allow-redistribution')
  composedAs(dave, here.store, ['build', here.out('z.tar'), list, '--format', 'tar'])
})

const claimed = suite('groups that somebody claims of a user')
const asRootClaimed = needing(claimed, 'root', 'setpriv', 'getent')
const longAsRootClaimed = atAllSize(asRootClaimed)

longAsRootClaimed(
  'admit nobody to a restricted module, in --for and in a lock, unless the host confirms them',
  () => {
    const here = world()
    publish(here, 'app/vasp-6.4', 'vasp', '--access-group', `${VASP}`)
    publish(here, 'app/daemon-1', 'daemon', '--access-group', '1')
    const build = (module: string, who: string) => ['build', here.out('a.sqfs'), module, '--for', who]
    const unknown = failsAs(dave, here.store, build('app/vasp', `user:61021:61021:61021,${VASP}`))
    assert.is(unknown.code, 'ACCESS_WIDER')
    assert.match(unknown.message, /this host has no user 61021/)
    const other = failsAs(dave, here.store, build('app/vasp', `user:1:1:1,${VASP}`))
    assert.is(other.code, 'ACCESS_WIDER')
    composedAs(root, here.store, build('app/daemon', 'user:1:1:1'))
    composedAs(dave, here.store, ['lock', 'app/vasp', '-o', here.out('a.lock')])
    const text = readFileSync(here.out('a.lock'), 'utf8')
    const forged = join(here.folder, 'forged.lock')
    writeFileSync(forged, text.replace(`group:${VASP}`, `user:1:1:1,${VASP}`), { mode: 0o644 })
    assert.is(failsAs(dave, here.store, ['build', here.out('b.sqfs'), forged]).code, 'ACCESS_WIDER')
  }
)

longAsRootClaimed('are those of the process for the builder, even if no account has the uid', () => {
  const here = world()
  publish(here, 'app/vasp-6.4', 'vasp', '--access-group', `${VASP}`)
  const image = here.out('a.sqfs')
  composedAs(frank, here.store, ['build', image, 'app/vasp', '--for', 'me'])
  assert.is(statSync(image).mode & 0o777, 0o600)
})

bare.run()
claimed.run()
