import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { compose, composed, composeFails } from '../../helpers/warm-compose.ts'
import { quickStoreFolder } from './images.ts'

const VASP = '61001'

interface Site {
  store: string
  folder: string
  sandbox: string
  /** Digest of a build of the sandbox itself, which knows no modules above. */
  digest(): string
  built(...modules: string[]): string
}

/** A base, a library and an application of which one file is large, and a sandbox of them. */
function site(...flags: string[]): Site {
  const store = quickStoreFolder()
  const folder = scratch()
  bash(
    `cd "$1"; mkdir -p base/etc base/usr/lib lib/opt/lib app/opt/app/bin
    echo hosts > base/etc/hosts; echo motd > base/etc/motd; echo old > base/usr/lib/old
    echo lib > lib/opt/lib/libx.so; echo tool > app/opt/app/bin/tool; head -c 3000000 /dev/urandom > app/opt/app/large
    n=0; for part in base lib app; do find $part -depth -type d -exec touch -d "@$((n += 1000))" {} +; done`,
    folder
  )
  const owned = ['--owner', '0:0']
  composed(store, ['import', 'base/b-12', join(folder, 'base'), ...owned, '--set', 'B=1'])
  composed(store, ['import', 'lib/x-1', join(folder, 'lib'), ...owned, '--requires', 'base/b'])
  composed(store, [
    ...['import', 'app/a-6.4', join(folder, 'app'), ...owned, '--requires', 'lib/x', '--license', '40 seats'],
    ...['--prepend', 'PATH=/opt/app/bin', ...flags]
  ])
  const sandbox = join(folder, 'sandbox')
  composed(store, ['build', '--sandbox', sandbox, 'app/a'])
  let images = 0
  const built = (...targets: string[]) =>
    composed(store, ['build', join(folder, `${images++}.sqfs`), ...targets]).treeDigest
  return { store, folder, sandbox, digest: () => built(sandbox), built }
}

/** Paths of other modules that a module replaces. */
const pathsOf = ({ replaces }: { replaces: { path: string }[] }): string[] => replaces.map(({ path }) => path)

const changes = suite('sources: changes in a sandbox')

changes('becomes one small layer on the modules that it was made of, and with them the same tree', () => {
  const { store, folder, sandbox, digest, built } = site()
  bash(
    `cd "$1"; echo mine > etc/hosts; rm usr/lib/old; mkdir opt/new; echo new > opt/new/file
    echo changed > opt/app/bin/tool; chmod 700 opt/app/bin/tool; ln -s ../app opt/new/link`,
    sandbox
  )
  const report = composed(store, ['import', 'app/mine-1', sandbox])
  assert.equal([report.layers.length, report.reused], [1, undefined])
  assert.ok(report.layers[0].tarBytes < 20_000, `${report.layers[0].tarBytes}`)
  assert.equal(report.requires, ['base/b = 12', 'lib/x = 1', 'app/a = 6.4'])
  assert.equal(pathsOf(report), ['/etc/hosts', '/opt/app/bin/tool', '/usr/lib/old'])
  assert.equal(report.origin, [{ kind: 'sandbox', name: 'sandbox' }])
  assert.is(built('app/mine'), digest())
  const { environment } = composed(store, ['show', 'app/mine'])
  assert.equal(environment, [])
  bash('cd "$1"; rm -rf out; mkdir out', folder)
  composed(store, ['export', 'app/mine', join(folder, 'out')])
  const names = bash('tar -tf "$1" | sort', join(folder, 'out/layer.tar')).toString().trim().split('\n')
  assert.equal(names, [
    'etc/hosts',
    'opt/app/bin/tool',
    'opt/new/',
    'opt/new/file',
    'opt/new/link',
    'usr/lib/.wh.old'
  ])
})

changes('becomes a new version of one of them, with its layers, settings and place', () => {
  const { store, sandbox, digest, built } = site()
  bash('echo fixed > "$1/opt/app/bin/tool"; rm "$1/opt/app/large"', sandbox)
  const { out } = compose(store, ['import', 'app/a-6.4.fix1', sandbox])
  const before = composed(store, ['show', 'app/a-6.4'])
  const after = composed(store, ['show', 'app/a-6.4.fix1'])
  assert.match(out, new RegExp(`layer ${before.layers[0].id} \\(of another module\\)`))
  assert.equal(after.layers.length, 2)
  assert.is(after.layers[0].id, before.layers[0].id)
  assert.equal(
    [after.requires, after.replaces, after.license, after.environment],
    [before.requires, [], '40 seats', before.environment]
  )
  assert.equal(after.origin, [...before.origin, { kind: 'sandbox', name: 'sandbox' }])
  assert.is(built('app/a-6.4.fix1'), digest())
  assert.equal(composed(store, ['fsck']).findings, [])
})

