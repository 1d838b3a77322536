import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { dirname, join } from 'node:path'
import * as assert from 'uvu/assert'
import { mountImage } from '../../../compose/mount/index.ts'
import { mountTable } from '../../../compose/mount/mount-table.ts'
import { placeOf } from '../../../compose/mount/mount-target.ts'
import { isServedByProgram } from '../../../compose/mount/prove-image.ts'
import { blobPath } from '../../../store/files/store-layout.ts'
import { decodeRecord, encodeRecord } from '../../../store/module/record.ts'
import { DAG_JSON, formatCid, manifestCid, parseCid, sha256Of } from '../../../store/values/digest.ts'
import { COMPOSE, environment } from '../../helpers/compose.ts'
import { LAUNCHER } from '../../helpers/launcher.ts'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { asUser, composeAs } from '../../helpers/runtimes.ts'
import { scratch } from '../../helpers/scratch.ts'
import { bySize, someOf } from '../../helpers/size.ts'
import { suite } from '../../helpers/suite.ts'
import { composed, composeFails } from '../../helpers/warm-compose.ts'
import { smallBase } from '../runtime-files/small-base.ts'
import { aclTree, IDENTITIES, probed } from './acl-tree.ts'

/** `compose mount` and `umount` as root: the kernel enforces the ACLs, in every form in which it can be asked to. */

interface World {
  folder: string
  store: string
  /** The truth: ext4. */
  tree: string
  paths: string
  image: string
}

let made: World | undefined

function world(): World {
  if (made !== undefined) return made
  const folder = scratch()
  const tree = aclTree()
  const store = join(folder, 'store')
  const image = join(folder, 'image.sqfs')
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'base/acl-1', tree])
  composed(store, ['build', '--for', 'mounted', image, 'base/acl'])
  chmodSync(folder, 0o755)
  const paths = bash('cd "$1"; find . -mindepth 1 | sort', tree).toString('latin1')
  made = { folder, store, tree, paths, image }
  return made
}

const newFolder = (name: string): string => {
  const path = join(world().folder, name)
  mkdirSync(path)
  return path
}

const mounts = (): string[] =>
  readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter(line => line.includes(world().folder))

/** Mount namespaces of other programs may hold a copy of a mount for some time. */
async function noLoopOf(path: string): Promise<void> {
  for (let round = 0; bash('losetup -a').includes(path); round++) {
    assert.ok(round < 2000, bash('losetup -a').toString())
    await new Promise(resolve => setTimeout(resolve, 25))
  }
}

const NEEDS = ['root', 'setfacl', 'setpriv', 'perl', 'losetup']

const enforced = suite('mount: ACLs')

/** From the newest kernels to the oldest (spec/erofs.md#forms). */
const FORMS: [form: string, without: string[]][] = [
  ['overlay datadir', []],
  ['erofs of a loop device, overlay datadir', ['file-backed']],
  ['overlay data-only', ['datadir']],
  ['overlay plain', ['datadir', 'data-only']],
  ['a folder in memory, overlay datadir', ['erofs']],
  ['a folder in memory, overlay plain', ['erofs', 'datadir', 'data-only']]
]

for (const [i, [form, without]] of someOf(FORMS, 2).entries())
  needing(enforced, ...NEEDS)(
    `every path answers ${i === 0 ? IDENTITIES.length : 'many'} identities as ext4 does: ${form}`,
    async () => {
      const { tree, paths, image } = world()
      const directory = newFolder(`at-${i}`)
      const report = await mountImage(image, directory, { isOwn: true, isExecutable: true, without })
      try {
        assert.match(report.form, new RegExp(`${form}$`))
        for (const identity of i === 0 ? IDENTITIES : someOf(IDENTITIES, 4))
          assert.is(
            probed(identity, directory, paths),
            probed(identity, tree, paths),
            JSON.stringify(identity)
          )
        const acls = 'cd "$1"; find opt ! -type l -print0 | sort -z | xargs -0 getfacl -n'
        assert.is(bash(acls, directory).toString('latin1'), bash(acls, tree).toString('latin1'))
        bash(
          'diff -r --no-dereference "$1/opt/many" "$2/opt/many"; cmp "$1/opt/kinds/sparse" "$2/opt/kinds/sparse"',
          directory,
          tree
        )
        // Merged folders of an overlay have one link.
        const links = (folder: string) => `cd ${folder}; find opt ! -type d -printf '%p %n\\n' | sort`
        const listed = (folder: string) => `cd ${folder}; find opt -printf '%p %y %m %U %G %l %T@\\n' | sort`
        for (const list of [links, listed])
          assert.is(bash(list(directory)).toString('latin1'), bash(list(tree)).toString('latin1'))
      } finally {
        bash('umount "$1"', directory)
      }
    }
  )

