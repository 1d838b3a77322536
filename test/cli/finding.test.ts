import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { blobPath } from '../../store/files/store-layout.ts'
import { writeAlias } from '../../store/module/aliases.ts'
import { writeDefault } from '../../store/module/defaults.ts'
import { formatCid, manifestCid, sha256Of } from '../../store/values/digest.ts'
import { type Ran, startCompose } from '../helpers/compose.ts'
import { atCheckSize, needing } from '../helpers/needs.ts'
import { quickPublish, quickStore } from '../helpers/quick-store.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { importInto, newStore } from '../helpers/stores.ts'
import { suite } from '../helpers/suite.ts'
import { archive, file } from '../helpers/tar-make.ts'
import { terminal } from '../helpers/terminal.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

/** Output of the commands that look for modules. test/contract/lmod-finding.long.test.ts compares the lists with Lmod's. */

const finding = suite('finding modules')
const longFinding = atCheckSize(finding)

interface Site {
  /** Two stores, the first is the one that is written. */
  site: string
  group: string
  folder: string
  run(...words: string[]): Ran
}

async function newSite(): Promise<Site> {
  const [site, group, folder] = [join(scratch(), 'site'), join(scratch(), 'group'), scratch()]
  await quickStore(site, {
    'base/os-12': { kind: 'base', summary: 'The base system' },
    'lib/ucx-1.16': {},
    'mpi/mpich-4.2': { family: 'mpi', summary: 'MPICH' },
    'mpi/openmpi-4.0.10': {},
    'mpi/openmpi-4.1.6': {
      family: 'mpi',
      summary: 'Open MPI, a library for messages between processes that is longer than a line of a terminal',
      license: 'BSD-3-Clause',
      help: 'First line.\nSecond line.',
      labels: { 'org.example.team': 'fabric' },
      requires: ['lib/ucx >= 1.10'],
      conflicts: ['mpi/mpich']
    },
    'mpi/openmpi-4.0.9': { deprecated: { date: '2026-01-01', text: 'use 4.1' } },
    'lib/secret-1': { hidden: true }
  })
  await writeDefault(site, { category: 'mpi', name: 'openmpi', version: '4.0.10' })
  await writeAlias(
    { root: site, profile: { compressor: 'zstd', level: 1, blockSize: 131072 } },
    { category: 'my', name: 'mpi' },
    { category: 'mpi', name: 'openmpi', version: '4.1.6' }
  )
  await quickStore(group, {
    'mpi/openmpi-4.1.6': {},
    'mpi/openmpi-5.0': {},
    'app/vasp-6.4': { kind: 'application', requires: ['mpi/nothing'] }
  })
  return {
    site,
    group,
    folder,
    run: (...words) => compose(site, words, { cwd: folder, env: { COMPOSE_PATH: group } })
  }
}

longFinding('avail lists modules by store and category, with marks, a legend and hints', async () => {
  const { site, group, run } = await newSite()
  assert.is(run('add', 'mpi/openmpi-4.1.6').status, 0)
  const { status, out, err } = run('avail')
  assert.is(status, 0)
  assert.is(err, '')
  const lines = out.split('\n')
  const headings = lines.filter(line => line.startsWith('--'))
  assert.equal(
    headings.map(line => line.replace(/^-+ | -+$/g, '')),
    [`${site}: base`, `${site}: lib`, `${site}: mpi`, `${group}: app`, `${group}: mpi`]
  )
  assert.ok(headings.every(line => line.length === Math.max(80, shortest(line))))
  const end = lines.indexOf('If the avail list is too long consider trying:')
  const shown = lines.slice(0, end).filter(line => !line.startsWith('--'))
  assert.equal(shown, [
    '',
    '   base/os-12',
    '',
    '   lib/ucx-1.16 (L)',
    '',
    '   mpi/mpich-4.2            mpi/openmpi-4.0.10 (D)',
    '   mpi/openmpi-4.0.9 (X)    mpi/openmpi-4.1.6  (L)',
    '',
    '   app/vasp-6.4',
    '',
    '   mpi/openmpi-4.1.6    mpi/openmpi-5.0',
    '',
    '  Where:',
    '   D:  Default Module',
    '   L:  Module is loaded',
    '   X:  Deprecated, see compose show',
    ''
  ])
  assert.match(out, /"compose overview" to display/)
  assert.not.match(run('-q', 'avail').out, /If the avail list/)
})

