import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { looksLikeSspec, parseSspec } from '../../../compose/definition/parse-sspec.ts'
import { atAllSize, needing, suiteNeeding } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { refused } from '../../helpers/refused.ts'
import { suite } from '../../helpers/suite.ts'
import { composeIn, define, world } from '../capture/capture-world.ts'

/** SSPEC files of Singularity 1.x, of real programs of this host (spec/definitions.md#sspec). */

const parsing = suite('sspec: parsing')

parsing('is told from definitions, Dockerfiles, settings and .spec files of RPM by its lines', () => {
  for (const text of [
    'Name: cat\nExec: /bin/cat\n',
    '# made by hand\n\nexec: cat',
    '%packages\nopenssh-clients\n%runscript\nssh',
    'Name: x\r\nDebugOS: 1\r\n%files\r\n/bin/ls\r\n'
  ])
    assert.ok(looksLikeSspec(text), text)
  for (const text of [
    '',
    '%files\n/bin/ls\n%runscript\nls\n',
    'Bootstrap: scratch\n%install\n',
    'Name: x\nVersion: 1\nRelease: 1\nSummary: x\n%description\n%install\n%files\n',
    'FROM debian\nEXEC: x',
    'name: app/vasp\nsummary: a module\n',
    'modules:\n- base/debian\nexec: x\n'
  ])
    assert.not.ok(looksLikeSspec(text), text)
})

parsing('keeps the first of several keys, and leaves comments and empty lines out of sections', () => {
  const notes: string[] = []
  const text = 'NAME: a\nname: b\nColour: red\n# no\n%runscript\n  # no\n\n  exec ls "{{ x }}"\n%test\n'
  const { header, sections } = parseSspec(text, 'x.sspec', note => notes.push(note))
  assert.equal([...header], [['name', { value: 'a', line: 1 }]])
  assert.equal(
    sections.map(({ name, line, body }) => [name, line, ...body.map(({ text }) => text)]),
    [
      ['runscript', 5, 'exec ls "{{ x }}"'],
      ['test', 9]
    ]
  )
  assert.equal(notes, ['x.sspec, line 3: the key Colour means nothing in an SSPEC file'])
})

parsing('refuses what it cannot map, and names the line', () => {
  for (const [text, wanted] of [
    ['Name: a\n%Files\n', /x.sspec, line 2: "%Files" is no section/],
    ['Name: a\n%files /bin/ls\n', /x.sspec, line 2: "%files \/bin\/ls" is no section/],
    ['Name: a\nls -l\n', /x.sspec, line 2: "ls -l" is not of the form/]
  ] as const)
    refused(() => parseSspec(text, 'x.sspec', () => {}), 'DEFINITION_INVALID', wanted)
})

parsing.run()

const sspec = suiteNeeding('sspec: files of this host', 'userns', 'ldd', 'xz')
const long = atAllSize(sspec)

const importing = (module: string, text: string, ...more: string[]) =>
  composeIn(world(), ['import', module, define(`${module.replaceAll('/', '-')}.sspec`, text), ...more])

function imported(module: string, text: string, ...more: string[]): string {
  const { status, out, err } = importing(module, text, ...more)
  assert.is(status, 0, err)
  return out + err
}

function refusal(module: string, text: string, ...more: string[]): string {
  const { status, err } = importing(module, text, ...more)
  assert.is.not(status, 0, `${module} was published`)
  return err
}

// biome-ignore lint/suspicious/noExplicitAny: the test looks into a document
const shown = (module: string): any => JSON.parse(composeIn(world(), ['--json', 'show', module]).out)

/** Paths of all layers, with mode and owner. */
function listed(module: string): Map<string, string> {
  const out = join(world().home, `out-${module.replaceAll('/', '-')}`)
  assert.is(composeIn(world(), ['export', module, out]).status, 0)
  const lines = bash('for each in "$1"/*.tar; do tar --numeric-owner -tvf "$each"; done', out)
    .toString()
    .trim()
  return new Map(
    lines.split('\n').map(line => {
      const [mode, owner, , , , path] = line.split(/\s+/)
      return [`/${path.replace(/^\.\/|\/$/g, '')}`, `${mode} ${owner}`]
    })
  )
}