needing(enforced, ...NEEDS)('a module for a group is closed to others at the root of the mount', () => {
  const { folder, store } = world()
  composed(store, ['import', 'app/licensed-1', world().tree, '--access-group', '3001', '--allow-privileged'])
  assert.equal(whoSees(store, folder, 'app/licensed'), FOR_3001)
})

needing(enforced, ...NEEDS)('a forged record opens no module for a group at the root of the mount', () => {
  const { folder, tree } = world()
  const store = join(folder, 'forged-store')
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'app/x-1', tree, '--access-group', '3001', '--allow-privileged'])
  const id = composed(store, ['show', 'app/x']).record
  const stored = readFileSync(join(store, blobPath(sha256Of(parseCid(id, DAG_JSON, 'x')), '')))
  const forged = encodeRecord({ ...decodeRecord(stored, 'x'), accessGroups: [] })
  const blob = join(store, blobPath(sha256Of(manifestCid(forged)), ''))
  mkdirSync(dirname(blob), { recursive: true })
  writeFileSync(blob, forged)
  rmSync(join(store, 'refs/modules/app/x/1'))
  writeFileSync(join(store, 'refs/modules/app/x/1'), `${formatCid(manifestCid(forged))}\n`)
  assert.equal(whoSees(store, folder, 'app/x'), FOR_3001)
})

/** Mounts an image of a module for a moment. */
function whoSees(store: string, folder: string, module: string): unknown {
  const name = module.replace('/', '-')
  const image = join(folder, `${name}.sqfs`)
  composed(store, ['build', '--for', 'mounted', image, module])
  const directory = newFolder(name)
  composed(store, ['mount', image, directory])
  try {
    return seenIn(directory)
  } finally {
    composed(store, ['umount', directory])
  }
}

/** Which of root, a member of group 3001 and two others see something in the folder. */
function seenIn(directory: string): string[] {
  const sees = (uid: number, gid: number) =>
    bash(
      'setpriv --reuid=$2 --regid=$3 --clear-groups ls "$1" 2>/dev/null | head -c 1 | wc -c',
      directory,
      String(uid),
      String(gid)
    )
      .toString()
      .trim()
  return [sees(0, 0), sees(2001, 3001), sees(2001, 2001), sees(2001, 3002)]
}

const FOR_3001 = ['1', '1', '0', '0']

enforced.run()

const command = suite('mount: command')

needing(command, ...NEEDS)(
  'a mount is read-only, without set-id programs and devices, and nothing is left after umount',
  async () => {
    const { store, image } = world()
    const directory = newFolder('plain')
    const report = composed(store, ['mount', image, directory])
    assert.equal([report.how, report.enforced, report.hidden], ['kernel', true, []])
    const [source, , type, options] = mounts()[0].split(' ')
    assert.equal([source, type], [image, 'overlay'])
    assert.match(options, /^ro,nosuid,nodev,/)
    assert.equal(composed(store, ['umount', directory]), { directory, image })
    assert.equal(mounts(), [])
    await noLoopOf(image)
  }
)

