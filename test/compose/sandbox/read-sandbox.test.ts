import { readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { treeDigest } from '../../../compose/merge/tree-digest.ts'
import { readSandbox } from '../../../compose/sandbox/read-sandbox.ts'
import { type SandboxReport, writeSandbox } from '../../../compose/sandbox/write-sandbox.ts'
import { atAllSize, atCheckSize, needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { refused } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import {
  as,
  type Digests,
  layerOf,
  listingOf,
  NOBODY,
  publicFolder,
  RICH,
  rebuild,
  stackOf,
  tarOf,
  write
} from './sandboxes.ts'

const sandbox = suite('sandbox: read')
const longSandbox = atAllSize(sandbox)
const asRoot = needing(sandbox, 'root', 'setfacl', 'setfattr', 'tar')
const long = atCheckSize(asRoot)
/** Tests that take too long for a check. */
const longest = atAllSize(asRoot)

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts)
}

/** Writes the tree of an edited sandbox out again, as root. */
async function rebuilt(tars: string[], target: string): Promise<string> {
  const { tree, sources } = await rebuild(tars, target)
  const again = join(scratch(), 'again')
  await writeSandbox(tree, sources, again, { lock: '' })
  return again
}

longest(
  'an untouched sandbox stands for the very tree it was written from, whoever wrote it, however',
  async () => {
    const tar = tarOf(RICH)
    for (const [uid, options] of [
      [0, {}],
      [0, { recordOnly: true }],
      [0, { asRoot: false }],
      [NOBODY, {}],
      [NOBODY, { recordOnly: true }]
    ] as const) {
      const target = join(publicFolder(), 's')
      as<SandboxReport>(uid, { do: 'write', tars: [tar], target, options })
      const { before, after, captured } = as<Digests>(uid, { do: 'read', tars: [tar], target })
      assert.is(captured, false, `${uid} ${JSON.stringify(options)}`)
      assert.is(before, after)
    }
  }
)

sandbox('the lock comes back as it was given', async () => {
  const target = scratch()
  await write([tarOf('echo a >a')], target, { lock: 'layer line\n' })
  assert.is(readSandbox(target).lock.toString(), 'layer line\n')
})

const EDITS = `
  echo more >>etc/plain; echo new >etc/new; chmod 601 etc/new; rm etc/dangling etc/dangling-link
  rm -r opt/closed; mkdir opt/closed; echo other >opt/closed/other
  rm usr/link; mkdir usr/link; echo under >usr/link/under
  rm -r opt/app/deep; echo file >opt/app/deep
  chmod g+w opt/app/big; setfacl -m u:777:r opt/app/acl; setfattr -n user.note -v changed opt/app/tagged
  setfattr -x user.binary opt/app/tagged; ln -sf elsewhere etc/absolute
  mkdir -p new/dir/deep; ln etc/new new/dir/hard; mkfifo new/pipe
  cp -p usr/bin/wall usr/bin/w2; mv usr/bin/w2 usr/bin/wall; chmod 1755 shared; setfacl -k shared
  touch -d '2001-02-03 04:05:06.789' etc/empty; printf '\\0' | dd of=opt/app/sparse bs=1 seek=3M conv=notrunc status=none`

long('every edit of root comes back exactly', async () => {
  const tar = tarOf(RICH)
  const target = join(scratch(), 's')
  await write([tar], target)
  bash(
    `cd "$1"; ${EDITS}; chown 5:6 etc/new opt/app/tagged; chown -h 3:3 etc/absolute; mknod new/dev c 5 1
    ln usr/bin/ping new/ping; setfattr -x security.capability usr/bin/ping; rm dev/big; mknod dev/big b 1 2`,
    target
  )
  assert.equal(listingOf(await rebuilt([tar], target)), listingOf(target))
})

asRoot('breaking and making hard links comes back exactly', async () => {
  const tar = tarOf(
    'mkdir d; echo a >a; ln a b; ln a d/c; echo x >x; ln x y; echo p >p; echo p >q; touch -d @5 p q'
  )
  const target = join(scratch(), 's')
  await write([tar], target)
  bash('cd "$1"; cp -p a a2; mv a2 a; rm y; ln -f p q; ln d/c d/e; touch -d @9 . d', target)
  assert.equal(listingOf(await rebuilt([tar], target)).nodes, listingOf(target).nodes)
})