longFinding(
  'avail -t lists one name per line, -d one version per name, --hidden more names, a pattern fewer',
  async () => {
    const { site, group, run } = await newSite()
    const terse = (...words: string[]) =>
      run('avail', '-t', ...words)
        .out.split('\n')
        .slice(0, -1)
    assert.equal(terse('openmpi'), [
      `${site}:`,
      'mpi/openmpi-4.0.9',
      'mpi/openmpi-4.0.10',
      'mpi/openmpi-4.1.6',
      `${group}:`,
      'mpi/openmpi-4.1.6',
      'mpi/openmpi-5.0'
    ])
    assert.equal(terse('-d', 'MPI/'), [`${site}:`, 'mpi/mpich-4.2', 'mpi/openmpi-4.0.10'])
    assert.equal(terse('--hidden', 'lib/s'), [`${site}:`, 'lib/secret-1'])
    assert.equal(terse('vasp', 'ucx'), [`${site}:`, 'lib/ucx-1.16', `${group}:`, 'app/vasp-6.4'])
    quickPublish(site, 'compiler/gcc-12', {})
    assert.not.ok(
      terse('mpi').some(name => name.startsWith('compiler/')),
      terse('mpi').join()
    )
    assert.ok(terse('mpi').includes('mpi/mpich-4.2'))
    assert.equal(terse('pil'), [`${site}:`, 'compiler/gcc-12'])
    assert.equal(terse('-r', '^mpi/.*i-4\\.1', 'mpich$'), [
      `${site}:`,
      'mpi/mpich-4.2',
      'mpi/openmpi-4.1.6',
      `${group}:`,
      'mpi/openmpi-4.1.6'
    ])
    assert.equal(terse('-r', 'MPICH'), [])
    assert.is(composeFails(site, ['avail', '-r', '('], 2).code, 'USAGE')
  }
)

finding('an empty list is noted, and is not a failure', async () => {
  const { run } = await newSite()
  assert.match(run('avail', 'opnmpi').out, /^No module\(s\) found!\nDid you mean mpi\/openmpi\?\n/)
  assert.match(run('provides', 'mpirn').err, /names are compared whole/)
  const empty = join(scratch(), 'empty')
  composed(empty, ['init'])
  const { out: none } = compose(empty, ['avail'])
  assert.match(none, 'No module(s) found!')
  assert.match(none.replaceAll('\n', ''), empty)
  for (const way of ['compose import', 'compose remote add', 'COMPOSE_PATH']) assert.match(none, way)
  assert.not.match(none, 'avail list is too long')
  assert.is(compose(empty, ['--quiet', 'avail']).out, 'No module(s) found!\n')
  const { status, out } = run('avail', 'nothing-like-it')
  assert.is(status, 0)
  assert.match(out, /^No module\(s\) found!\n/)
  assert.is(run('avail', '-t', 'nothing-like-it').out, '')
  assert.equal(run('overview', 'nothing-like-it'), { status: 0, out: '', err: '' })
  assert.match(run('keyword', 'nothing-like-it').out, /criteria: "nothing-like-it"\n-+\n\n-+\n/)
  assert.is(run('spider', 'nothing-like-it').status, 14)
  assert.match(run('spider', 'nothing-like-it').err, /^error: Unable to find: "nothing-like-it"\./)
  assert.is(run('whatis', 'lib/nothing').status, 14)
})

finding('spider without a word lists every name once, from all stores, with versions in order', async () => {
  const { run } = await newSite()
  const { status, out } = run('spider')
  assert.is(status, 0)
  const names = out.split('\n').filter(line => /^ {2}\S+:/.test(line))
  assert.equal(names, [
    '  app/vasp: app/vasp-6.4',
    '  base/os: base/os-12',
    '  lib/ucx: lib/ucx-1.16',
    '  mpi/mpich: mpi/mpich-4.2',
    '  mpi/openmpi: mpi/openmpi-4.0.9, mpi/openmpi-4.0.10, mpi/openmpi-4.1.6, ...'
  ])
  assert.match(
    out,
    /\n {4}Open MPI, a library for messages between processes that is longer than a\n {4}line/
  )
  assert.ok(out.split('\n').every(line => line.length <= 80))
})