needing(command, ...NEEDS)('a stack is built for root alone, and mounted', () => {
  const { folder, store } = world()
  const directory = newFolder('stack')
  const cache = join(folder, 'cache')
  composed(store, ['mount', 'base/acl', directory, '--no-exec'], { env: { XDG_CACHE_HOME: cache } })
  assert.match(mounts()[0], / ro,nosuid,nodev,noexec,/)
  assert.is(
    bash(
      'find "$1" -name "*.sqfs" -o -type f -size +8k | xargs stat -c %a | sort -u',
      join(cache, 'strata/images')
    )
      .toString()
      .trim(),
    '600'
  )
  composed(store, ['umount', directory])
})

needing(command, ...NEEDS)(
  'a folder that is a link, a file, not empty or mounted on is left as it is',
  () => {
    const { folder, store, image, tree } = world()
    const empty = newFolder('empty')
    symlinkSync(empty, join(folder, 'link'))
    writeFileSync(join(folder, 'file'), '')
    for (const [directory, message] of [
      [join(folder, 'link'), /is a symbolic link/],
      [join(folder, 'file'), /is not a folder/],
      [join(folder, 'missing'), /no such file/i],
      [tree, /is not empty: it holds .*, which a mount would hide/]
    ] as const) {
      const error = composeFails(store, ['mount', image, directory], 52)
      assert.is(error.code, 'MOUNT_TARGET')
      assert.match(
        composeFails(store, ['mount', 'none.sqfs', directory], 1).message,
        /^none[.]sqfs: no such file/
      )
      assert.match(error.message, message)
    }
    composed(store, ['mount', image, empty])
    assert.match(composeFails(store, ['mount', image, empty], 52).message, /overlay of .* is mounted there/)
    const user = spawn('sleep', ['100'], { cwd: empty, stdio: 'ignore' })
    assert.match(
      composeFails(store, ['umount', empty], 52).message,
      new RegExp(`used by process ${user.pid} \\(sleep\\)`)
    )
    user.kill()
    for (let round = 0; mounts().length > 0; round++) {
      assert.ok(round < 100)
      bash('umount "$1" 2>/dev/null || sleep 0.05', empty)
    }
    assert.match(composeFails(store, ['umount', empty], 52).message, /nothing is mounted there/)
    assert.match(composeFails(store, ['umount', '/proc'], 52).message, /which compose did not mount/)
  }
)

needing(command, 'root')('a folder that somebody fills while the metadata are made is not mounted on', () => {
  const folder = scratch()
  mkdirSync(join(folder, 'at'))
  // Without --metadata the launcher waits until its caller has filled a folder.
  const script = `cd "$2"; mkfifo go; exec 3< "$3"
    "$1" mount --image 3 "$3" "$2/at" < go > said 2>&1 & exec 4> go
    until grep -q fill said; do sleep 0.02; done; touch at/late; echo x >&4; wait $! || echo "status $?"; ls at`
  const printed = bash(script, LAUNCHER, folder, world().image).toString()
  assert.is(printed, 'status 125\nlate\n')
  assert.match(readFileSync(join(folder, 'said'), 'utf8'), /is not empty: it holds late/)
})

needing(command, 'root')('a link that was put on the way since the folder was checked leads nowhere', () => {
  const { folder, image } = world()
  bash('mkdir -p "$1/way/at"; ln -s way "$1/elsewhere"', folder)
  const script =
    '"$1" mount --image 3 --metadata 4 x "$2/elsewhere/at" 3< "$3" 4< "$3" 2>&1 || echo "status $?"'
  const printed = bash(script, LAUNCHER, folder, image).toString()
  assert.match(printed, /elsewhere\/at: Too many levels of symbolic links\nstatus 125/)
  assert.equal(mounts(), [])
})

