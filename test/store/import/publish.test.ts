import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { findBlob } from '../../../store/contents/find-blob.ts'
import { readRecord } from '../../../store/contents/read-record.ts'
import { formatCid, sha256Of } from '../../../store/values/digest.ts'
import { DEFAULT_LIMITS, type Limits } from '../../../store/values/limits.ts'
import { portrait, sha256OfFile } from '../../helpers/layers.ts'
import { atCheckSize, needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { importInto, newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'
import { archive, file, header, pax } from '../../helpers/tar-make.ts'
import { compose, composed, composeFails } from '../../helpers/warm-compose.ts'

const publish = suite('import: publishing')
const long = atCheckSize(publish)

function written(...parts: Buffer[]): string {
  const path = join(scratch(), 'layer.tar')
  writeFileSync(path, archive(...parts))
  return path
}

long('importing the same content again succeeds, and says so', async () => {
  const store = await newStore()
  const tar = written(file('a', 'x'))
  const first = composed(store.root, ['import', 'lib/a-1', tar])
  assert.is(first.outcome, 'created')
  const again = composed(store.root, ['import', 'lib/a-1', tar])
  assert.is(again.outcome, 'same')
  assert.is(again.record, first.record)
  assert.match(compose(store.root, ['import', 'lib/a-1', tar]).out, /^lib\/a-1 is already published/)
  bash('gzip -k "$1"', tar)
  assert.is(composed(store.root, ['import', 'lib/a-1', `${tar}.gz`]).outcome, 'same')
})

long('other content, or other settings, under a published name is an error', async () => {
  const store = await newStore()
  const tar = written(file('a', 'x'))
  composed(store.root, ['import', 'lib/a-1', tar])
  for (const args of [
    [written(file('a', 'y'))],
    [tar, '--summary', 'other'],
    [tar, '--prefix', 'opt'],
    [tar, tar]
  ]) {
    const error = composeFails(store.root, ['import', 'lib/a-1', ...args], 15)
    assert.is(error.code, 'MODULE_EXISTS')
    assert.match(error.hint!, /--replace/)
  }
})

publish('--replace keeps the old record reachable by its id', async () => {
  const store = await newStore()
  const [old, young] = [written(file('a', 'old')), written(file('a', 'young'))]
  const first = composed(store.root, ['import', 'lib/a-1', old, '--summary', 'the first'])
  const second = composed(store.root, ['import', 'lib/a-1', young, '--replace'])
  assert.is(second.outcome, 'replaced')
  assert.is(second.previous, first.record)
  assert.is(composed(store.root, ['show', 'lib/a-1']).record, second.record)
  assert.is(composed(store.root, ['show', first.record]).summary, 'the first')
  const out = scratch()
  composed(store.root, ['export', first.record, out])
  assert.is(sha256OfFile(join(out, 'layer.tar')), sha256OfFile(old))
  const [unknown, mistyped] = [`${first.record.slice(0, -4)}aaaa`, `${first.record}a`]
  assert.is(composeFails(store.root, ['show', unknown], 11).code, 'BLOB_MISSING')
  assert.is(composeFails(store.root, ['show', mistyped], 2).code, 'USAGE')
})

const PRIVILEGED = [
  file('bin/su', 'x', { mode: '0004755\0' }),
  file('bin/write', 'x', { mode: '0002755\0' }),
  header({ name: 'dev/null', type: '3', major: '0000001\0', minor: '0000003\0' }),
  header({ name: 'dev/loop', type: '4', major: '0000007\0', minor: '0000000\0' }),
  pax({ 'SCHILY.xattr.security.capability': '\x01\0\0\x02\0 \0\0\0\0\0\0\0\0\0\0\0\0\0\0' }),
  file('bin/ping', 'x', { mode: '0000755\0' }),
  header({ name: 'srv/', type: '5', mode: '0002755\0' }),
  file('bin/mine', 'x', { mode: '0004755\0', uid: '0001750\0', gid: '0001750\0' })
]

long('files with privileges are listed and refused in a library, and kept exactly in a base', async () => {
  const store = await newStore()
  const tar = written(...PRIVILEGED)
  const error = composeFails(store.root, ['import', 'lib/a-1', tar], 27)
  assert.equal(error.facts.paths, [
    'bin/ping (security.capability)',
    'bin/su (setuid root)',
    'bin/write (setgid root)',
    'dev/loop (block device)',
    'dev/null (character device)'
  ])
  assert.match(error.hint!, /--allow-privileged/)
  assert.is(
    bash('find "$1"/blobs "$1"/data "$1"/parts "$1"/objects "$1"/tmp -type f | wc -l', store.root).toString(),
    '0\n'
  )
  composed(store.root, ['import', 'lib/a-1', tar, '--allow-privileged'])
  composed(store.root, ['import', 'lib/a-2', tar, '--kind', 'base'])
  composed(store.root, ['import', 'base/a-1', tar])
  // An owner other than root takes the danger out of set-id bits, not out of the rest.
  const owned = composeFails(store.root, ['import', 'lib/a-3', tar, '--owner', '1000:1000'], 27)
  assert.is((owned.facts.paths as string[]).length, 3)
})

publish('several sources are the layers of one module, bottom to top', async () => {
  const store = await newStore()
  const tars = ['one', 'two', 'three'].map(text => written(file('a', text)))
  const report = composed(store.root, ['import', 'lib/a-1', ...tars])
  assert.is(report.layers.length, 3)
  const out = scratch()
  const files = composed(store.root, ['export', 'lib/a-1', out]).files
  assert.equal(
    files.map(({ path }: { path: string }) => path),
    [1, 2, 3].map(i => join(out, `layer-${i}.tar`))
  )
  for (const [i, tar] of tars.entries()) assert.is(sha256OfFile(files[i].path), sha256OfFile(tar))
  const again = composeFails(store.root, ['export', 'lib/a-1', out], 1)
  assert.match(again.message, /layer-1\.tar exists already/)
  assert.is(bash('ls "$1" | wc -l', out).toString(), '3\n')
})

publish('--strip, --prefix and --owner place the layer, and leave its tarball alone', async () => {
  const store = await newStore()
  const tar = written(
    header({ name: 'app-1.0/', type: '5', mode: '0000755\0', uid: '0000005\0' }),
    file('app-1.0/bin/run', 'x', { uid: '0000005\0' }),
    header({ name: 'app-1.0/bin/hard', type: '1', linkName: 'app-1.0/bin/run' }),
    file('README', 'left out')
  )
  const placed = ['--strip', '1', '--prefix', 'opt/app', '--owner', '7:8']
  const report = composed(store.root, ['import', 'app/a-1', tar, ...placed])
  assert.is(report.layers[0].leftOut, 1)
  assert.is(report.layers[0].entries, 5) // opt, opt/app, bin, run, hard
  const [shown] = composed(store.root, ['show', 'app/a-1']).layers
  assert.equal([shown.strip, shown.prefix, shown.owner], [1, 'opt/app', { uid: 7, gid: 8 }])
  const out = scratch()
  composed(store.root, ['export', 'app/a-1', out])
  assert.is(sha256OfFile(join(out, 'layer.tar')), sha256OfFile(tar))
  const plain = composed(store.root, ['import', 'app/a-2', tar])
  assert.is(plain.layers[0].tar, report.layers[0].tar)
  assert.is.not(plain.layers[0].id, report.layers[0].id)
  assert.is(bash('find "$1/blobs" -name "*.recipe" | wc -l', store.root).toString(), '1\n')
})

publish('a hard link to a file that --strip leaves out is refused', async () => {
  const tar = written(file('top', 'x'), header({ name: 'd/hard', type: '1', linkName: 'top' }))
  await refusedLater(
    importInto(await newStore(), 'base/a-1', [tar], { settings: { strip: 1 } }),
    'TAR_INVALID',
    /layer\.tar: member d\/hard is a hard link to top/
  )
})

atCheckSize(needing(publish, 'root', 'setfacl'))(
  'a directory is the same as the canonical tar of it',
  async () => {
    const folder = scratch()
    bash(
      `cd "$1"; mkdir t; seq 1000 > t/f; ln t/f t/g; ln -s f t/l; mknod t/null c 1 3; setfacl -m u:7:r t/f
    python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("t/socket")'
    setfattr -n trusted.overlay.opaque -v y t; setfattr -n user.keep -v k t`,
      folder
    )
    const store = await newStore()
    const tree = join(folder, 't')
    const report = composed(store.root, ['import', 'base/dir-1', tree])
    assert.equal(
      report.skipped.map(({ path }: { path: string }) => path),
      ['/socket']
    )
    assert.equal(report.layers[0].leftOutAttributes, [
      { name: 'trusted.overlay.opaque', reason: 'how overlayfs puts layers together', paths: 1, example: '.' }
    ])
    assert.match(compose(store.root, ['import', 'base/dir-2', tree]).out, /left out: 1\n +socket: /)
    composed(store.root, ['export', 'base/dir-1', folder])
    bash('cd "$1"; tar --sort=name -tf layer.tar > listed; grep -v socket listed > /dev/null', folder)
    const listings = ['--acl', join(folder, 'layer.acl'), '--xattrs', join(folder, 'layer.xattrs')]
    const fromTar = composed(store.root, ['import', 'base/tar-1', join(folder, 'layer.tar'), ...listings])
    assert.is(fromTar.layers[0].id, report.layers[0].id)
    assert.is(fromTar.layers[0].known, true)
    bash('cd "$1"; cp -a t u', folder)
    const copied = composed(store.root, ['import', 'base/copy-1', join(folder, 'u')])
    assert.is(copied.layers[0].id, report.layers[0].id, 'no inode number, no order of the disk gets in')
    assert.is(portrait(join(folder, 'u')), portrait(tree))
  }
)

const RAISED: [flag: string, key: keyof Limits, low: number, parts: Buffer[]][] = [
  ['--max-entries', 'entries', 2, [file('a', ''), file('b', ''), file('c', '')]],
  ['--max-depth', 'pathDepth', 3, [file('a/b/c/d', '')]],
  ['--max-path', 'pathBytes', 8, [file('long-name', '')]],
  ['--max-metadata', 'metadataBytes', 8, [file('a', ''), file('long-name', '')]],
  ['--max-bytes', 'totalBytes', 9, [file('a', '0123456789')]],
  ['--max-pax', 'paxBytes', 600, [pax({ comment: 'x'.repeat(700) }), file('a', '')]]
]

for (const [flag, key, low, parts] of RAISED)
  publish(`the limit of ${flag} is an error that names the flag, and the flag raises it`, async () => {
    const store = await newStore()
    const tar = written(...parts)
    const error = await refusedLater(
      importInto(store, 'base/a-1', [tar], { limits: { ...DEFAULT_LIMITS, [key]: low } }),
      'LIMIT_EXCEEDED',
      /layer\.tar/
    )
    assert.match(error.hint!, new RegExp(flag))
    composeFails(store.root, ['import', 'base/a-1', tar, flag, String(low)], 22)
    composed(store.root, ['import', 'base/a-1', tar, flag, '800'])
  })

atCheckSize(needing(publish, 'zstd'))(
  'bombs are refused: a small file of endless zeros, a tarball of one hole',
  async () => {
    const folder = scratch()
    bash(
      `cd "$1"; truncate -s 3G hole; tar -S --format=pax -cf hole.tar hole
    truncate -s 1030M zeros; tar -cf - zeros | zstd -q > zeros.tar.zst`,
      folder
    )
    const store = await newStore()
    for (const bomb of ['hole.tar', 'zeros.tar.zst']) {
      const importing = importInto(store, 'base/bomb-1', [join(folder, bomb)])
      const error = await refusedLater(importing, 'LIMIT_EXCEEDED', /1000 times as many/)
      assert.match(error.hint!, /--max-ratio/)
    }
  }
)

publish('the record has the settings of the flags', async () => {
  const store = await newStore()
  const tar = written(file('a', 'x'))
  composed(store.root, [
    ...['import', 'app/vasp-6.4', tar, '--summary', 'ab initio', '--license', 'VASP', '--family', 'dft'],
    ...[
      '--requires',
      'mpi/openmpi >= 4.1',
      '--conflicts',
      'app/vasp5',
      '--set',
      'A=1',
      '--prepend',
      'PATH=/opt/bin'
    ],
    ...['--append', 'MANPATH=/opt/man', '--unset', 'B', '--access-group', '4321', '--label', 'k=v'],
    '--no-redistribute'
  ])
  const shown = composed(store.root, ['show', 'app/vasp'])
  assert.is(shown.module, 'app/vasp-6.4')
  assert.is(shown.kind, 'application')
  assert.equal(
    [shown.summary, shown.license, shown.family, shown.redistributable, shown.labels],
    ['ab initio', 'VASP', 'dft', false, { k: 'v' }]
  )
  assert.equal(shown.requires, ['mpi/openmpi >= 4.1'])
  assert.equal(shown.conflicts, ['app/vasp5'])
  assert.equal(
    shown.environment.map((step: { operation: string }) => step.operation),
    ['set', 'prepend', 'append', 'unset']
  )
  assert.equal(shown.accessGroups, [{ gid: 4321 }])
  assert.is(composed(store.root, ['show', 'app/vasp']).layers[0].tarBytes, 10240 / 5)
})

publish('a record and its layers are in the store under the ids that the report names', async () => {
  const store = await newStore()
  const { record, layers } = await importInto(store, 'base/a-1', [written(file('a', 'x'))])
  assert.equal(
    (await readRecord(store, record)).layers.map(formatCid),
    layers.map(({ id }) => formatCid(id))
  )
  for (const cid of [record, layers[0].id, layers[0].manifest.tar]) assert.ok(findBlob(store, sha256Of(cid)))
})

publish.run()