finding(
  'spider with a name tells its versions and other names, with a full name how to load it',
  async () => {
    const { run } = await newSite()
    const versions = run('spider', 'openmpi').out
    assert.match(versions, /\n {2}mpi\/openmpi:\n/)
    assert.equal(
      versions.match(/^ {8}\S+/gm)?.map(line => line.trim()),
      ['mpi/openmpi-4.0.9', 'mpi/openmpi-4.0.10', 'mpi/openmpi-4.1.6', 'mpi/openmpi-5.0']
    )
    assert.match(versions, /\$ compose spider mpi\/openmpi-5\.0\n/)

    for (const word of ['mpi/openmpi-4.1.6', 'my/mpi']) {
      const { out } = run('spider', word)
      assert.match(out, /mpi\/openmpi: mpi\/openmpi-4\.1\.6\n/)
      assert.match(out, /can be loaded directly: compose add mpi\/openmpi-4\.1\.6\n/)
      assert.match(out, /\n {6}lib\/ucx >= 1\.10\n {8}lib\/ucx-1\.16\n/)
      assert.match(out, /Conflicts with:\n {6}mpi\/mpich\n/)
      assert.match(out, /Help:\n {6}First line\.\n {6}Second line\.\n/)
    }
    assert.match(
      run('spider', 'vasp').out,
      /cannot be loaded:\n(.*\n)*.*app\/vasp-6\.4 requires mpi\/nothing\n/
    )
    assert.is(run('spider', 'secret').status, 14)
    assert.match(run('spider', '--hidden', 'secret').out, /lib\/secret-1/)
  }
)

finding('add loads the modules that spider announces', async () => {
  const { site, group, folder, run } = await newSite()
  const { matches } = composed(site, ['spider', 'mpi/openmpi-4.1.6'], { env: { COMPOSE_PATH: group } })
  assert.is(run('add', 'mpi/openmpi-4.1.6').status, 0)
  const listed = composed(site, ['list'], { cwd: folder, env: { COMPOSE_PATH: group } })
  assert.equal(
    matches[0].details.loads,
    listed.modules.map(({ module }: { module: string }) => module)
  )
})

finding(
  'keyword searches names, summaries and labels; whatis and overview tell of what is there',
  async () => {
    const { site, run } = await newSite()
    const names = (...words: string[]) =>
      composed(site, ['keyword', ...words]).names.map(({ name }: { name: string }) => name)
    assert.equal(names('MESSAGES'), ['mpi/openmpi'])
    assert.equal(names('fabric'), ['mpi/openmpi'])
    assert.equal(names('org.example'), ['mpi/openmpi'])
    assert.equal(names('mpich', 'base'), ['base/os', 'mpi/mpich'])
    assert.is(
      run('whatis', 'mpi/openmpi-4.1', 'lib/ucx').out,
      [
        'mpi/openmpi-4.1.6   : Name: openmpi',
        'mpi/openmpi-4.1.6   : Version: 4.1.6',
        'mpi/openmpi-4.1.6   : Category: mpi',
        'mpi/openmpi-4.1.6   : Description: Open MPI, a library for messages between processes that is longer than a line of a terminal',
        'mpi/openmpi-4.1.6   : License: BSD-3-Clause',
        'mpi/openmpi-4.1.6   : Family: mpi',
        'mpi/openmpi-4.1.6   : org.example.team: fabric',
        '',
        'lib/ucx-1.16        : Name: ucx',
        'lib/ucx-1.16        : Version: 1.16',
        'lib/ucx-1.16        : Category: lib',
        ''
      ].join('\n')
    )
    const counts = run('overview', 'mpi')
      .out.split('\n')
      .filter(line => /\(/.test(line))
    assert.equal(counts, ['mpi/mpich (1)   mpi/openmpi (3)', 'mpi/openmpi (2)'])
  }
)

longFinding(
  'provides lists the modules with a path, marks loaded ones, and names layers that were not searched',
  async () => {
    const store = await newStore()
    const folder = scratch()
    const tar = (path: string) => {
      const name = join(scratch(), 'a.tar')
      writeFileSync(name, archive(file(path, path)))
      return name
    }
    await importInto(store, 'mpi/openmpi-4.1.6', [tar('opt/ompi/bin/mpirun')])
    await importInto(store, 'mpi/mpich-4.2', [tar('usr/bin/mpirun')])
    await importInto(store, 'lib/odd-1', [tar('opt/\x1b]0;x\x07')])
    const run = (...words: string[]) => compose(store.root, words, { cwd: folder })
    assert.is(run('add', 'mpi/openmpi').status, 0)
    assert.is(
      run('provides', 'bin/mpirun').out,
      'mpi/mpich-4.2          file  /usr/bin/mpirun\nmpi/openmpi-4.1.6 (L)  file  /opt/ompi/bin/mpirun\n'
    )
    assert.match(run('provides', '/usr/bin/mpirun').out, /^mpi\/mpich-4\.2 {2}file {2}\/usr\/bin\/mpirun\n$/)
    assert.match(run('provides', 'opt/\x1b]0;x\x07').out, /^lib\/odd-1 {2}file {2}\/opt\/\\033\]0;x\\007\n$/)
    assert.is(composeFails(store.root, ['provides', 'bin/none'], 26).code, 'PATH_MISSING')
    assert.is(composeFails(store.root, ['provides', '../up'], 2).code, 'USAGE')
    rmSync(join(store.root, 'objects'), { recursive: true })
    const blind = composeFails(store.root, ['provides', 'bin/mpirun'], 26)
    assert.equal((blind.facts['layers not searched'] as string[]).length, 2)
  }
)

