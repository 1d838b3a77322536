import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { atAllSize, atCheckSize, needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

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

atCheckSize(needing(packages, 'dpkg-deb'))(
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
    const shown = composed(store, ['show', 'lib/both'])
    assert.is(shown.labels['org.debian.depends.two'], 'one')
    assert.is(shown.summary, 'package one')
  }
)

atAllSize(needing(packages, 'dpkg-deb'))(
  'dependencies that neither the module nor its requirements have are named',
  () => {
    const path = join(folder, 'needy.deb')
    bash(
      `tree=$(mktemp -d); mkdir -p "$tree/DEBIAN" "$tree/opt/needy"
    printf 'Package: needy\nVersion: 1\nArchitecture: all\nMaintainer: x\nPre-Depends: base-files (>= 12)\nDepends: libc6:any (>= 2.36), mta | exim4, one, libm\nDescription: x\n' > "$tree/DEBIAN/control"
    dpkg-deb --root-owner-group --build "$tree" "$1" >/dev/null; rm -r "$tree"
    mkdir -p "$2/var/lib/dpkg"; printf '%s\n' 'Package: base-files' 'Status: install ok installed' 'Version: 1' '' \
      'Package: libc6' 'Provides: libm (= 1)' 'Status: install ok installed' 'Version: 1' '' \
      'Package: exim4' 'Status: deinstall ok config-files' 'Version: 1' > "$2/var/lib/dpkg/status"`,
      path,
      join(folder, 'root')
    )
    composed(store, ['import', 'base/deb-1', join(folder, 'root')])
    const notesOf = (...args: string[]) =>
      composed(store, ['import', ...args]).notes.filter((note: string) => note.startsWith('depends on'))
    assert.match(
      notesOf('lib/needy-1', path)[0],
      /requires no module: base-files, libc6, libm, mta \| exim4, one /
    )
    assert.equal(notesOf('lib/needy-2', path, '--requires', 'base/deb'), [
      'depends on packages that neither it nor the modules it requires contain: mta | exim4, one'
    ])
    assert.equal(notesOf('lib/needy-3', path, deb('one'), '--requires', 'base/deb'), [
      'depends on packages that neither it nor the modules it requires contain: mta | exim4'
    ])
    composed(store, ['import', 'lib/mail-1', deb('mta'), deb('one')])
    const both = ['--requires', 'base/deb', '--requires', 'lib/mail']
    assert.equal(notesOf('lib/needy-4', path, ...both), [])
  }
)

atCheckSize(needing(packages, 'dpkg-query', 'ldd'))(
  'a program of this host is published with the packages it is from',
  () => {
    const { origin } = composed(store, ['import', 'app/env-1', '--host-program', '/usr/bin/env'])
    assert.is(origin[0].kind, 'program')
    assert.ok(origin[0].packages.some(({ name }: { name: string }) => name === 'coreutils'))
  }
)

atCheckSize(needing(packages, 'dpkg-query'))('files of the base are not taken again', () => {
  composed(store, ['import', 'base/libc-1', '--host-package', 'libc6', '--kind', 'base'])
  const { notes } = composed(store, [
    'import',
    'app/env-2',
    '--host-program',
    '/usr/bin/env',
    '--base',
    'base/libc'
  ])
  assert.match(notes.join('\n'), /the base already has: .*libc\.so\.6/)
  const report = composed(store, [
    ...['import', 'lib/zlib-1', '--host-package', 'zlib1g'],
    ...['--with-deps', '--base', 'base/libc']
  ])
  assert.match(report.notes.join('\n'), /the base already has \d+ packages?: .*libc6/)
  assert.equal(
    report.origin[0].packages
      .map(({ name }: { name: string }) => name)
      .filter((name: string) => name === 'libc6'),
    []
  )
})

