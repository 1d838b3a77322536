import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type IdNames, readIdNames } from '../../../store/accounts/id-names.ts'
import type { AttributeCount } from '../../../store/acl/attribute-tally.ts'
import { readLayer, readSidecar } from '../../../store/contents/manifests.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import { COMPOSE } from '../../helpers/compose.ts'
import { hostGroups } from '../../helpers/host-groups.ts'
import { atCheckSize, needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { importInto, newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'
import { archive, file, header, pax } from '../../helpers/tar-make.ts'
import { compose, composed, composeFails } from '../../helpers/warm-compose.ts'

const listings = suite('import: ACL and attribute listings')
const long = atCheckSize(listings)

const FILE_MODE = '0000664\0'

interface Made {
  tar: string
  acl: string
}

/** One file of mode 0664 below a directory, and a listing. */
function made(listing: string, tarball = archive(file('app/run', 'x', { mode: FILE_MODE }))): Made {
  const folder = scratch()
  const [tar, acl] = [join(folder, 'app.tar'), join(folder, 'app.acl')]
  writeFileSync(tar, tarball)
  writeFileSync(acl, listing)
  return { tar, acl }
}

const NAMED = `# file: app/run
# owner: root
# group: root
user::rw-
user:alice:r--
group::rw-
group:vasp:rwx\t#effective:rw-
mask::rw-
other::r--

`

const entriesOf = async (store: Repository, made: Made, names?: IdNames) => {
  const { layers } = await importInto(store, 'app/a-1', [made.tar], { aclFile: made.acl, names })
  return (await readSidecar(store, await readLayer(store, layers[0].id)))!
}

long('takes named users and groups through --map-user, --map-group and --names', async () => {
  const passwd = join(scratch(), 'passwd')
  writeFileSync(passwd, 'root:x:0:0::/:/bin/sh\nalice:x:1234:100::/:/bin/sh\nvasp:x:4321:\n')
  const mapped = await readIdNames({ mapUser: ['alice=1234'], mapGroup: ['vasp=4321'] })
  const read = await readIdNames({ namesFiles: [passwd] })
  for (const names of [mapped, read]) {
    const sidecar = await entriesOf(await newStore(), made(NAMED), names)
    const [{ path, acl }] = sidecar.entries
    assert.is(path, 'app/run')
    assert.equal(
      acl!.entries.filter(({ tag }) => tag === 'user' || tag === 'group'),
      [
        { tag: 'user', id: 1234, perm: 4 },
        { tag: 'group', id: 4321, perm: 7 }
      ]
    )
  }
})

long('a name without an id is an error that names the option for it', async () => {
  const { tar, acl } = made(NAMED)
  const store = await newStore()
  const error = await refusedLater(
    importInto(store, 'app/a-1', [tar], { aclFile: acl }),
    'NAME_UNKNOWN',
    /app\.acl, line 5: .*alice/
  )
  assert.match(error.hint!, /--map-user alice=/)
  assert.is(compose(store.root, ['show', 'app/a-1']).status, 14)
})

const aclOf = (...named: string[]): Record<string, string> => ({
  'SCHILY.acl.access': ['user::rw-', ...named, 'group::r--', 'mask::rw-', 'other::r--'].join(',')
})

long(
  'one error has the names of all layers and of the listing, with the line that gives them ids',
  async () => {
    const content = 'x'.repeat(1 << 20)
    const first = made(
      '# file: a\nuser::rw-\nuser:carol:r--\ngroup::r--\nmask::rw-\nother::r--\n',
      archive(
        pax(aclOf('user:alice:r--', 'user:bob:r--')),
        file('a', content),
        pax(aclOf('user:bob:rw-')),
        file('b', content)
      )
    )
    const second = made('', archive(pax(aclOf('group:staff:r--')), file('c', 'x')))
    const store = await newStore()
    const alone = composeFails(store.root, ['import', 'app/a-1', first.tar, '--acl', first.acl], 25)
    assert.match((alone.facts.users as string[]).join('\n'), /^alice.*\nbob.*\ncarol \(/)
    const { code, facts, hint } = composeFails(store.root, ['import', 'app/a-1', first.tar, second.tar], 25)
    assert.is(code, 'NAME_UNKNOWN')
    assert.equal(
      [facts.users, facts.groups].map(list => (list as string[]).map(line => line.split(' ')[0])),
      [['alice', 'bob'], ['staff']]
    )
    const [paste, other] = hint!.split('\n')
    let id = 70_000
    const numbers = paste.replace(/[UG]ID/g, () => String(++id)).split(' ')
    composed(store.root, ['import', 'app/a-1', first.tar, second.tar, ...numbers])
    assert.match(other, '--names <(getent passwd alice bob; getent group staff)')
    assert.is(bash('find "$1/tmp" -type f | wc -l', store.root).toString().trim(), '0')
  }
)

atCheckSize(needing(listings, 'getent'))('the line of the error takes the ids of this host', async () => {
  const { tar } = made(
    '',
    archive(pax(aclOf('user:daemon:r--', `group:${hostGroups(1)[0].name}:r--`)), file('a', 'x'))
  )
  const store = await newStore()
  const { hint } = composeFails(store.root, ['import', 'app/a-1', tar], 25)
  const flag = /--names <\(.*\)$/.exec(hint!)![0]
  const said = bash(
    `COMPOSE_STORE="$1" "$2" "$3" --json import app/a-1 "$4" ${flag}`,
    store.root,
    process.execPath,
    COMPOSE,
    tar
  )
  assert.is(JSON.parse(said.toString()).layers[0].aclPaths, 1)
})

listings(
  'a path that the tarball lacks is an error that lists it, and --ignore-missing goes on',
  async () => {
    const listing = 'user::rw-\nuser:7:r--\ngroup::rw-\nmask::rw-\nother::r--\n\n'
    const { tar, acl } = made(
      `# file: app/run\n${listing}# file: app/gone\n${listing}# file: app/lost\\012\n${listing}`
    )
    const store = await newStore()
    const error = await refusedLater(
      importInto(store, 'app/a-1', [tar], { aclFile: acl }),
      'PATH_MISSING',
      /^2 paths .*app\.tar/
    )
    assert.equal(error.facts.paths, ['app/gone', 'app/lost\\012'])
    const one = made(`# file: app/gone\n${listing}`, archive(file('app/run', 'x')))
    const alone = importInto(store, 'app/b-1', [one.tar], { aclFile: one.acl })
    await refusedLater(alone, 'PATH_MISSING', /^1 path is listed beside /)
    assert.match(error.hint!, /--ignore-missing/)
    const report = await importInto(store, 'app/a-1', [tar], { aclFile: acl, ignoreMissing: true })
    assert.equal(report.layers[0].missingPaths, ['app/gone', 'app/lost\n'])
    assert.is(report.layers[0].aclPaths, 1)
    const said = compose(store.root, ['import', 'app/a-2', tar, '--acl', acl, '--ignore-missing'])
    assert.match(said.out, /in a listing, but not in the source: 2\n +app\/gone\n/)
  }
)

const REFUSED: [title: string, lines: string, code: 'ACL_INVALID' | 'ACL_TEXT', message: RegExp][] = [
  [
    'an ACL that contradicts the mode',
    'user::rw-\nuser:7:r--\ngroup::rw-\nmask::r--\nother::r--\n',
    'ACL_INVALID',
    /app\.acl, line 1: .*contradicts the mode bits of its group class.*0664/
  ],
  [
    'named entries without a mask',
    'user::rw-\nuser:7:r--\ngroup::rw-\nother::r--\n',
    'ACL_INVALID',
    /line \d: .*mask/
  ],
  [
    'one user twice',
    'user::rw-\nuser:7:r--\nuser:7:rw-\ngroup::rw-\nmask::rw-\nother::r--\n',
    'ACL_INVALID',
    /line \d: .*7/
  ],
  ['no entry for other', 'user::rw-\ngroup::rw-\n', 'ACL_INVALID', /line \d: .*other/],
  [
    'a default ACL of a file',
    'user::rw-\ngroup::rw-\nother::r--\ndefault:user::rw-\ndefault:group::rw-\ndefault:other::r--\n',
    'ACL_INVALID',
    /line 1: only a directory can have a default ACL/
  ],
  ['a line that is no entry', 'user::rw-\nuser:7:rwz\n', 'ACL_TEXT', /app\.acl, line 3: /]
]

for (const [title, lines, code, message] of REFUSED)
  listings(`${title} is refused with its line`, async () => {
    const { tar, acl } = made(`# file: app/run\n${lines}\n`)
    const error = await refusedLater(
      importInto(await newStore(), 'app/a-1', [tar], { aclFile: acl }),
      code,
      message
    )
    assert.ok(typeof error.facts.line === 'number')
  })

listings('an ACL of the archive that contradicts the mode is refused with its member', async () => {
  const text = 'user::rw-,user:7:r--,group::r--,mask::rwx,other::r--'
  const { tar } = made(
    '',
    archive(pax({ 'SCHILY.acl.access': text }), file('app/run', 'x', { mode: '0000444\0' }))
  )
  await refusedLater(
    importInto(await newStore(), 'app/a-1', [tar]),
    'ACL_INVALID',
    /app\.tar, member app\/run: /
  )
})

listings('a symbolic link with an ACL is refused', async () => {
  const { tar, acl } = made(
    '# file: link\nuser::rwx\nuser:7:r--\ngroup::rwx\nmask::rwx\nother::rwx\n',
    archive(header({ name: 'link', type: '2', linkName: 'x', mode: '0000777\0' }))
  )
  await refusedLater(
    importInto(await newStore(), 'app/a-1', [tar], { aclFile: acl }),
    'ACL_INVALID',
    /symbolic link/
  )
})

const ACL_TEXT = 'user::rw-,user:7:r--,group::rw-,mask::rw-,other::r--'

listings('an ACL goes with the entry that has it, not with a hard link that took its name', async () => {
  const { tar } = made(
    '',
    archive(
      file('plain', 'y', { mode: FILE_MODE }),
      pax({ 'SCHILY.acl.access': ACL_TEXT }),
      file('name', 'x', { mode: FILE_MODE }),
      header({ name: 'name', type: '1', linkName: 'plain', mode: FILE_MODE })
    )
  )
  const { layers } = await importInto(await newStore(), 'app/a-1', [tar])
  assert.is(layers[0].aclPaths, 0)
})

listings('an ACL of a file that --strip leaves out is not given to the root', async () => {
  const { tar, acl } = made(
    '# file: README\nuser::rw-\nuser:7:r--\ngroup::rw-\nmask::rw-\nother::r--\n',
    archive(file('README', 'r', { mode: FILE_MODE }), file('app/run', 'x', { mode: FILE_MODE }))
  )
  const store = await newStore()
  const { layers } = await importInto(store, 'app/a-1', [tar], { aclFile: acl, settings: { strip: 1 } })
  assert.is(layers[0].leftOut, 1)
  composed(store.root, ['fsck', '--repair'])
})

listings(
  'attributes of overlayfs are left out and reported, what the kernel refuses is refused',
  async () => {
    const { tar } = made(
      '',
      archive(
        pax({ 'SCHILY.xattr.trusted.overlay.opaque': 'y', 'SCHILY.xattr.user.keep': 'k' }),
        header({ name: 'd/', type: '5', mode: '0000755\0' })
      )
    )
    const store = await newStore()
    const report = await importInto(store, 'base/a-1', [tar])
    assert.equal(
      report.layers[0].leftOutAttributes.map(({ name, paths, example }) => [name, paths, example]),
      [['trusted.overlay.opaque', 1, 'd']]
    )
    assert.is(report.layers[0].attributePaths, 1)
    const said = compose(store.root, ['import', 'base/a-2', tar])
    assert.match(
      said.out,
      /attributes of file systems, left out: 1\n +trusted\.overlay\.opaque, how overlayfs .*: d$/m
    )
    const bad = made('', archive(pax({ 'SCHILY.xattr.system.x': 'y' }), file('f', 'x')))
    await refusedLater(importInto(store, 'base/b-1', [bad.tar]), 'ATTRIBUTE_INVALID', /member f: /)
  }
)

listings('labels of the host where files were packed are kept and counted', async () => {
  const label = pax({
    'RHT.security.selinux': 'system_u:object_r:usr_t:s0',
    'SCHILY.xattr.security.ima': '\x04x'
  })
  const { tar } = made('', archive(label, file('a', 'x'), label, file('b', 'y'), file('c', 'z')))
  const store = await newStore()
  const [layer] = composed(store.root, ['import', 'base/a-1', tar]).layers
  assert.equal(
    layer.hostLabels.map(({ name, paths, example }: AttributeCount) => [name, paths, example]),
    [
      ['security.ima', 2, 'a'],
      ['security.selinux', 2, 'a']
    ]
  )
  assert.is(layer.attributePaths, 2)
  assert.match(
    compose(store.root, ['import', 'base/a-2', tar]).out,
    /labels of the host where it was packed, kept.*\n.*security\.ima.*2 paths, such as a/
  )
})

atCheckSize(needing(listings, 'getfattr', 'root'))(
  'a getfattr dump may be in text, hex or base64',
  async () => {
    const folder = scratch()
    bash(
      `cd "$1"; mkdir t; printf x > t/f; setfattr -n user.text -v 'a "quoted" \\\\ text' t/f
    setfattr -n user.binary -v 0x000a80ff t/f; setfattr -n trusted.hidden -v 0x01 t; tar -cf t.tar t
    for form in text hex base64; do getfattr -R -h -d -m - -e $form t > $form; done; getfattr -R -d -m - t > mixed`,
      folder
    )
    const store = await newStore()
    const ids: string[] = []
    for (const form of ['text', 'hex', 'base64', 'mixed']) {
      const report = composed(store.root, [
        'import',
        `base/${form}-1`,
        join(folder, 't.tar'),
        '--xattrs',
        join(folder, form)
      ])
      assert.is(report.layers[0].attributePaths, 2)
      ids.push(report.layers[0].sidecar)
    }
    assert.is(new Set(ids).size, 1)
  }
)

listings('a listing with several sources is wrong usage', async () => {
  const { tar, acl } = made(NAMED)
  const error = composeFails((await newStore()).root, ['import', 'app/a-1', tar, tar, '--acl', acl], 2)
  assert.is(error.code, 'USAGE')
})

listings.run()