const VERBS = [['avail'], ['overview'], ['spider', 'mpi'], ['keyword', 'mpi']]

longFinding('no result depends on the index, or on the user who made it', async () => {
  const { site, run } = await newSite()
  const answers = () => VERBS.map(words => run(...words).out)
  const before = answers()
  const index = join(site, 'index')
  for (const damage of [
    'rm -rf "$1"; : > "$1"',
    'rm -rf "$1"',
    'mkdir -p "$1"; rm -f "$1/modules.json"; echo junk > "$1/modules.json"',
    'rm -rf "$1"; ln -s /nonexistent "$1"'
  ]) {
    bash(damage, index)
    assert.equal(answers(), before, damage)
  }
  bash('rm -rf "$1"; mkdir "$1"', index)
  const beside = Array.from({ length: 4 }, () => startCompose(site, ['avail']))
  assert.equal(answers(), before, 'while others list as well')
  for (const child of beside) child.kill()
})

const asRoot = needing(finding, 'root')
const longAsRoot = atCheckSize(asRoot)

longAsRoot('a user who may only read sees the same', async () => {
  const { site, group, run } = await newSite()
  bash('rm -rf "$1/index" "$2/index"; chmod -R a+rX,a-w "$1" "$2" "$1/.." "$2/.."', site, group)
  // `run` is root's, and root writes an index: so the others first.
  const theirs = VERBS.map(
    words => compose(site, words, { uid: 65534, cwd: '/', env: { COMPOSE_PATH: group } }).out
  )
  assert.equal(
    theirs,
    VERBS.map(words => run(...words).out)
  )
  assert.match(theirs[0], /mpi\/openmpi-5\.0/)
})

finding('lists show a module that was just published, and not one that was just unpublished', async () => {
  const { site, run } = await newSite()
  assert.match(run('avail', '-t', 'lib/').out, /lib\/ucx-1\.16/)
  rmSync(join(site, 'refs/modules/lib/ucx/1.16'))
  assert.not.match(run('avail', '-t', 'lib/').out, /ucx/)
  const tar = join(scratch(), 'a.tar')
  writeFileSync(tar, archive(file('a', 'x')))
  composed(site, ['import', 'lib/new-1', tar])
  assert.match(run('avail', '-t', 'lib/').out, /lib\/new-1/)
})

finding(
  'modules that cannot be listed are reported beside the others, and the exit status is not 0',
  async () => {
    const { site, run } = await newSite()
    writeFileSync(join(site, 'refs/modules/lib/ucx/1.17'), 'junk\n')
    writeFileSync(join(site, 'refs/defaults/mpi/mpich'), 'junk\n')
    const { status, out, err } = run('avail')
    assert.is(status, 1)
    assert.match(out, /mpi\/openmpi-5\.0/)
    assert.match(err, /^not listed: .*ucx\/1\.17/m)
    assert.match(err, /^not listed: .*defaults\/mpi\/mpich/m)
    const json = run('--json', 'avail')
    assert.is(json.status, 1)
    assert.is(JSON.parse(json.out).faults.length, 2)
  }
)

