import { spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'
import { archive, file, pax } from '../../helpers/tar-make.ts'
import { compose, composed, composeFails } from '../../helpers/warm-compose.ts'

const VASP = '61001'
const CHEM = '61002'

const folder = scratch()
let tars = 0

/** Different ones have different bytes. */
function tarball(...parts: Buffer[]): string {
  const path = join(folder, `${tars++}.tar`)
  writeFileSync(path, archive(file('opt/vasp/id', `${tars}`), ...parts))
  return path
}

const SETTINGS = [
  ...['--access-group', VASP, '--no-redistribute', '--requires', 'mpi/openmpi >= 4', '--license', '40 seats'],
  ...['--prepend', 'PATH=/opt/vasp/bin', '--set', 'VASP_HOME=/opt/vasp', '--family', 'dft', '--label', 'a=b'],
  ...['--summary', 'Electronic structure', '--conflicts', 'app/cp2k', '--kind', 'application']
]

/** A store with `app/vasp-6.4` for one group, as the guide for administrators has it. */
async function licensed(): Promise<{ store: string; tar: string; publish: (...words: string[]) => object }> {
  const { root } = await newStore()
  const tar = tarball()
  const publish = (...words: string[]) => composed(root, ['import', ...words])
  publish('app/vasp-6.4', tar, ...SETTINGS)
  return { store: root, tar, publish }
}

/** Files that hold content, and are readable by others than owner and named groups: find knows nothing of ours. */
const openFiles = (store: string): string[] =>
  bash(
    'cd "$1"; find data parts objects blobs \\( -name "*.index" -o -path "data/*" -o -path "parts/*" -o -name "*.recipe" \\) -type f -perm -o+r',
    store
  )
    .toString()
    .split('\n')
    .filter(path => path !== '' && !path.endsWith('.checked'))

const runsWell = (program: string, ...args: string[]): boolean =>
  spawnSync(program, args, { stdio: 'ignore' }).status === 0

const replace = suite('import: --replace')

replace('keeps every setting without a flag, lists them, and widens no access', async () => {
  const { store } = await licensed()
  const before = composed(store, ['show', 'app/vasp-6.4'])
  const report = composed(store, ['import', 'app/vasp-6.4', tarball(), '--replace'])
  assert.is(report.outcome, 'replaced')
  assert.equal(report.settings.changed, [])
  assert.equal(report.settings.kept.slice(0, 2), ['access_groups', 'redistributable'])
  const after = composed(store, ['show', 'app/vasp-6.4'])
  const { record, layers, origin, ...settings } = before
  const { record: _record, layers: _layers, origin: _origin, ...kept } = after
  assert.not.equal(after.record, record)
  assert.not.equal(after.layers, layers)
  assert.not.equal(after.origin, origin)
  assert.equal(kept, settings)
  assert.equal(openFiles(store), [])
})

replace(
  'takes what flags give for what was said of the same variable, module, label; the report tells both',
  async () => {
    const { store } = await licensed()
    const flags = [
      '--prepend',
      'PATH=/opt/vasp/sbin',
      '--requires',
      'mpi/openmpi >= 5',
      '--requires',
      'lib/x'
    ]
    const args = ['import', 'app/vasp-6.4', tarball(), '--replace', '--license', '60 seats', ...flags]
    const { out } = compose(store, args)
    const after = composed(store, ['show', 'app/vasp-6.4'])
    assert.equal(after.requires, ['mpi/openmpi >= 5', 'lib/x'])
    assert.equal(after.environment, [
      { operation: 'set', name: 'VASP_HOME', value: '/opt/vasp' },
      { operation: 'prepend', name: 'PATH', value: '/opt/vasp/sbin' }
    ])
    assert.equal(after.accessGroups, [{ gid: 61001 }])
    for (const line of [
      /^ {2}settings that changed:$/m,
      /^ {6}- prepend PATH=\/opt\/vasp\/bin$/m,
      /^ {6}\+ prepend PATH=\/opt\/vasp\/sbin$/m,
      /^ {6}- 40 seats\n {6}\+ 60 seats$/m,
      /^ {2}settings kept: access_groups, redistributable, summary, kind, family, conflicts, labels$/m
    ])
      assert.match(out, line)
  }
)

replace('takes the lists that a spec file has for the lists before, empty ones as well', async () => {
  const { store } = await licensed()
  const spec = join(folder, 'replace.yaml')
  writeFileSync(spec, 'requires: []\nenvironment: {set: {A: b}}\n')
  composed(store, ['import', 'app/vasp-6.4', tarball(), '--replace', '--spec', spec])
  const { requires, environment, conflicts, redistributable } = composed(store, ['show', 'app/vasp-6.4'])
  assert.equal(requires, [])
  assert.equal(environment, [{ operation: 'set', name: 'A', value: 'b' }])
  assert.equal([conflicts, redistributable], [['app/cp2k'], false])
})

replace('asks again for consent to privileges, and reads the versions of package files again', async () => {
  const { root } = await newStore()
  const suid = file('bin/su', 'x', { mode: '0004755\0' })
  const labels = ['--label', 'org.debian.package.tool=1 amd64', '--label', 'kept=yes']
  composed(root, ['import', 'lib/a-1', tarball(suid), '--allow-privileged', ...labels])
  assert.is(composeFails(root, ['import', 'lib/a-1', tarball(suid), '--replace'], 27).code, 'PRIVILEGED')
  composed(root, ['import', 'lib/a-1', tarball(suid), '--replace', '--allow-privileged'])
  assert.equal(composed(root, ['show', 'lib/a-1']).labels, { kept: 'yes' })
})

/** Changes that would open a module, by the flag that must allow them. */
const WIDER: [title: string, flags: string[], code: string, consent: string[]][] = [
  ['another group', ['--access-group', CHEM], 'ACCESS_WIDER', ['--open-to', `group:${CHEM}`]],
  ['no setting kept', ['--no-inherit', '--no-redistribute'], 'ACCESS_WIDER', ['--open-to', 'everyone']],
  ['a spec with no groups', ['--spec', 'open.yaml'], 'ACCESS_WIDER', ['--open-to', 'everyone']],
  ['a spec that lets it leave', ['--spec', 'free.yaml'], 'NOT_REDISTRIBUTABLE', ['--allow-redistribution']],
  [
    'no setting kept but the group',
    ['--no-inherit', '--access-group', VASP],
    'NOT_REDISTRIBUTABLE',
    ['--allow-redistribution']
  ]
]
writeFileSync(join(folder, 'open.yaml'), 'access_groups: []\n')
writeFileSync(join(folder, 'free.yaml'), 'redistributable: true\n')

for (const [title, flags, code, consent] of WIDER)
  replace(`with ${title} is refused until a flag names what is opened`, async () => {
    const { store } = await licensed()
    const args = ['import', 'app/vasp-6.4', tarball(), '--replace', ...flags]
    const ran = compose(store, ['--json', ...args], { cwd: folder })
    const { error } = JSON.parse(ran.out)
    assert.is(error.code, code)
    assert.match(error.hint, consent.join(' '))
    assert.equal(composed(store, ['show', 'app/vasp-6.4']).accessGroups, [{ gid: 61001 }])
    assert.equal(openFiles(store), [])
    composed(store, [...args, ...consent], { cwd: folder })
  })

replace('is refused after unpublish as well, and for content of another version', async () => {
  const { store, tar, publish } = await licensed()
  for (const name of ['app/vasp-6.5', 'lib/other-1']) {
    const { code, message } = composeFails(store, ['import', name, tar], 44)
    assert.is(code, 'ACCESS_WIDER')
    assert.match(message, /61001.*everyone: app\/vasp-6\.4 has the same/)
    const leaving = composeFails(store, ['import', name, tar, '--access-group', VASP], 19)
    assert.match(leaving.message, /app\/vasp-6\.4 has as well/)
  }
  composed(store, ['unpublish', 'app/vasp-6.4'])
  assert.match(
    composeFails(store, ['import', 'app/vasp-6.4', tarball()], 44).message,
    /until it was unpublished/
  )
  assert.is(composeFails(store, ['import', 'lib/other-1', tar], 44).code, 'ACCESS_WIDER')
  assert.equal(openFiles(store), [])
  publish('lib/other-1', tar, '--open-to', 'everyone')
  assert.equal(openFiles(store).length, 4)
})

replace(
  'of content that another store of COMPOSE_PATH keeps closed is refused, by a tarball built at once too',
  async () => {
    const { store, tar } = await licensed()
    const { root: own } = await newStore()
    const env = { COMPOSE_PATH: store }
    const error = composeFails(own, ['import', 'lib/mine-1', tar], 44, { env })
    assert.is(error.code, 'ACCESS_WIDER')
    composed(own, ['build', '--bare', join(folder, 'at-once.sqfs'), tar, '--for', 'me'], { env })
    assert.equal(openFiles(own), [])
  }
)

replace('asks for the access groups if the old record cannot be read', async () => {
  const { store, tar } = await licensed()
  const { record } = composed(store, ['show', 'app/vasp-6.4'])
  bash('cd "$1/blobs"; grep -rl \'"strata":"module"\' . | xargs rm -f', store)
  const { message } = composeFails(store, ['import', 'app/vasp-6.4', tarball(), '--replace'], 44)
  assert.match(message, /whose record cannot be read/)
  const again = composed(store, ['import', 'app/vasp-6.4', tar, ...SETTINGS])
  assert.equal([again.record, again.outcome], [record, 'same'])
})

replace('reports the placement of the old layers if the new one differs', async () => {
  const { root } = await newStore()
  composed(root, ['import', 'lib/a-1', tarball(), '--prefix', 'usr/local', '--owner', '0:0'])
  const again = composed(root, ['import', 'lib/a-1', tarball(), '--replace', '--prefix', 'usr/local'])
  assert.equal(again.notes, [
    'the replaced record was imported with --prefix usr/local --owner 0:0, but this one was not'
  ])
})

replace('that loses ACLs names their paths', async () => {
  const { root } = await newStore()
  const acl = pax({ 'SCHILY.acl.access': 'user::rwx,user:61022:r-x,group::r-x,mask::r-x,other::---' })
  const run = (content: string, mode: string) => file('bin/run', content, { mode: `000${mode}\0` })
  composed(root, ['import', 'app/a-1', tarball(acl, run('1', '0750'), file('bin/gone', ''))])
  const error = composeFails(root, ['import', 'app/a-1', tarball(run('2', '0750')), '--replace'], 44)
  assert.equal(error.facts.paths, ['bin/run'])
  assert.match(error.hint!, /--acl FILE.*--drop-acls/)
  composed(root, ['import', 'app/a-1', tarball(run('2', '0700')), '--replace'])
  composed(root, ['import', 'app/a-1', tarball(acl, run('3', '0750')), '--replace'])
  composed(root, ['import', 'app/a-1', tarball(run('4', '0750')), '--replace', '--drop-acls'])
})

replace('contradictions are told, and what opens has to be named in one of two forms', async () => {
  const { store } = await licensed()
  for (const [flags, message] of [
    [['--open-to', 'everyone', '--access-group', VASP], /contradicts the access groups/],
    [['--open-to', 'everyone', '--open-to', `group:${VASP}`], /says already/],
    [['--open-to', 'vasp'], /should be everyone or group:NAME/],
    [['--allow-redistribution', '--no-redistribute'], /contradicts that nothing may leave/]
  ] as const)
    assert.match(
      composeFails(store, ['import', 'app/vasp-6.4', tarball(), '--replace', ...flags], 2).message,
      message
    )
  assert.match(
    composeFails(store, ['import', 'lib/new-1', tarball(), '--open-to', 'group:7'], 2).message,
    /is for everyone/
  )
})

needing(
  replace,
  'root',
  'setpriv'
)('is not read by a user who is outside the group, whatever is typed again', async () => {
  const { store, tar } = await licensed()
  bash('chmod 711 "$1" "$1/.."', store)
  compose(store, ['import', 'app/vasp-6.4', tarball(), '--replace'])
  compose(store, ['import', 'app/vasp-6.5', tar])
  const files = readdirSync(join(store, 'data'), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && !entry.name.endsWith('.checked'))
    .map(entry => join(entry.parentPath, entry.name))
  assert.is(files.length, 2)
  const readers = (groups: string) =>
    files.filter(path =>
      runsWell('setpriv', '--reuid', '61021', '--regid', '61021', ...groups.split(' '), 'cat', path)
    )
  assert.equal(readers('--clear-groups'), [])
  assert.equal(readers(`--groups ${VASP}`), files)
})

replace.run()
