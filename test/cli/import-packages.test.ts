import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compose, composed, composeFails } from '../helpers/compose.ts'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'

const packages = suite('cli: import of packages and of what the host has')

const folder = scratch()
const store = join(folder, 'store')
composed(store, ['init', '--level', '1'])

function deb(name: string): string {
  const path = join(folder, `${name}.deb`)
  bash(
    `tree=$(mktemp -d); mkdir -p "$tree/DEBIAN" "$tree/opt/$2"; echo "$2" > "$tree/opt/$2/file"
    printf 'Package: %s\\nVersion: 1\\nArchitecture: all\\nMaintainer: x\\nDepends: one\\nDescription: package %s\\n' "$2" "$2" > "$tree/DEBIAN/control"
    dpkg-deb --root-owner-group --build "$tree" "$1" >/dev/null; rm -r "$tree"`,
    path,
    name
  )
  return path
}

needing(packages, 'dpkg-deb')(
  'several packages are layers of one module, and its record names them all',
  () => {
    const { layers, origin } = composed(store, ['import', 'lib/both-1', deb('one'), deb('two')])
    assert.is(layers.length, 2)
    assert.equal(
      origin.map(({ packages: [found] }: { packages: object[] }) => found),
      ['one', 'two'].map(name => ({ name, version: '1', architecture: 'all' }))
    )
    const sandbox = join(folder, 'sandbox')
    composed(store, ['build', '--sandbox', sandbox, 'lib/both'])
    assert.is(bash('cat "$1"/opt/*/file', sandbox).toString(), 'one\ntwo\n')
    const shown = JSON.stringify(composed(store, ['show', 'lib/both']))
    assert.match(shown, 'org.debian.depends.two')
    assert.match(shown, 'package two')
  }
)

needing(
  packages,
  'dpkg-query',
  'ldd'
)('a program of this host is published with the packages it is from', () => {
  const { origin } = composed(store, ['import', 'app/env-1', '--host-program', '/usr/bin/env'])
  assert.is(origin[0].kind, 'program')
  assert.ok(origin[0].packages.some(({ name }: { name: string }) => name === 'coreutils'))
})

needing(packages, 'dpkg-query')('what the base has is not taken twice', () => {
  composed(store, ['import', 'base/libc-1', '--host-package', 'libc6', '--kind', 'base'])
  const { notes } = composed(store, [
    'import',
    'app/env-2',
    '--host-program',
    '/usr/bin/env',
    '--base',
    'base/libc'
  ])
  assert.match(notes.join('\n'), /the base has already: .*libc\.so\.6/)
  const report = composed(store, [
    ...['import', 'lib/zlib-1', '--host-package', 'zlib1g'],
    ...['--with-deps', '--base', 'base/libc']
  ])
  assert.match(report.notes.join('\n'), /the base has \d+ packages? already: .*libc6/)
  assert.equal(
    report.origin[0].packages
      .map(({ name }: { name: string }) => name)
      .filter((name: string) => name === 'libc6'),
    []
  )
})

const REFUSED: [args: string[], status: number, code: string, message: RegExp][] = [
  [['--host-package', 'no-such-package'], 26, 'PACKAGE_MISSING', /no-such-package is not installed/],
  [['--host-program', '/no/such'], 26, 'PATH_MISSING', /\/no\/such is not there/],
  [['--host-program', 'relative'], 2, 'USAGE', /no absolute path/],
  [['--host-program', '/etc/debian_version'], 2, 'USAGE', /neither ELF nor a script/],
  [['--host-program', '/bin/ls', '--include', '/no/such/*'], 26, 'PATH_MISSING', /nothing of this host/],
  [['--include', '/etc/hosts'], 2, 'USAGE', /--include says more about/],
  [['--with-deps'], 2, 'USAGE', /--with-deps says more about --host-package/],
  [['--base', 'base/libc'], 2, 'USAGE', /--base says more about/],
  [['--host-package', 'libc6', '--with-deps', '--base', 'base/none'], 14, 'MODULE_UNKNOWN', /base\/none/]
]

for (const [args, status, code, message] of REFUSED)
  needing(packages, 'dpkg-query')(`${args.join(' ')} is refused, and nothing is published`, () => {
    const error = composeFails(store, ['import', 'app/refused-1', ...args], status)
    assert.is(error.code, code)
    assert.match(error.message, message)
    assert.is(compose(store, ['show', 'app/refused']).status, 14)
  })

packages('a package that is damaged publishes nothing', () => {
  for (const [name, start] of [
    ['odd.deb', '!<arch>\n'],
    ['odd.rpm', '\xed\xab\xee\xdb']
  ]) {
    writeFileSync(join(folder, name), Buffer.from(start, 'latin1'))
    const { code, message } = composeFails(store, ['import', 'app/refused-1', join(folder, name)], 29)
    assert.is(code, 'SOURCE_INVALID')
    assert.match(message, name)
  }
})

packages.run()