for (const [without, words] of [
  ['', /Too many levels of symbolic links/],
  ['openat2', /Not a directory/]
] as const)
  needing(command, 'root')(
    `root takes no mount away behind a link that was put on the way${without && ', without openat2'}`,
    () => {
      const folder = scratch()
      const place = join(folder, 'real/at')
      const unmounted = (path: string) =>
        spawnSync(LAUNCHER, ['umount', '--without', without, path], { encoding: 'utf8' })
      const isMounted = () => readFileSync('/proc/self/mounts', 'utf8').includes(` ${place} tmpfs `)
      mkdirSync(place, { recursive: true })
      symlinkSync('real', join(folder, 'link'))
      bash('mount -t tmpfs none "$1"', place)
      try {
        const { status, stderr } = unmounted(join(folder, 'link/at'))
        assert.match(stderr, words)
        assert.equal([status, isMounted()], [125, true])
        assert.equal([unmounted(place).status, isMounted()], [0, false])
      } finally {
        if (isMounted()) bash('umount "$1"', place)
      }
    }
  )

needing(command, 'root')('root takes no other mount away that was moved to the path meanwhile', () => {
  const folder = scratch()
  bash(
    `cd "$1"; mkdir -p way/at other/at; mount -t tmpfs ours way/at; mount -t tmpfs theirs other/at`,
    folder
  )
  const place = join(folder, 'way/at')
  const numberOf = (path: string) => mountTable().find(mounted => mounted.place === path)!.number
  const meant = numberOf(place)
  const unmounted = () =>
    spawnSync(LAUNCHER, ['umount', '--mount', String(meant), place], { encoding: 'utf8' })
  try {
    // Only the names of mounts themselves cannot be moved.
    bash('cd "$1"; mv way moved; mv other way', folder)
    const { status, stderr } = unmounted()
    assert.is(status, 125)
    assert.match(stderr, /another mount took its place/)
    assert.ok(numberOf(place))
    bash('cd "$1"; mv way other; mv moved way', folder)
    assert.is(unmounted().status, 0)
    assert.equal(
      mountTable()
        .filter(mounted => mounted.place.startsWith(folder))
        .map(({ source }) => source),
      ['theirs']
    )
  } finally {
    bash('for at in "$1"/*/at; do ! mountpoint -q "$at" || umount "$at"; done', folder)
  }
})

needing(command, 'root')('a link of another user on the way is not followed', () => {
  const folder = scratch()
  bash('cd "$1"; mkdir -p real/at; ln -s real root; ln -s real theirs; chown -h 2001 theirs', folder)
  assert.is(placeOf(join(folder, 'root/at')), join(folder, 'real/at'))
  assert.is(placeOf(join(folder, 'root/../real/./at')), join(folder, 'real/at'))
  assert.throws(() => placeOf(join(folder, 'theirs/at')), /theirs is a symbolic link of user 2001/)
})

needing(
  command,
  ...NEEDS,
  'ssh-keygen'
)('a signed lock proves an image that no store has, by the policy of root alone', () => {
  const { folder, store, image } = world()
  const directory = newFolder('signed')
  const other = join(folder, 'empty-store')
  composed(other, ['init'])
  const at = (name: string) => join(folder, name)
  const lock = at('signed.lock')
  composed(store, ['lock', '--image', image, '-o', lock, 'base/acl', '--for', 'mounted'])
  bash(
    `cd "$1"; for name in alice mallory; do ssh-keygen -q -N '' -t ed25519 -f $name; done; mkdir -p config/strata
    echo "alice@site $(cat alice.pub)" > config/strata/signers
    printf 'version: 1\\nsigners: signers\\nrules:\\n  - modules: "*"\\n    signed-by: alice@site\\n' > config/strata/policy.yaml
    chmod 600 config/strata/*; chown 2001 signed.lock`,
    folder
  )
  const env = { HOME: folder, XDG_CONFIG_HOME: at('config') }
  const words = ['mount', image, '--lock', lock, directory]
  assert.match(composeFails(other, words, 53, { env }).message, /user 2001 owns it/)
  composed(store, ['sign', lock, '--key', at('mallory')])
  assert.match(composeFails(other, words, 53, { env }).message, /user 2001 owns it/)
  bash('rm "$1.sig"', lock)
  composed(store, ['sign', lock, '--key', at('alice')])
  const report = composed(other, words, { env })
  assert.is(report.enforced, true)
  composed(other, ['umount', directory])
  bash('printf "\\n" >> "$1"', lock)
  assert.is(composeFails(other, words, 71, { env }).code, 'SIGNATURE_INVALID')
})