const XZ =
  'Name: xz\nSummary: packs files\nMaintainer: some body\nExec: xz --decompress --stdout\nDebugOS: 0\n'

sspec('Exec comes with its libraries, and is what the image runs; the module holds the file in full', () => {
  const file = '%files\n/etc/debian_version\n%test\ntest -s /etc/debian_version\n'
  imported('app/xz-1', XZ + file)
  const { summary, labels, runscript, origin, kind } = shown('app/xz-1')
  assert.equal([summary, labels, kind], ['packs files', { maintainer: 'some body' }, 'application'])
  assert.is(runscript, '#!/bin/sh\n\nexec /usr/bin/xz --decompress --stdout "$@"\n')
  assert.equal(origin.map(({ kind }: { kind: string }) => kind).sort(), ['capture', 'program'])
  assert.is(composeIn(world(), ['inspect', '--definition', 'app/xz-1']).out, XZ + file)
  const paths = listed('app/xz-1')
  for (const [, library] of execFileSync('ldd', ['/usr/bin/xz'])
    .toString()
    .matchAll(/(\/\S+) \(0x/g))
    assert.ok(paths.has(realpathSync(library)), library)
  for (const path of ['/usr/bin/xz', '/etc/debian_version', '/.singularity.d/test'])
    assert.ok(paths.has(path), path)
  const packed = join(world().home, 'text.xz')
  bash('printf packed | xz > "$1"; chmod a+r "$1"', packed)
  const ran = composeIn(world(), [
    'run',
    'app/xz',
    '--bind',
    `${world().home}:/data`,
    '--',
    '/bin/sh',
    '-c',
    'xz -dc /data/text.xz'
  ])
  assert.is(ran.out, 'packed', ran.err)
})

long('builds an image, and the same layers twice', () => {
  const file = define('twice.sspec', XZ)
  assert.is(composeIn(world(), ['build', 'twice.sqfs', file]).status, 0)
  const { out } = composeIn(world(), ['inspect', '--definition', 'twice.sqfs'])
  assert.is(out, XZ)
  imported('app/twice-1', XZ)
  imported('app/twice-2', XZ)
  assert.equal(shown('app/twice-1').layers, shown('app/twice-2').layers)
})

long('a base has what it has, and is required', () => {
  imported('base/xz-1', XZ)
  imported('app/above-1', `${XZ}%files\n/etc/debian_version\n`, '--base', 'base/xz')
  assert.equal(shown('app/above-1').requires, ['base/xz = 1'])
  const paths = [...listed('app/above-1').keys()]
  assert.ok(paths.includes('/etc/debian_version'))
  assert.not.ok(
    paths.some(path => path.includes('/libc.so') || path === '/usr/bin/xz'),
    paths.join('\n')
  )
})

atAllSize(needing(sspec, 'root'))(
  'private files are left out and named, those that flags name are taken, and a private Exec is refused',
  () => {
    const { home } = world()
    mkdirSync(join(home, 'own/closed'), { recursive: true })
    for (const name of ['open', 'key', 'closed/inside']) writeFileSync(join(home, 'own', name), name)
    symlinkSync('key', join(home, 'own/link'))
    bash('cp /usr/bin/xz "$1/own/tool"; chown -R --reference="$1" "$1/own"', home)
    chmodSync(join(home, 'own/key'), 0o600)
    chmodSync(join(home, 'own/closed'), 0o700)
    chmodSync(join(home, 'own/tool'), 0o700)
    const text = `${XZ}%files\n${home}/own\n/etc/shadow\n`
    const told = imported('app/private-1', text)
    for (const name of [`${home}/own/key`, `${home}/own/link`, `${home}/own/closed`, '/etc/shadow'])
      assert.ok(
        told.includes(`left out: ${name}: not everybody on this host can read it`),
        `${name}\n${told}`
      )
    const names = [...listed('app/private-1').keys()].filter(path => path.startsWith(`${home}/own/`))
    assert.equal(names, [`${home}/own/open`])
    imported('app/private-2', text, '--include', `${home}/own/key`)
    assert.ok(listed('app/private-2').has(`${home}/own/key`))
    const own = `Exec: ${home}/own/tool\n`
    assert.match(refusal('app/private-3', own), /own\/tool cannot be taken: not everybody/)
    imported('app/private-3', own, '--include', `${home}/own/tool`)
  }
)

long('scripts of the host run only if it is asked for, with the tree in INSTALLROOT', () => {
  const scripts =
    '%build\nfalse\necho "$SAPPNAME" > $INSTALLROOT/test1\n%install\ntouch $INSTALLROOT/test2\n%post\nls -a $DESTDIR/bin/ > $DESTDIR/test3\n'
  const text = XZ.replace('xz', 'x z') + scripts
  for (const [name, section] of ['build', 'install', 'post'].entries())
    assert.match(
      refusal(`app/scripts-${name}`, `${XZ}%${section}\ntouch ${world().home}/ran\n`),
      new RegExp(`line 6: %${section} runs on this host`)
    )
  imported('app/scripts-1', text, '--host-scripts', 'ro')
  const paths = listed('app/scripts-1')
  for (const name of ['/test1', '/test2', '/test3']) assert.is(paths.get(name), '-rw-r--r-- 0/0', name)
  const outside = `${XZ}%install\ntouch ${world().home}/ran\n`
  assert.match(
    refusal('app/scripts-2', outside, '--host-scripts', 'ro'),
    /%install of .*, line 6, ended with status 1/
  )
  assert.match(refusal('app/scripts-2', `${XZ}%build\nexit 1\n`, '--host-scripts', 'rw'), /%build of/)
  assert.match(refusal('app/scripts-2', `${XZ}%test\nexit 3\n`), /%test of .* ended with status 3/)
  assert.not.ok(existsSync(join(world().home, 'ran')))
  assert.equal(
    readdirSync(world().home).filter(name => name.startsWith('compose-capture-')),
    []
  )
})

long('no line is given to a shell, and what is not there is refused by line', () => {
  const { home } = world()
  for (const [line, wanted] of [
    [`/etc/$(touch ${home}/shell)`, /line 7: %files .* is not on this host/],
    [`/etc/passwd; touch ${home}/shell`, /line 7: %files .* is not on this host/],
    ['bin/ls', /line 7: %files bin\/ls is not an absolute path/],
    ['/', /line 7: %files \/ is the whole host/],
    ['/none/*', /line 7: %files .* is not on this host/]
  ] as const)
    assert.match(refusal('app/lines-1', `${XZ}%files\n${line}\n`), wanted)
  assert.not.ok(existsSync(join(home, 'shell')))
  assert.match(refusal('app/lines-1', 'Exec: none-such\n'), /line 1: Exec: none-such is not on this host/)
  assert.match(refusal('app/lines-1', 'Name: x\nDebugOS: 1\n'), /neither Exec: PROGRAM nor %runscript/)
  assert.match(
    refusal('app/lines-1', `${XZ}DebugOS: x\n%packages\nno-such-package\n`),
    /no-such-package.* not installed/
  )
  const told = imported('app/lines-2', `${XZ}%files\n/proc/version\n`)
  assert.match(told, /left out: \/proc\/version: it belongs to the kernel/)
})

long('packages come with what they need, NoDeps leaves it out, and NoLocale the locales', () => {
  const text = 'DebugOS: 0\n%packages\nxz-utils\n%runscript\nxz "$@"\n'
  imported('app/package-1', text)
  assert.ok([...listed('app/package-1').keys()].some(path => path.includes('/liblzma.so')))
  const bare = imported('app/package-2', `NoDeps: yes\nNoLocale: yes\n${text}`)
  const paths = [...listed('app/package-2').keys()]
  assert.ok(paths.includes('/usr/bin/xz'))
  assert.not.ok(paths.some(path => path.includes('/liblzma.so') || path.endsWith('.mo')))
  assert.match(bare, /left out by NoLocale: \d+/)
})

sspec.run()