changes('of a library below others becomes its new version, unless the others were changed as well', () => {
  const { store, sandbox, digest, built } = site()
  bash('echo fixed > "$1/opt/lib/libx.so"', sandbox)
  composed(store, ['import', 'lib/x-1.1', sandbox])
  assert.is(built('lib/x-1.1', 'app/a'), digest())
  bash('echo fixed > "$1/opt/app/bin/tool"', sandbox)
  for (const name of ['lib/x-1.2', 'base/b-12.1']) {
    const { message, hint } = composeFails(store, ['import', name, sandbox], 36)
    assert.match(message, /would lie below modules that were changed/)
    assert.match(hint!, /--flatten/)
  }
  const other = composed(store, ['import', 'lib/other-1', sandbox])
  assert.equal(pathsOf(other), ['/opt/app/bin/tool', '/opt/lib/libx.so'])
  assert.equal(other.requires, ['base/b = 12', 'lib/x = 1', 'app/a = 6.4'])
  assert.is(built('lib/other'), digest())
})

changes('of a base in an application requires that very base, and is built with no other', () => {
  const { store, sandbox, digest, built } = site()
  bash('echo mine > "$1/etc/hosts"', sandbox)
  const report = composed(store, ['import', 'app/a-6.5', sandbox])
  assert.equal([report.requires, pathsOf(report)], [['lib/x', 'base/b = 12'], ['/etc/hosts']])
  assert.is(built('app/a-6.5'), digest())
})

changes(
  'takes no directory over from other modules, and names those that keep their mode; --flatten takes all',
  () => {
    const { store, sandbox, built, digest } = site()
    bash('chmod 700 "$1/usr/lib"; touch -d 2001-01-01 "$1/etc"; echo x > "$1/opt/app/new"', sandbox)
    const { notes } = composed(store, ['import', 'app/a-6.5', sandbox])
    assert.equal(notes.length, 1)
    assert.match(notes[0], /^\/usr\/lib keeps the owner, mode and ACL/)
    const flat = composed(store, ['import', 'base/flat-1', sandbox, '--flatten'])
    assert.ok(flat.layers[0].tarBytes > 3_000_000)
    assert.equal(composed(store, ['show', 'base/flat']).requires, [])
    assert.is(built('base/flat'), digest())
  }
)

changes('that is unchanged, or made of bare layers, is an error with a hint', () => {
  const { store, folder, sandbox, built, digest } = site()
  const error = composeFails(store, ['import', 'app/same-1', sandbox], 2)
  assert.match(`${error.message} ${error.hint}`, /has no changes that a module could hold.*--flatten/)
  assert.match(
    composeFails(store, ['import', 'app/same-1', join(folder, 'app'), '--flatten'], 2).message,
    /--flatten/
  )
  const list = join(folder, 'layers.txt')
  const ids = ['base/b', 'lib/x', 'app/a'].map(name => composed(store, ['show', name]).layers[0].id)
  writeFileSync(list, `${ids.join('\n')}\n`)
  const bare = join(folder, 'bare')
  composed(store, ['build', '--sandbox', bare, list])
  bash('echo fixed > "$1/opt/app/bin/tool"', bare)
  const { reused } = composed(store, ['import', 'app/bare-1', bare])
  assert.equal(
    reused.map(({ id }: { id: string }) => id),
    ids
  )
  bash('echo fixed > "$1/opt/app/bin/tool"', sandbox)
  assert.is(built('app/bare'), digest())
})

for (const how of [[], ['--flatten']])
  changes(`is for nobody for whom its modules are not: ${how[0] ?? 'a layer'}`, () => {
    const { store, folder, sandbox } = site('--access-group', VASP, '--no-redistribute')
    bash('cp "$1/opt/app/large" "$1/opt/copied"', sandbox)
    const files = () =>
      bash('cd "$1"; find data parts objects blobs -type f -perm -o+r -size +1000k', store).toString()
    assert.is(files(), '')
    for (const name of ['app/mine-1', 'app/a-7']) {
      const importing = (flags: string[]) => ['import', name, sandbox, ...how, ...flags]
      const { code } = composeFails(store, importing(['--access-group', '7']), 44)
      assert.is(code, 'ACCESS_WIDER')
      composed(store, importing([]))
      const { accessGroups, redistributable } = composed(store, ['show', name])
      assert.equal([accessGroups, redistributable], [[{ gid: Number(VASP) }], false])
      assert.is(files(), '')
    }
    const image = join(folder, 'image.sqfs')
    composed(store, ['build', image, 'app/a'])
    const { code } = composeFails(store, ['import', 'base/i-1', image, '--access-group', '7'], 44)
    assert.is(code, 'ACCESS_WIDER')
  })

needing(changes, 'unsquashfs')(
  'opens the layers of the version before where that is said, and only then',
  () => {
    const { store, folder, sandbox } = site('--access-group', VASP)
    bash('echo fixed > "$1/opt/app/bin/tool"', sandbox)
    composed(store, ['import', 'app/a-6.5', sandbox, '--open-to', 'everyone'])
    assert.is(bash('cd "$1"; find data parts objects blobs -type f ! -perm -o+r', store).toString(), '')
    const image = join(folder, 'open.sqfs')
    composed(store, ['build', '--bare', image, 'app/a-6.5', '--for', 'everyone'])
    const listing = bash('unsquashfs -ll "$1"', image).toString()
    assert.match(listing, /opt\/app\/large/)
    assert.is(bash('unsquashfs -cat "$1" opt/app/bin/tool', image).toString(), 'fixed\n')
  }
)

changes.run()