long(
  'a user keeps stored owners, ACLs and attributes of what is edited, and new files belong to root',
  async () => {
    const tar = tarOf(RICH)
    const [target, exact] = [join(publicFolder(), 's'), join(scratch(), 'exact')]
    as(NOBODY, { do: 'write', tars: [tar], target })
    await write([tar], exact)
    bash(`cd "$1"; setpriv --reuid 65534 --regid 65534 --clear-groups bash -euc "$2"`, target, EDITS)
    const { edits } = as<Digests>(NOBODY, { do: 'read', tars: [tar], target })
    assert.equal(edits.unprivileged, [])
    const [before, after] = [listingOf(exact), listingOf(await rebuilt([tar], target))]
    const same = [
      'usr/bin/su',
      'usr/bin/ping',
      'etc/shadow',
      'dev/null',
      'opt/app/deep/su-link',
      'opt/app/zeros',
      'tmp'
    ]
    for (const path of same.filter(path => path in after.nodes)) {
      const [{ links: _, ...now }, { links: __, ...then }] = [after.nodes[path], before.nodes[path]]
      assert.equal(now, then, path)
    }
    const [plain, fresh] = [after.nodes['etc/plain'], after.nodes['etc/new']]
    assert.equal(
      [plain.mode, plain.uid, plain.contentHash],
      [0o644, 0, listingOf(target).nodes['etc/plain'].contentHash]
    )
    assert.equal([fresh.mode, fresh.uid, fresh.gid, fresh.links], [0o601, 0, 0, ['etc/new', 'new/dir/hard']])
    assert.equal([after.nodes['opt/app/big'].mode, after.nodes['opt/app'].uid], [0o664, 1000])
    assert.match(
      after.acls,
      /# file: opt\/app\/acl\n.*\n.*\nuser::rw-\nuser:777:r--\nuser:12345:rw-\ngroup::---\ngroup:23456:r--\nmask::rw-/
    )
    assert.match(
      after.attributes,
      /# file: opt\/app\/tagged\ntrusted.t=0x00ff\nuser.note=0x6368616e676564\n\n/
    )
    assert.match(after.attributes, /# file: usr\/bin\/ping\nsecurity.capability/)
    assert.equal([after.nodes.shared.mode, after.nodes.shared.gid], [0o3775, 100])
    assert.equal(
      [after.nodes['etc/absolute'].target, 'opt/app/deep/su-link' in after.nodes],
      ['elsewhere', false]
    )
  }
)

longest(
  'new content takes set-id bits and capabilities that only the record has, and that is reported',
  async () => {
    const tar = tarOf(RICH)
    const target = join(publicFolder(), 's')
    as(NOBODY, { do: 'write', tars: [tar], target })
    bash('cd "$1"; echo evil >usr/bin/su; echo evil >usr/bin/ping; touch usr/bin/wall; rm dev/fifo', target)
    const { edits } = as<Digests>(NOBODY, { do: 'read', tars: [tar], target })
    assert.equal(edits.unprivileged, [
      'opt/app/deep/su-link',
      'opt/app/su-link',
      'usr/bin/ping',
      'usr/bin/su'
    ])
    const after = listingOf(await rebuilt([tar], target))
    assert.equal(
      ['su', 'wall', 'ping'].map(name => after.nodes[`usr/bin/${name}`].mode),
      [0o755, 0o2755, 0o755]
    )
    assert.not.match(after.attributes, /capability/)
    assert.ok('dev/null' in after.nodes && !('dev/fifo' in after.nodes))
  }
)

longest('an untouched ACL is kept where the file system could not hold it', async () => {
  const tar = tarOf('echo a >a; setfacl -m u:12345:rwx a; echo b >b; setfacl -m u:12345:rwx b')
  const target = join(scratch(), 's')
  await write([tar], target, { recordOnly: true })
  bash('cd "$1"; echo new >a; chmod o+w b', target)
  const { acls } = listingOf(await rebuilt([tar], target))
  assert.match(acls, /file: a\n.*\n.*\nuser::rw-\nuser:12345:rwx\ngroup::r--\nmask::rwx\nother::r--/)
  assert.match(acls, /file: b\n.*\n.*\nuser::rw-\nuser:12345:rwx\ngroup::r--\nmask::rwx\nother::rw-/)
})

longSandbox('the same edits give the same bytes, and changes below .compose are no edits', async () => {
  const target = join(scratch(), 's')
  await write([tarOf('mkdir d; echo a >d/a; echo b >b')], target)
  writeFileSync(join(target, '.compose/mine'), 'x')
  assert.is(readSandbox(target).captured, undefined)
  bash(
    'cd "$1"; echo c >d/a; rm b; for i in $(seq 50 -1 1); do echo $i >d/n$i; done; touch -d @7 d/*',
    target
  )
  const [one, two] = [readSandbox(target), readSandbox(target)]
  assert.ok((await bytesOf(one.captured!.tar)).equals(await bytesOf(two.captured!.tar)))
  assert.equal([one.added, one.changed, one.deleted], [50, 3, 1])
  const lower = statSync(join(target, 'd')).mtimeMs
  assert.ok(lower > 0)
})

sandbox('a file of the same size and time is taken as unchanged, unless contents are checked', async () => {
  const target = join(scratch(), 's')
  await write([tarOf('echo aaa >a; touch -d @1000 a')], target)
  const { mtimeMs } = statSync(join(target, 'a'))
  writeFileSync(join(target, 'a'), 'bbb\n')
  utimesSync(join(target, 'a'), mtimeMs / 1000, mtimeMs / 1000)
  assert.is(readSandbox(target).captured, undefined)
  assert.is(readSandbox(target, { checkContents: true }).changed, 1)
})

longSandbox(
  'a file of a generated layer is captured when it was changed, and comes back when it was deleted',
  async () => {
    const base = await layerOf(tarOf('mkdir etc; echo a >etc/a'))
    const generated = await layerOf(tarOf('mkdir etc srv; echo h >etc/hosts; echo r >etc/resolv; : >srv/x'))
    const roles = [
      [base, 'module'],
      [generated, 'generated']
    ] as const
    const { mergeLayers } = await import('../../../compose/merge/index.ts')
    const stack = (layers: typeof roles | [...typeof roles]) =>
      mergeLayers(layers.map(([{ index }, role], module) => ({ index, role, module, name: `m${module}` })))
    const target = join(scratch(), 's')
    const tree = stack(roles)
    await writeSandbox(tree, [base.data.parts, generated.data.parts], target, { lock: '' })
    const untouched = readSandbox(target)
    assert.is(untouched.captured, undefined)
    assert.equal(untouched.treeDigest, treeDigest(stackOf([base]).tree))
    bash('cd "$1"; rm etc/hosts; echo mine >etc/resolv; echo n >srv/n; touch -d @1 etc srv', target)
    const edits = readSandbox(target)
    assert.equal([edits.regenerated, edits.added, edits.deleted], [['etc/hosts'], 1, 0])
    const names = bash('tar -tf "$1"', await saved(edits.captured!.tar))
      .toString()
      .trim()
      .split('\n')
    assert.equal(names, ['etc/', 'etc/resolv', 'srv/', 'srv/n'])
  }
)

async function saved(tar: AsyncIterable<Uint8Array>): Promise<string> {
  const path = join(scratch(), 'captured.tar')
  writeFileSync(path, await bytesOf(tar))
  return path
}

sandbox('a directory that is not a sandbox, is damaged, or cannot become a layer is refused', async () => {
  const target = join(scratch(), 's')
  refused(() => readSandbox(scratch()), 'SANDBOX_INVALID', /is not a sandbox, or was never finished/)
  refused(() => readSandbox(target), 'IO', /cannot be opened/)
  await write([tarOf('echo a >a')], target)
  writeFileSync(join(target, '.wh.a'), '')
  refused(() => readSandbox(target), 'SANDBOX_INVALID', /\.wh\.a in .* has a name that means a deletion/)
  const record = join(target, '.compose/sandbox/record')
  const bytes = readFileSync(record)
  bytes[100] ^= 1
  writeFileSync(record, bytes)
  refused(() => readSandbox(target), 'SANDBOX_INVALID', /record of .* is damaged/)
})

asRoot('a mount inside is refused, not captured', async () => {
  const target = join(scratch(), 's')
  await write([tarOf('mkdir proc')], target)
  bash('mount -t proc proc "$1/proc"', target)
  try {
    refused(() => readSandbox(target), 'SANDBOX_INVALID', /proc in .* is a mount/)
  } finally {
    bash('umount "$1/proc"', target)
  }
})

asRoot('a file that changes after it was compared is not captured half', async () => {
  const target = join(scratch(), 's')
  await write([tarOf('echo a >a')], target)
  bash('echo bb >"$1/a"', target)
  const { captured } = readSandbox(target)
  bash('echo ccc >"$1/a"', target)
  const failure = await bytesOf(captured!.tar).catch(error => error)
  refused(
    () => {
      throw failure
    },
    'SOURCE_CHANGED',
    /a in .* changed while it was read/
  )
})

sandbox.run()
