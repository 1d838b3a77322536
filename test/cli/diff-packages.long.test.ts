import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { compose, composed } from '../helpers/warm-compose.ts'

/** `compose diff` of trees into which real package managers installed packages. */

const DPKG_INSTALL = `
root=$1; shift; mkdir -p "$root"/var/lib/dpkg/info "$root"/var/lib/dpkg/updates "$root/tmp"; : > "$root/var/lib/dpkg/status"
for package; do IFS=_ read -r name version architecture <<< "$package"
  mkdir -p "$root.deb/DEBIAN"
  printf 'Package: %s\\nVersion: %s\\nArchitecture: %s\\nMaintainer: a <a@b>\\nDescription: x\\n' \\
    "$name" "$version" "$architecture" > "$root.deb/DEBIAN/control"
  [ "$architecture" = all ] || echo 'Multi-Arch: same' >> "$root.deb/DEBIAN/control"
  dpkg-deb -b "$root.deb" "$root.built"
  dpkg --root="$root" --log=/dev/null --force-not-root --force-architecture --force-bad-path -i "$root.built"
done; rmdir "$root/tmp"; echo changed > "$root/usr-note"
`

const folder = scratch()
const store = join(folder, 'store')
const at = (name: string) => join(folder, name)
composed(store, ['init'])

const diff = suite('compose diff of packages')

