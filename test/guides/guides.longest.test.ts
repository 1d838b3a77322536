/**
 * README and the two guides, typed word for word and in their order by three ordinary users at sites of their own, on real
 * input: each command has to go well. What is not typed here stands in ELSEWHERE (pages.ts).
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { needing } from '../helpers/needs.ts'
import { packageTarball } from '../helpers/package-tarball.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { inputsForAdministrators } from './inputs.ts'
import { typedOf } from './pages.ts'
import { type Session, Site } from './site.ts'

const GROUPS = { publishers: 61000, vasp: 4242 }
const ACCOUNTS = {
  admin: { uid: 61100, groups: ['publishers'] },
  scientist: { uid: 61101, groups: ['vasp'] },
  eve: { uid: 61102, groups: [] },
  newcomer: { uid: 61103, groups: ['publishers', 'vasp'] }
}

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

/** @param owner of the inputs and of /srv */
function site(owner: keyof typeof ACCOUNTS): Site {
  const made = new Site(join(scratch(), 'site'), GROUPS, ACCOUNTS)
  const home = `/home/${owner}`
  inputsForAdministrators(made.at(home), made.at('/usr/local/bin'), made.at('/opt'))
  bash('cp "$1" "$2"', packageTarball(), made.at(home))
  bash(
    'chown -R "$3:$3" "$1"; install -d -o "$3" "$2"',
    made.at(home),
    made.at('/srv'),
    `${ACCOUNTS[owner].uid}`
  )
  return made
}

function well({ status, said }: Session): string {
  assert.is(status, 0, `ended with ${status}:\n${said.split('\n').slice(-40).join('\n')}`)
  return said
}

const guides = suite('guides, as written')
const PROGRAMS = [
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
  'strace',
  'podman',
  'ssh-keygen'
]
const asWritten = needing(guides, ...PROGRAMS)

const KEY = "mkdir -p ~/.ssh; ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519"

const OLD: Given = [
  ['compose sign', [KEY]],
  ['compose unpublish', ['compose import app/vasp-5.4 vasp.tar --access-group vasp --acl vasp.acl']],
  ['compose pin', ['compose add base/debian app/vasp']]
]

/** The administrator goes on with the command that was installed. */
const INSTALLED = [
  'test "$(command -v compose)" = /srv/sw/strata/bin/compose',
  'test -e /srv/sw/strata/share/man/man1/compose.1'
]

asWritten(
  'an administrator installs and publishes, users outside a group read nothing of it, a scientist works with it',
  () => {
    const there = site('admin')
    const pages = withGiven(typedOf('spec/administrator.md'), [...OLD, ['compose init', INSTALLED]])
    const administering = well(there.work('admin', pages))
    assert.match(administering, /settings kept: access_groups, redistributable, /)
    const closed = there.work('eve', [
      'export COMPOSE_PATH=/srv/strata',
      'compose avail vasp',
      'find /srv/strata/data /srv/strata/parts /srv/strata/objects -type f ! -name "*.checked" -exec sh -c \'test -r "$0" || echo closed\' {} \\; | sort | uniq -c',
      'compose build vasp.sqfs base/debian app/vasp'
    ])
    assert.is(closed.status, 17, closed.said)
    assert.match(closed.said, /app\/vasp-6\.4 is for group vasp; you are not in it/)
    assert.match(closed.said, /^ +\d+ closed$/m)
    well(there.work('admin', ['export COMPOSE_STORE=/srv/strata', ...MPICH]))
    const home = there.at('/home/scientist')
    bash('install -d -m 1777 "$1"; echo fix > "$2/fix.so"', there.at('/scratch'), home)
    const working = well(
      there.work('scientist', withGiven(typedOf('spec/user.md'), [['compose lock --image', [KEY]]]))
    )
    // compose run twice, ch-run, bwrap, podman.
    assert.is([...working.matchAll(/^vasp runs as \d+$/gm)].length, 5, working)
    assert.match(working, /^app\/vasp-6\.4\.fix1 published\n {2}layer \S+ \(of another module\)/m)
  }
)

const MPICH = [
  'compose import mpi/mpich-4.0 /opt/openmpi --prefix opt/mpich --family mpi',
  'compose import app/gromacs-1 vasp.tar.xz --acl vasp.acl --access-group vasp --no-redistribute --prefix gromacs --summary "molecular dynamics"'
]

/** README begins with a store and its first image, then shows a site's store, which has a base already. */
const README: Given = [
  ['compose import base/debian-12', ['mmdebstrap x x debian-12.tar', 'getfacl -R -n opt/vasp > vasp.acl']],
  ['compose init /srv/strata', ['export COMPOSE_STORE=/srv/strata']],
  ['compose import mpi/openmpi-4.1', ['compose import base/debian-12 debian-12.tar']],
  ['compose avail', ['mkdir days && cd days']]
]

const title = 'README: a newcomer types all of it, the first transcript and the two pages in short'
asWritten(title, () => {
  const there = site('newcomer')
  writeFileSync(there.at('/home/newcomer/.profile'), '')
  well(
    there.work('newcomer', ['export COMPOSE_STORE=/srv/first', ...withGiven(typedOf('README.md'), README)])
  )
})

guides.run()
