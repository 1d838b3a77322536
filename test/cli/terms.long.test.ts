import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

/** An output in which no records lie says for whom it is, and a module that is made from it is for nobody else. */
const terms = suite('outputs of limited modules, imported again')

const SITE = ['--for', 'me', '--internal']

/** A store that knows nothing of the module. */
function elsewhere(folder: string): string {
  const store = join(folder, 'elsewhere')
  composed(store, ['init', '--level', '1'])
  return store
}

function newStore(): { folder: string; store: string; elsewhere: string } {
  const folder = scratch()
  const store = join(folder, 'store')
  bash(
    'cd "$1"; mkdir -p t/opt; for i in t open; do echo $i > t/opt/x; tar -C t --owner=0 --group=0 -cf $i.tar .; done',
    folder
  )
  composed(store, ['init', '--level', '1'])
  const limits = ['--no-redistribute', '--access-group', '0']
  composed(store, ['import', 'app/limited-1', join(folder, 't.tar'), ...limits])
  composed(store, ['import', 'app/open-1', join(folder, 'open.tar')])
  return { folder, store, elsewhere: elsewhere(folder) }
}

const isLimited = (store: string, source: string, name: string): void => {
  const { notes } = composed(store, ['import', `app/${name}-1`, source])
  assert.ok(
    notes.some((note: string) => /for groups root, not to leave the site/.test(note)),
    `${name}: ${notes.join()}`
  )
  const { redistributable, accessGroups } = composed(store, ['show', `app/${name}-1`])
  assert.equal([redistributable, accessGroups], [false, [{ name: 'root', gid: 0 }]], name)
}

terms('are as limited: bare images, tarballs, OCI layouts', () => {
  const { folder, store, elsewhere } = newStore()
  const at = (name: string) => join(folder, name)
  composed(store, ['build', at('bare.sqfs'), 'app/limited', '--bare', '--for', 'me'])
  composed(store, ['build', at('full.tar'), 'app/limited', '--format', 'tar', ...SITE])
  composed(store, ['build', at('bare.tar'), 'app/limited', '--format', 'tar', '--bare', ...SITE])
  composed(store, ['build', at('layout'), 'app/limited', '--format', 'oci', '--bare', ...SITE])
  bash('gzip -k "$1"', at('bare.tar'))
  for (const name of ['bare.sqfs', 'full.tar', 'bare.tar', 'bare.tar.gz', 'layout'])
    isLimited(elsewhere, at(name), name.replace(/\W/g, '-'))
  // Its files are as ever.
  const listed = composed(store, ['ls', at('bare.sqfs'), '/', '-l'])
  assert.not.match(JSON.stringify(listed), 'strata.terms')
})

needing(
  terms,
  'root',
  'unsquashfs',
  'setfattr'
)('are as limited when they were unpacked with attributes', () => {
  const { folder, store, elsewhere } = newStore()
  const at = (name: string) => join(folder, name)
  composed(store, ['build', at('bare.sqfs'), 'app/limited', '--bare', '--for', 'me'])
  composed(store, ['build', at('bare.tar'), 'app/limited', '--format', 'tar', '--bare', ...SITE])
  bash(
    `cd "$1"; unsquashfs -q -n -d image bare.sqfs > /dev/null; mkdir tar; tar --xattrs -xpf bare.tar -C tar
    tar --xattrs -C tar -cf again.tar .`,
    folder
  )
  for (const name of ['image', 'tar', 'again.tar'])
    isLimited(elsewhere, at(name), `unpacked-${name.replace(/\W/g, '-')}`)
})

terms('an output of open modules names no terms, and forged terms are refused', () => {
  const { folder, store, elsewhere } = newStore()
  const tar = join(folder, 'open.tar')
  composed(store, ['build', tar, 'app/open', '--format', 'tar', '--bare'])
  assert.not.match(bash('cat "$1"', tar).toString('latin1'), 'strata.terms')
  assert.equal(composed(elsewhere, ['import', 'app/again-1', tar]).notes, [])
  const python = `import tarfile, sys
with tarfile.open(sys.argv[1], 'w', format=tarfile.PAX_FORMAT) as tar:
    top = tarfile.TarInfo('.'); top.type = tarfile.DIRTYPE; top.mode = 0o755
    top.pax_headers = {'SCHILY.xattr.user.strata.terms': sys.argv[2]}
    tar.addfile(top)`
  bash('python3 -c "$1" "$2" "$3"', python, join(folder, 'forged.tar'), '{"redistributable":true}')
  const { code } = composeFails(elsewhere, ['import', 'app/forged-1', join(folder, 'forged.tar')], 29)
  assert.is(code, 'SOURCE_INVALID')
  assert.is(compose(elsewhere, ['show', 'app/forged-1']).status, 14)
})

terms.run()