finding('with an unreadable stack no module is marked as loaded, and a note says so', async () => {
  const { folder, run } = await newSite()
  writeFileSync(join(folder, 'stack.yaml'), 'modules: 7\n')
  const { status, out, err } = run('avail')
  assert.is(status, 0)
  assert.match(out, /mpi\/openmpi-5\.0/)
  assert.match(err, /^loaded modules are not marked, because the stack cannot be read: stack\.yaml, line 1/)
})

/** A record as a hostile publisher would write it: no encoder of ours does. */
function publishRaw(root: string, [category, name, version]: string[], more: object): void {
  const layer = formatCid(manifestCid(Buffer.from('{}')))
  const fields = { category, name, version, kind: 'library', layers: [{ '/': layer }], ...more }
  const bytes = Buffer.from(JSON.stringify({ ...fields, format: 1, strata: 'module' }))
  const id = manifestCid(bytes)
  const blob = join(root, blobPath(sha256Of(id), ''))
  const folder = join(root, 'refs/modules', category, name)
  mkdirSync(join(blob, '..'), { recursive: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(blob, bytes)
  writeFileSync(join(folder, version), `${formatCid(id)}\n`)
}

const ESCAPES = '\x1b]0;owned\x07\x1b[2J\u009b2J\u202e'

longFinding('nothing that a record, a name in refs or a folder holds controls the terminal', async () => {
  const parent = join(scratch(), ESCAPES)
  mkdirSync(parent)
  const root = join(parent, 'store')
  await quickStore(root, { 'mpi/good-1': { summary: 'plain' } })
  publishRaw(root, ['mpi', 'summary', '1'], { summary: ESCAPES })
  publishRaw(root, ['mpi', 'label', '1'], { labels: { key: ESCAPES } })
  publishRaw(root, ['mpi', 'key', '1'], { labels: { [ESCAPES]: 'value' } })
  publishRaw(root, ['mpi', 'family', '1'], { family: ESCAPES })
  publishRaw(root, ['mpi', 'deprecated', '1'], { deprecated: { date: '2026-01-01', text: ESCAPES } })
  publishRaw(root, ['mpi', 'help', '1'], { help: ESCAPES })
  publishRaw(root, ['mpi', 'requires', '1'], { requires: [ESCAPES] })
  mkdirSync(join(root, 'refs/modules', 'mpi', ESCAPES))
  for (const words of [
    ...VERBS,
    ['spider', 'mpi/help-1'],
    ['spider', 'mpi/requires-1'],
    ['spider', ESCAPES],
    ['keyword', ESCAPES],
    ['whatis', 'mpi/help'],
    ['avail', '-r', `(${ESCAPES}`],
    ['provides', ESCAPES]
  ]) {
    const { out, err } = compose(root, words)
    assert.not.match(out + err, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/, `${JSON.stringify(words)}: ${err}`)
    assert.ok((out + err).length > 0)
  }
  assert.match(compose(root, ['avail']).out, /mpi\/good-1/)
})

const onTerminal = needing(finding, 'tmux')
const long = atCheckSize(onTerminal)

long('lists follow the width of the terminal, and go one below the other without one', async () => {
  const { site, group, folder } = await newSite()
  const { run, close } = await terminal({ COMPOSE_STORE: site, COMPOSE_PATH: group }, folder)
  try {
    for (const width of [80, 100, 160]) {
      for (const words of [['avail'], ['overview'], ['spider']]) {
        const lines = await run(width, ...words)
        const rules = lines.filter(line => /^-{4}/.test(line))
        assert.ok(rules.length > 0)
        const wanted = words[0] === 'spider' ? width - 4 : width
        assert.ok(
          rules.every(line => line.length === Math.max(wanted, shortest(line))),
          `${words} at ${width}:\n${lines.join('\n')}`
        )
      }
    }
    const rowsOf = async (width: number) =>
      (await run(width, 'avail', 'openmpi')).filter(line => line.startsWith('   mpi/')).length
    assert.equal([await rowsOf(60), await rowsOf(160)], [3, 2])
  } finally {
    close()
  }
})

/** A title that is too long for the terminal keeps four dashes on each side. */
const shortest = (heading: string): number => heading.replace(/^-+|-+$/g, '').length + 8

finding.run()
