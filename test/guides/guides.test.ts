/** README and the two guides, typed word for word by ordinary users at a site, on real input: each command has to go well. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { inputsForAdministrators } from './inputs.ts'
import { commandsOf } from './pages.ts'
import { type Session, Site } from './site.ts'

const GROUPS = { publishers: 61000, vasp: 4242 }
const ACCOUNTS = {
  admin: { uid: 61100, groups: ['publishers'] },
  bob: { uid: 61101, groups: ['vasp'] },
  eve: { uid: 61102, groups: [] }
}

/** Commands that are not ours to test here: of other tests, or of programs that this machine does not have. */
const isElsewhere = (command: string): boolean => {
  const program = /^(?:\w+=\S+ )*(\S+)/.exec(command)![1]
  return ['npm', 'apptainer', 'podman'].includes(program)
}

const typed = (page: string): string[] => commandsOf(page).filter(command => !isElsewhere(command))

/** Things that a page assumes at a command: `[before, what]`, by the beginning of the command. */
type Given = [before: string, what: string[]][]

function withGiven(commands: string[], given: Given): string[] {
  for (const [before] of given)
    assert.ok(
      commands.some(command => command.startsWith(before)),
      `no page says: ${before}`
    )
  return commands.flatMap(command => [
    ...given.flatMap(([before, what]) => (command.startsWith(before) ? what : [])),
    command
  ])
}

function site(): Site {
  const made = new Site(join(scratch(), 'site'), GROUPS, ACCOUNTS)
  inputsForAdministrators(made.at('/home/admin'), made.at('/usr/local/bin'), made.at('/opt'))
  bash('chown -R 61100:61100 "$1"; install -d -o 61100 "$2"', made.at('/home/admin'), made.at('/srv'))
  return made
}

function well({ status, said }: Session): string {
  assert.is(status, 0, `ended with ${status}:\n${said.split('\n').slice(-40).join('\n')}`)
  return said
}

const guides = suite('guides, as written')
const asWritten = needing(
  guides,
  'root',
  'unshare',
  'dpkg-query',
  'dpkg-deb',
  'mksquashfs',
  'skopeo',
  'setfacl',
  'bwrap',
  'ch-run',
  'mpirun',
  'strace'
)

const OLD: Given = [
  ['compose unpublish', ['compose import app/vasp-5.4 vasp.tar --access-group vasp --acl vasp.acl']],
  ['compose pin', ['compose add base/debian app/vasp']]
]

asWritten(
  'administrators publish a site, users outside a group read nothing of it, members work with it',
  () => {
    const there = site()
    const administering = well(there.work('admin', withGiven(typed('spec/administrator.md'), OLD)))
    assert.match(administering, /settings kept: access_groups, redistributable, /)
    const closed = there.work('eve', [
      'export COMPOSE_PATH=/srv/strata',
      'compose avail vasp',
      'find /srv/strata/data /srv/strata/objects -type f ! -name "*.checked" -exec sh -c \'test -r "$0" || echo closed\' {} \\; | sort | uniq -c',
      'compose build vasp.sqfs base/debian app/vasp'
    ])
    assert.is(closed.status, 17, closed.said)
    assert.match(closed.said, /app\/vasp-6\.4 is for group vasp; you are not in it/)
    assert.match(closed.said, /^ +\d+ closed$/m)
    well(there.work('admin', ['export COMPOSE_STORE=/srv/strata', ...MPICH]))
    bash('install -d -m 1777 "$1"; echo fix > "$2/fix.so"', there.at('/scratch'), there.at('/home/bob'))
    const working = well(there.work('bob', typed('spec/user.md')))
    assert.ok([...working.matchAll(/^vasp runs as \d+$/gm)].length === 4, working)
    assert.match(working, /^app\/vasp-6\.4\.fix1 published\n {2}layer \S+ \(of another module\)/m)
  }
)

const MPICH = [
  'compose import mpi/mpich-4.0 /opt/openmpi --prefix opt/mpich --family mpi',
  'compose import app/gromacs-1 vasp.tar.xz --acl vasp.acl --access-group vasp --no-redistribute --prefix gromacs --summary "molecular dynamics"'
]

/** Half a minute more, most of it for packing the same packages of this host once more. */
const isFull = process.env.STRATA_TEST_ALL === '1'
const inFull = isFull ? asWritten : guides.skip

inFull('README: the first transcript, and the two pages in short', () => {
  const there = site()
  const all = typed('README.md')
  const [administrators, users] = [
    all.findIndex(command => command.startsWith('compose init /srv')),
    all.findIndex(command => command.startsWith('compose avail'))
  ]
  const made = ['mmdebstrap x x debian-12.tar', 'getfacl -R -n opt/vasp > vasp.acl']
  well(there.work('admin', ['export COMPOSE_STORE=/srv/first', ...made, ...all.slice(0, administrators)]))
  const base = ['export COMPOSE_STORE=/srv/strata', 'compose import base/debian-12 debian-12.tar']
  const [init, ...rest] = all.slice(administrators, users)
  well(there.work('admin', [init, ...base, ...rest]))
  writeFileSync(there.at('/home/bob/.profile'), '')
  well(there.work('bob', ['export COMPOSE_PATH=/srv/strata', ...all.slice(users)]))
})

guides('podman is told of a layout in the form that it takes: relative, in lower case, without ./', () => {
  const told = commandsOf('spec/user.md').filter(command => command.startsWith('podman'))
  assert.is(told.length, 1)
  // test/cli/runtimes.test.ts really runs it.
  assert.match(told[0], /^podman run oci:[a-z0-9-]+:[a-z0-9:.]+ /)
})

guides.run()