atAllSize(needing(packages, 'dpkg-query', 'ldd'))(
  'what one of several bases has is not taken, whichever it is',
  () => {
    composed(store, ['import', 'base/crypt-1', '--host-package', 'libcrypt1', '--kind', 'base'])
    const program = ['--host-program', '/usr/bin/perl']
    const orders = [
      ['base/libc', 'base/crypt'],
      ['base/crypt', 'base/libc']
    ]
    for (const [i, bases] of orders.entries()) {
      const flags = bases.flatMap(base => ['--base', base])
      const { notes } = composed(store, ['import', `app/perl-${i + 1}`, ...program, ...flags])
      assert.match(notes.join('\n'), /the base already has: .*libc\.so\.6/)
      assert.match(notes.join('\n'), /the base already has: .*libcrypt\.so\.1/)
    }
  }
)

atAllSize(needing(packages, 'dpkg-query'))(
  'what gives privileges is left out by the flag that the refusal names',
  () => {
    const { hint, code } = composeFails(store, ['import', 'lib/passwd-1', '--host-package', 'passwd'], 27)
    assert.is(code, 'PRIVILEGED')
    const flags = /^(--exclude \S+ )+/.exec(hint!)![0].trim().split(' ')
    assert.ok(flags.includes('/usr/bin/passwd'), hint)
    const { notes } = composed(store, ['import', 'lib/passwd-1', '--host-package', 'passwd', ...flags])
    assert.match(notes.join('\n'), /left out by --exclude \/usr\/bin\/passwd: 1/)
    const out = join(folder, 'passwd')
    composed(store, ['build', '--sandbox', out, 'lib/passwd'])
    assert.is(bash('find "$1" -perm -4000', out).toString(), '')
    assert.match(bash('ls "$1/usr/sbin"', out).toString(), /useradd/)
  }
)

atAllSize(needing(packages, 'dpkg-query', 'gdb'))(
  'what a program opens by name is named by its packages',
  () => {
    const gdb = ['--host-program', '/usr/bin/gdb']
    const noteOf = (...args: string[]): string =>
      composed(store, ['import', ...args]).notes.find((note: string) =>
        note.startsWith('these packages have further files')
      )
    const note = noteOf('tools/gdb-1', ...gdb)
    // Python's modules, without which gdb ends at once: what ldd knows nothing of.
    const modules = bash(
      `library=$(dpkg-query -S "*/$(ldd /usr/bin/gdb | grep -o 'libpython[^ ]*' | head -1)" | cut -d: -f1)
    dpkg-query -s "$library" | sed -n 's/^Depends: //p' | grep -o 'libpython[^ ,]*-stdlib'`
    )
      .toString()
      .trim()
    assert.match(note, new RegExp(`[ ,]${modules}[ ,]`))
    const without = noteOf('tools/gdb-2', ...gdb, '--host-package', modules)
    assert.not.match(without, new RegExp(`[ ,]${modules}[ ,]`))
  }
)

const REFUSED: [args: string[], status: number, code: string, message: RegExp][] = [
  [['--host-package', 'no-such-package'], 26, 'PACKAGE_MISSING', /no-such-package is not installed/],
  [['--host-program', '/no/such'], 26, 'PATH_MISSING', /\/no\/such does not exist/],
  [['--host-program', 'relative'], 2, 'USAGE', /not an absolute path/],
  [['--host-program', '/etc/debian_version'], 2, 'USAGE', /neither ELF nor a script/],
  [
    ['--host-program', '/bin/ls', '--include', '/no/such/*'],
    26,
    'PATH_MISSING',
    /no path of this host matches/
  ],
  [['--include', '/etc/hosts'], 2, 'USAGE', /--include works only together with/],
  [['--with-deps'], 2, 'USAGE', /--with-deps works only together with --host-package/],
  [['--base', 'base/libc'], 2, 'USAGE', /--base leaves out the parts of an OCI layout/],
  [['--exclude', '/etc/hosts'], 2, 'USAGE', /--exclude works only together with/],
  [['--host-package', 'passwd', '--exclude', '/usr/bin/none'], 26, 'PATH_MISSING', /no taken path matches/],
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