needing(
  diff,
  'dpkg',
  'dpkg-deb'
)('names packages of dpkg first, whatever the targets are', () => {
  const one = ['gone_1_all', 'lib_1:1.0-1_amd64', 'lib_1:1.0-1_i386', 'same_2_all', 'tool_1_all']
  const two = ['lib_1:1.0-2_amd64', 'lib_1:1.0-2_i386', 'new_3_all', 'same_2_all', 'tool_1_amd64']
  bash(DPKG_INSTALL, at('one'), ...one)
  bash(DPKG_INSTALL, at('two'), ...two)
  for (const name of ['one', 'two']) composed(store, ['import', `base/${name}-1`, at(name)])
  composed(store, ['build', at('one.sqfs'), 'base/one'])
  composed(store, ['build', at('two.sif'), 'base/two'])
  composed(store, ['lock', 'base/two', '-o', at('two.lock')])
  const wanted = [
    { manager: 'dpkg', name: 'gone', left: { version: '1', architecture: 'all' } },
    ...['amd64', 'i386'].map(architecture => ({
      ...{ manager: 'dpkg', name: 'lib' },
      left: { version: '1:1.0-1', architecture },
      right: { version: '1:1.0-2', architecture }
    })),
    { manager: 'dpkg', name: 'new', right: { version: '3', architecture: 'all' } },
    {
      ...{ manager: 'dpkg', name: 'tool' },
      left: { version: '1', architecture: 'all' },
      right: { version: '1', architecture: 'amd64' }
    }
  ]
  for (const a of ['base/one', at('one.sqfs')])
    for (const b of ['base/two', at('two.sif'), at('two.lock')])
      assert.equal(composed(store, ['diff', a, b]).packages, wanted, `${a} ${b}`)
  assert.equal(composed(store, ['diff', 'base/one', 'base/two', '--modules']).packages, [])
  assert.equal(composed(store, ['diff', 'base/one', at('one.sqfs')]).packages, [])
  bash('mkdir "$1"; echo x > "$1/other"', at('empty'))
  composed(store, ['import', 'base/empty-1', at('empty')])
  const lines = compose(store, ['diff', 'base/one', 'base/two']).out.split('\n')
  assert.equal(lines.slice(0, 5), [
    'package gone: 1 all -> missing',
    'package lib: 1:1.0-1 amd64 -> 1:1.0-2 amd64',
    'package lib: 1:1.0-1 i386 -> 1:1.0-2 i386',
    'package new: missing -> 3 all',
    'package tool: 1 all -> 1 amd64'
  ])
  assert.match(lines[5], /^module base\//)
  const [short, long] = [[], ['--verbose']].map(
    flags => compose(store, ['diff', 'base/one', 'base/empty', ...flags]).out
  )
  assert.match(short, /^- \/var {2}and [0-9]+ paths below$/m)
  assert.not.match(short, '/var/lib')
  assert.match(long, /^- \/var\/lib\/dpkg\/status$/m)
  assert.is(short.split('\n').at(-2), long.split('\n').at(-2))
})

const RPM_INSTALL = `
cd "$1"; tree=$2; shift 2; mkdir -p "$tree/var/lib/rpm"
for package; do IFS=_ read -r name version <<< "$package"
  printf 'Name: %s\\nVersion: %s\\nRelease: 1\\nSummary: x\\nLicense: x\\nBuildArch: noarch\\n%%description\\nx\\n%%files\\n' \\
    "$name" "$version" > one.spec
  rpmbuild -bb --quiet --define "_topdir $PWD/top" --define "_rpmdir $PWD/built" one.spec > /dev/null 2>&1
  rpm --dbpath "$PWD/$tree/var/lib/rpm" --justdb --nodeps -i "built/noarch/$name-$version-1.noarch.rpm"
done
`

needing(
  diff,
  'rpm',
  'rpmbuild'
)('names packages of rpm, or why its database cannot be read', () => {
  bash(RPM_INSTALL, folder, 'old', 'gone_1', 'tool_1')
  bash(RPM_INSTALL, folder, 'new', 'same_2', 'tool_2')
  bash('mkdir -p "$1/bad/var/lib/rpm"; echo text > "$1/bad/var/lib/rpm/rpmdb.sqlite"', folder)
  for (const name of ['old', 'new', 'bad']) composed(store, ['import', `base/${name}-1`, at(name)])
  composed(store, ['build', at('new.sqfs'), 'base/new'])
  const architecture = 'noarch'
  const [manager, before] = ['rpm', { version: '1-1', architecture }]
  assert.equal(composed(store, ['diff', 'base/old', at('new.sqfs')]).packages, [
    { manager, name: 'gone', left: before },
    { manager, name: 'same', right: { version: '2-1', architecture } },
    { manager, name: 'tool', left: before, right: { version: '2-1', architecture } }
  ])
  assert.equal(composed(store, ['diff', 'base/new', at('new.sqfs')]).packages, [])
  // The database has more than one block.
  const file = 'var/lib/rpm/rpmdb.sqlite'
  const { base64 } = composed(store, ['cat', at('new.sqfs'), file]).files[0]
  assert.is(base64, readFileSync(join(at('new'), file), 'base64'))
  const { packages, unreadPackages } = composed(store, ['diff', 'base/old', 'base/bad'])
  assert.equal([packages, unreadPackages[0].side], [[], 'right'])
  assert.match(unreadPackages[0].why, /^rpm cannot read the database: /)
  const { out } = compose(store, ['diff', 'base/old', 'base/bad'])
  assert.match(out, /^packages of rpm were not compared, because of the second: rpm cannot/)
})

diff('a database that is too large is named with its side, and no package counts as missing', () => {
  const dpkg = 'Package: tool\\nStatus: install ok installed\\nVersion: 1\\n'
  bash(
    `cd "$1"; mkdir -p small/var/lib/dpkg large/var/lib/dpkg large/var/lib/rpm; printf '${dpkg}' > small/var/lib/dpkg/status
    truncate -s 257M large/var/lib/dpkg/status; ln -s ../dpkg/status large/var/lib/rpm/rpmdb.sqlite`,
    folder
  )
  for (const name of ['small', 'large']) composed(store, ['import', `base/${name}-1`, at(name)])
  composed(store, ['build', at('large.sqfs'), 'base/large'])
  const why = 'has 269484032 bytes, and at most 268435456 are read'
  for (const large of ['base/large', at('large.sqfs')]) {
    const { packages, unreadPackages } = composed(store, ['diff', 'base/small', large])
    assert.equal(packages, [], large)
    assert.equal(unreadPackages, [
      { manager: 'dpkg', side: 'right', why: `/var/lib/dpkg/status ${why}` },
      { manager: 'rpm', side: 'right', why: `/var/lib/rpm/rpmdb.sqlite ${why}` }
    ])
  }
  assert.is(composed(store, ['diff', 'base/large', 'base/small']).unreadPackages[0].side, 'left')
})

diff.run()