needing(
  command,
  'root',
  'fuse',
  'squashfuse'
)('the disk of a virtual machine is not taken for a program that serves files', () => {
  const { folder, image } = world()
  const served = newFolder('served-disk')
  bash('squashfuse "$1" "$2"', image, served)
  const [ofFuse, ofDisk] = [served, folder].map(path => openSync(path, 'r'))
  try {
    const [mounted] = mountTable().filter(({ place }) => place === served)
    assert.match(mounted.type, /^fuse/)
    assert.equal([isServedByProgram(ofFuse), isServedByProgram(ofDisk)], [true, false])
    // What /proc says of such a disk; no program can give a mount this type.
    assert.is(isServedByProgram(ofFuse, { ...mounted, type: 'virtiofs' }), false)
    assert.is(isServedByProgram(ofFuse, { ...mounted, type: 'fuse.virtiofs' }), true)
  } finally {
    for (const fd of [ofFuse, ofDisk]) closeSync(fd)
    bash('umount "$1"', served)
  }
})

needing(
  command,
  ...NEEDS,
  'fuse',
  'squashfuse',
  'mksquashfs'
)('neither an image nor a lock of a FUSE file system counts as root’s', () => {
  const { folder, store, image } = world()
  const [directory, served] = [newFolder('of-fuse'), newFolder('served')]
  const lock = join(folder, 'served.lock')
  composed(store, ['lock', '--image', image, '-o', lock, 'base/acl', '--for', 'mounted'])
  bash('mksquashfs "$1" "$2" "$3" -quiet -no-progress', image, lock, join(folder, 'outer.sqfs'))
  bash('squashfuse "$1" "$2"', join(folder, 'outer.sqfs'), served)
  try {
    const inFuse = join(served, 'image.sqfs')
    for (const args of [[inFuse], [inFuse, '--lock', lock], [image, '--lock', join(served, 'served.lock')]]) {
      const error = composeFails(store, ['mount', ...args, directory], 53)
      assert.match(error.message, /: a program serves it through FUSE/)
    }
  } finally {
    bash('umount "$1"', served)
  }
})

needing(command, ...NEEDS)('an image that nothing vouches for is not mounted', () => {
  const { folder, store, image } = world()
  const directory = newFolder('unproven')
  const copy = (name: string) => {
    copyFileSync(image, join(folder, name))
    chmodSync(join(folder, name), 0o600)
    return join(folder, name)
  }
  const open = copy('open.sqfs')
  chmodSync(open, 0o620)
  const others = copy('others.sqfs')
  bash('chown 2001 "$1"', others)
  const forged = copy('forged.sqfs')
  bash('printf X | dd of="$1" bs=1 seek=4100 conv=notrunc status=none', forged)
  const other = join(folder, 'other')
  composed(other, ['init'])
  const lock = join(folder, 'stack.lock')
  composed(store, ['lock', '--image', image, '-o', lock, 'base/acl', '--for', 'mounted'])
  const refused = (status: number, of: string, args: string[], message: RegExp) => {
    const error = composeFails(of, ['mount', ...args, directory], status)
    assert.match(error.message, message)
    assert.equal(mounts(), [])
  }
  refused(53, store, [open], /others than root may write to it/)
  refused(53, store, [others], /user 2001 owns it/)
  refused(53, other, [copy('image-2.sqfs')], /no store has all layers/)
  refused(41, store, [forged], /sha256/)
  refused(41, other, [forged, '--lock', lock], /names sha256:/)
  composed(other, ['mount', image, directory, '--lock', lock])
  composed(other, ['umount', directory])
  bash('chown 2001 "$1"', lock)
  refused(53, other, [image, '--lock', lock], /user 2001 owns it/)
})

