import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { readSandbox } from '../../../compose/sandbox/read-sandbox.ts'
import { type SandboxReport, writeSandbox } from '../../../compose/sandbox/write-sandbox.ts'
import { cpuSecondsOf } from '../../helpers/cpu-time.ts'
import { atAllSize, atCheckSize, needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { as, layerOf, listingOf, NOBODY, publicFolder, RICH, stackOf, tarOf, write } from './sandboxes.ts'

const sandbox = suite('sandbox: write')
const longSandbox = atCheckSize(sandbox)
const asRoot = needing(sandbox, 'root', 'setfacl', 'setfattr', 'tar')
const long = atCheckSize(asRoot)

const extract = (tar: string): string => {
  const directory = scratch()
  bash(`tar --xattrs --xattrs-include='*' --acls --numeric-owner -xpf "$2" -C "$1"`, directory, tar)
  return directory
}

long('as root, it is what GNU tar extracts, and nothing is left to the record', async () => {
  const tar = tarOf(RICH)
  const target = join(scratch(), 'new')
  const report = await write([tar], target)
  assert.equal(listingOf(target), listingOf(extract(tar)))
  assert.is(report.applied, 'root')
  assert.equal(Object.values(report.notApplied).filter(Boolean), [])
})

asRoot('layers are merged: upper files, whiteouts and opaque directories', async () => {
  const lower = tarOf('mkdir a b; echo 1 >a/x; echo 1 >a/y; echo 1 >b/z; echo 1 >keep; ln keep keep2')
  const upper = tarOf(
    'mkdir a b; echo 22 >a/x; : >a/.wh.y; : >b/.wh..wh..opq; echo n >b/n; chmod 700 b; chown 5:6 a/x'
  )
  const target = scratch()
  await write([lower, upper], target)
  const found = bash(`cd "$1"; find . -path ./.compose -prune -o -printf '%P %m %U %n\n' | sort`, target)
  assert.is(
    found.toString(),
    ' 755 0 5\na 755 0 2\na/x 644 5 1\nb 700 0 2\nb/n 644 0 1\nkeep 644 0 2\nkeep2 644 0 2\n'
  )
})

long('a default ACL and set-gid bit of the parent, and the umask, leave no trace', async () => {
  const tar = tarOf(RICH)
  const folder = publicFolder()
  bash('chmod 2777 "$1"; chgrp 77 "$1"; setfacl -d -m u:999:rwx,g:998:rwx,o::rwx "$1"', folder)
  const expected = listingOf(extract(tar))
  mkdirSync(join(folder, 'there'))
  for (const [name, umask] of [
    ['new', 0o077],
    ['open', 0],
    ['there', 0o022]
  ] as const) {
    as(0, { do: 'write', tars: [tar], target: join(folder, name), umask })
    assert.equal(listingOf(join(folder, name)), expected, name)
  }
})

asRoot('blocks of zeros are holes, and the size is right', async () => {
  const target = scratch()
  await write(
    [tarOf('head -c 20M /dev/zero >zeros; (head -c 1M /dev/urandom; head -c 9M /dev/zero) >half')],
    target
  )
  const [zeros, half] = ['zeros', 'half'].map(name => statSync(join(target, name)))
  assert.equal([zeros.size, zeros.blocks], [20 << 20, 0])
  assert.is(half.size, 10 << 20)
  assert.ok(half.blocks * 512 <= 1.2 * 2 ** 20, `${half.blocks} blocks`)
})

asRoot('a directory swapped for a link while it is filled leads nowhere', async () => {
  const tar = tarOf('mkdir d; for i in $(seq 100); do echo $i >d/f$i; done')
  const [target, victim] = [join(scratch(), 's'), scratch()]
  const { tree, sources } = stackOf([await layerOf(tar)])
  let isSwapped = false
  const onProgress = () => {
    if (isSwapped) return
    isSwapped = true
    renameSync(join(target, 'd'), join(target, 'moved'))
    symlinkSync(victim, join(target, 'd'))
  }
  await writeSandbox(tree, sources, target, { lock: '', onProgress })
  assert.equal(readdirSync(victim), [])
  assert.is(readdirSync(join(target, 'moved')).length, 100)
})

asRoot('links out of the tree are made and not followed', async () => {
  const outside = scratch()
  writeFileSync(join(outside, 'f'), 'before')
  const tar = tarOf(`ln -s ${outside}/f out; ln out out2; ln -s ${outside} dir; chown -h 3:3 out`)
  await write([tar], join(scratch(), 's'))
  assert.equal(readdirSync(outside), ['f'])
  assert.is(lstatSync(join(outside, 'f')).uid, 0)
})

longSandbox('a directory that holds something, and a file, are refused untouched', async () => {
  const tar = tarOf('echo a >a')
  const target = scratch()
  writeFileSync(join(target, 'mine'), '')
  chmodSync(target, 0o711)
  await refusedLater(write([tar], target), 'SANDBOX_EXISTS', /not empty: it holds mine/)
  assert.is(statSync(target).mode & 0o777, 0o711)
  await refusedLater(write([tar], join(target, 'mine')), 'SANDBOX_EXISTS', /not a directory/)
  await refusedLater(write([tar], join(target, 'none/x')), 'IO', /above it does not exist/)
})

longSandbox('a failure in the middle leaves the target as it was', async () => {
  const layer = await layerOf(tarOf('mkdir -p d/e; echo a >d/e/a; chmod 500 d/e; head -c 3M /dev/urandom >z'))
  const { tree } = stackOf([layer])
  const folder = scratch()
  const ways = [{ lock: '' }, { lock: '', bytesWithoutThread: 0 }]
  const there = join(folder, 'there')
  mkdirSync(there, 0o751)
  chmodSync(there, 0o751)
  for (const target of [there, join(folder, 'new')])
    for (const source of [new Uint8Array(10), 9999])
      for (const way of ways)
        await refusedLater(writeSandbox(tree, [source], target, way), 'OBJECT_CORRUPT', /cannot be read/)
  assert.not(existsSync(join(folder, 'new')))
  assert.equal(readdirSync(there), [])
  assert.is(statSync(there).mode & 0o7777, 0o751)
})

sandbox('a tree that brings .compose/sandbox is refused', async () => {
  const tar = tarOf('mkdir -p .compose/sandbox')
  await refusedLater(write([tar], join(scratch(), 's')), 'CONFLICT', /m-1 brings \/.compose\/sandbox/)
})

asRoot('a file system without ACLs is refused at once, unless they are only recorded', async () => {
  const mount = scratch()
  execFileSync('mount', ['-t', 'ramfs', 'ramfs', mount])
  try {
    const target = join(mount, 's')
    const acl = tarOf('echo a >a; setfacl -m u:12345:r a')
    await refusedLater(write([acl], target), 'SANDBOX_FILESYSTEM', /cannot hold ACLs/)
    const attribute = tarOf('echo a >a; setfattr -n user.x -v 1 a')
    await refusedLater(write([attribute], target), 'SANDBOX_FILESYSTEM', /\/a: /)
    assert.not(existsSync(target))
    const report = await write([acl], target, { recordOnly: true })
    assert.equal([report.applied, report.notApplied.acls], ['record-only', 1])
  } finally {
    execFileSync('umount', [mount])
  }
})

asRoot(
  'an ordinary user gets all contents, own files and no wider modes, and is told what is missing',
  () => {
    const tar = tarOf(RICH)
    const target = join(publicFolder(), 'mine')
    const report = as<SandboxReport>(NOBODY, { do: 'write', tars: [tar], target, umask: 0 })
    const [mine, exact] = [listingOf(target).nodes, listingOf(extract(tar)).nodes]
    assert.is(report.applied, 'user')
    // GNU tar stores a second name of a device as another device.
    assert.is(report.notApplied.devices, 3)
    assert.equal(
      Object.keys(mine),
      Object.keys(exact).filter(path => !/^dev\/(null|big)/.test(path))
    )
    for (const [path, { kind, mode, uid, gid, mtime, contentHash, links, target: to }] of Object.entries(
      mine
    )) {
      const stored = exact[path]
      assert.equal([uid, gid], [NOBODY, NOBODY], path)
      assert.equal(
        [kind, mtime, contentHash, links, to],
        [stored.kind, stored.mtime, stored.contentHash, stored.links, stored.target]
      )
      if (kind === 'symlink') continue
      assert.is(mode & 0o077 & ~stored.mode, 0, `${path} ${mode.toString(8)}`)
      assert.is(mode & 0o6000, 0, path)
      assert.is(mode & 0o600, 0o600, path)
    }
    assert.is(mine['etc/shadow'].mode, 0o600)
    assert.is(mine['usr/bin/su'].mode, 0o755)
    assert.match(
      listingOf(target).acls,
      /# file: opt\/app\/acl\n.*\n.*\nuser::rw-\nuser:12345:rw-\ngroup::---\ngroup:23456:r--\nmask::rw-\nother::---/
    )
    assert.is(statSync(join(target, '.compose/sandbox')).mode & 0o777, 0o700)
  }
)

const MANY_FILES = `
import io, sys, tarfile
with tarfile.open(sys.argv[1], 'w') as tar:
    for d in range(100):
        info = tarfile.TarInfo(f'd{d}'); info.type = tarfile.DIRTYPE; info.mode = 0o755
        tar.addfile(info)
        for f in range(1000):
            text = f'{d} {f}'.encode()
            info = tarfile.TarInfo(f'd{d}/f{f}'); info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
`

atAllSize(needing(sandbox, 'root', 'python3', 'tar'))(
  '100,000 small files in memory take at most twice the work of tar -xp',
  async () => {
    // On a disk, this would measure what else it does.
    const folder = mkdtempSync('/dev/shm/strata-test-')
    try {
      const tar = join(folder, 'layer.tar')
      execFileSync('python3', ['-c', MANY_FILES, tar])
      const { tree, sources } = stackOf([await layerOf(tar)])
      mkdirSync(join(folder, 'theirs'))
      const theirs = await cpuSecondsOf(() => bash('tar -xpf "$1/layer.tar" -C "$1/theirs"', folder))
      const ours = await cpuSecondsOf(() => writeSandbox(tree, sources, join(folder, 'ours'), { lock: '' }))
      assert.is(readSandbox(join(folder, 'ours')).captured, undefined)
      assert.ok(ours < 2 * theirs + 1, `${ours} s, tar ${theirs} s`)
    } finally {
      rmSync(folder, { recursive: true })
    }
  }
)

sandbox.run()