needing(
  command,
  'fuse',
  'squashfuse_ll',
  'fusermount3'
)('a user mounts through FUSE, and is told that ACLs are not enforced', () => {
  const folder = scratch()
  const store = join(folder, 'store')
  const image = join(folder, 'everyone.sqfs')
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'base/small-1', smallBase()])
  composed(store, ['build', image, 'base/small'])
  const home = join(folder, 'home')
  mkdirSync(join(home, 'tree'), { recursive: true })
  bash('chmod 755 "$1"; [ "$(id -u)" != 0 ] || chown -R 1000:1000 "$2"', folder, home)
  const { status, err } = composeAs(home, ['mount', image, join(home, 'tree')])
  assert.is(status, 0, err)
  assert.match(err, /ACLs are not enforced/)
  const [program, ...words] = asUser(['cat', join(home, 'tree/.compose/lock')])
  assert.match(bash('"$@"', program, ...words).toString(), /"base\/small-1"/)
  assert.is(composeAs(home, ['umount', join(home, 'tree')]).status, 0)
  assert.not.match(readFileSync('/proc/self/mounts', 'utf8'), folder)
})

needing(
  command,
  'fuse',
  'squashfuse_ll',
  'fusermount3'
)('a user gets no mount whose lock names other bytes, and by --no-exec none whose programs start', () => {
  const folder = scratch()
  const [store, home, image] = [join(folder, 'store'), join(folder, 'home'), join(folder, 'small.sqfs')]
  const [tree, lock, other] = [join(home, 'tree'), join(folder, 'lock'), join(folder, 'other')]
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'base/small-1', smallBase()])
  composed(store, ['build', image, 'base/small'])
  composed(store, ['lock', '--image', image, '-o', lock, 'base/small'])
  writeFileSync(other, readFileSync(lock, 'utf8').replace(/(?<="sha256": ").{8}/, '00000000'))
  mkdirSync(tree, { recursive: true })
  bash(
    'chmod 755 "$1"; chmod a+r "$3" "$4"; [ "$(id -u)" != 0 ] || chown -R 1000:1000 "$2"',
    folder,
    home,
    lock,
    other
  )
  const fault = composeAs(home, ['mount', image, tree, '--lock', other])
  assert.is(fault.status, 41, fault.err)
  assert.match(fault.err, /names sha256:00000000/)
  assert.is(composeAs(home, ['mount', image, tree, '--lock', join(folder, 'missing')]).status, 1)
  const { status, err } = composeAs(home, ['mount', image, tree, '--lock', lock, '--no-exec'])
  assert.is(status, 0, err)
  try {
    const [program, ...words] = asUser(['sh', '-c', '"$1" -c true 2>&1; echo $?', 'sh', join(tree, 'bin/sh')])
    assert.match(bash('"$@"', program, ...words).toString(), /Permission denied\n126\n$/)
  } finally {
    composeAs(home, ['umount', tree])
  }
})

const MOMENTS = bySize(4, 50)

needing(command, ...NEEDS)(
  `kill -9 at ${MOMENTS} moments leaves a whole mount or none, and no loop device`,
  async () => {
    const { store, image, folder } = world()
    const directory = newFolder('killed')
    const lock = join(folder, 'killed.lock')
    composed(store, ['lock', '--image', image, '-o', lock, 'base/acl', '--for', 'mounted'])
    for (let i = 0; i < MOMENTS; i++) {
      const child = spawn(process.execPath, [COMPOSE, 'mount', image, directory, '--lock', lock], {
        env: environment(store),
        stdio: 'ignore',
        detached: true
      })
      const ended = new Promise(resolve => child.on('close', resolve))
      await new Promise(resolve => setTimeout(resolve, (i * 400) / MOMENTS))
      try {
        process.kill(-child.pid!, 'SIGKILL')
      } catch {} // it has ended
      await ended
      if (mounts().length === 0) continue
      assert.is(readFileSync(join(directory, 'opt/d1/file'), 'utf8'), 'file 1\n')
      bash('umount "$1"', directory)
    }
    for (let round = 0; bash('losetup -a').includes(folder); round++) {
      assert.ok(round < 200, bash('losetup -a').toString())
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    assert.equal(mounts(), [])
  }
)

command.run()
