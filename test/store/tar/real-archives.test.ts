import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { needing } from '../../helpers/needs.ts'
import { bash, realTree } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { logicalBytes, type ReadMember, readTar, sha256 } from '../../helpers/tar-read.ts'

/** Archives by GNU tar and bsdtar; the truth is lstat(2) of what GNU tar or bsdtar itself unpacks from them. */

const real = suite('tar: archives by other programs')
const base = scratch()
let roots = 0

function newRoot(): string {
  const root = join(base, String(roots++))
  mkdirSync(root)
  return root
}

const COMMON = `
  cd "$1"; umask 022
  mkdir -p dir/sub; printf hello > dir/hello; printf '' > dir/empty; head -c 100000 /dev/urandom > dir/sub/random
  head -c 1024 /dev/zero > dir/blocks
  ln dir/hello dir/sub/again; ln -s ../hello dir/sub/link; ln -s "$(printf 'x%.0s' {1..99})" dir/long-link
  chmod 4755 dir/hello; chmod 1777 dir/sub; chmod 000 dir/empty
  chown 1234:5678 dir/empty dir; chown -h 77:88 dir/sub/link
  printf x > $'dir/new\\nline'; printf y > $'dir/latin1-\\xe9\\xff'; printf z > 'dir/ space \\ "'
  touch -d @86400 dir/blocks
`
const DEVICES = `
  mknod dir/character c 1 3; mknod dir/block b 259 300000; mkfifo dir/fifo; chown 3:4 dir/character
`
const PREFIX = `
  deep=dir; for i in {1..6}; do deep=$deep/$(printf 'abcdefghij%.0s' {1..3}); done; mkdir -p $deep; printf deep > $deep/file
`
const LONG = `
  long=dir; for i in {1..4}; do long=$long/$(printf 'long name %.0s' {1..20}); done
  mkdir -p "$long"; printf deeper > "$long/file"; ln "$long/file" "$long/hard"; ln -s "$long/file" dir/soft
`
const WIDE_NUMBERS = `
  chown 2147483653:4294967294 dir/sub/random; touch -d @-86401 dir/sub/random; touch -d @9999999999 dir/blocks
`
const NANOSECONDS = `
  touch -d @1700000000.123456789 dir/hello; touch -d @-1.5 dir/blocks; touch -d @-0.000000001 dir/empty
`

interface Case {
  title: string
  tree: string
  pack: string
  unpack?: string
  needs: string[]
}

const GNU_UNPACK =
  'tar --delay-directory-restore --numeric-owner --same-owner --same-permissions -xf "$2" -C "$3"'

const CASES: Case[] = [
  { title: 'GNU tar, v7', tree: COMMON, pack: 'tar --format=v7 -cf "$2" -C "$1" .', needs: [] },
  {
    title: 'GNU tar, ustar',
    tree: COMMON + DEVICES + PREFIX,
    pack: 'tar --format=ustar -cf "$2" -C "$1" .',
    needs: []
  },
  {
    title: 'GNU tar, oldgnu',
    tree: COMMON + DEVICES + PREFIX + LONG + WIDE_NUMBERS,
    pack: 'tar --format=oldgnu -cf "$2" -C "$1" .',
    needs: []
  },
  {
    title: 'GNU tar, gnu, absolute names',
    tree: COMMON + DEVICES + PREFIX + LONG + WIDE_NUMBERS,
    pack: 'tar --format=gnu --transform="flags=rh;s,^\\.,/," -P -cf "$2" -C "$1" .',
    needs: []
  },
  {
    title: 'GNU tar, gnu, incremental',
    tree: COMMON + LONG,
    pack: 'tar --format=gnu --listed-incremental="$2.snapshot" -cf "$2" -C "$1" .',
    unpack: 'tar --listed-incremental=/dev/null --numeric-owner -xpf "$2" -C "$3"',
    needs: []
  },
  {
    title: 'GNU tar, pax',
    tree: COMMON + DEVICES + PREFIX + LONG + WIDE_NUMBERS + NANOSECONDS,
    pack: 'tar --format=pax -cf "$2" -C "$1" .',
    needs: []
  },
  {
    title: 'GNU tar, pax, with a volume label',
    tree: COMMON + NANOSECONDS,
    pack: 'tar --format=pax -V label -cf "$2" -C "$1" .',
    needs: []
  },
  {
    title: 'GNU tar, gnu, with a volume label',
    tree: COMMON,
    pack: 'tar -V label -cf "$2" -C "$1" .',
    needs: []
  },
  {
    title: 'bsdtar, pax',
    tree: COMMON + DEVICES + PREFIX + LONG + WIDE_NUMBERS + NANOSECONDS,
    pack: 'bsdtar --format=pax -cf "$2" -C "$1" .',
    needs: ['bsdtar']
  },
  {
    title: 'bsdtar, ustar',
    tree: COMMON + DEVICES + PREFIX,
    pack: 'bsdtar --format=ustar -cf "$2" -C "$1" .',
    needs: ['bsdtar']
  },
  {
    title: 'bsdtar, gnutar',
    tree: COMMON + DEVICES + PREFIX + LONG + WIDE_NUMBERS,
    pack: 'bsdtar --format=gnutar -cf "$2" -C "$1" .',
    needs: ['bsdtar']
  }
]

for (const { title, tree, pack, unpack = GNU_UNPACK, needs } of CASES) {
  needing(
    real,
    'root',
    'tar',
    ...needs
  )(`${title}: every field is as the program itself unpacks it`, () => {
    const root = newRoot()
    const [source, packed, unpacked] = ['source', 'packed.tar', 'unpacked'].map(name => join(root, name))
    mkdirSync(source)
    mkdirSync(unpacked)
    bash(tree, source)
    bash(pack, source, packed)
    bash(unpack, source, packed, unpacked)
    const bytes = readFileSync(packed)
    const { members, rebuilt } = readTar(bytes)
    assert.ok(rebuilt.equals(bytes), 'all bytes come out again, in order')
    compare(members, unpacked)
  })
}

function compare(members: ReadMember[], unpacked: string): void {
  const nodes = realTree(unpacked)
  const paths = members.map(({ path }) => path).sort()
  assert.equal(paths, [...nodes.keys()].sort())
  for (const member of members) {
    const node = nodes.get(member.path)!
    if (member.kind === 'hardlink') {
      assert.is(nodes.get(member.linkTarget)!.inode, node.inode, member.path)
      continue
    }
    const mtimeNs = BigInt(member.mtime.seconds) * 1_000_000_000n + BigInt(member.mtime.nanoseconds)
    const { kind, mode, uid, gid, linkTarget: target, deviceMajor: major, deviceMinor: minor } = member
    const contentHash = kind === 'file' ? sha256(logicalBytes(member)) : ''
    assert.equal(
      { kind, mode, uid, gid, mtimeNs, inode: node.inode, device: { major, minor }, target, contentHash },
      node,
      member.path
    )
  }
}

const SPARSE_TREE = `
  cd "$1"; truncate -s 5000000 holes few many; printf dense > dense; truncate -s 3000000 empty
  printf start > few; truncate -s 5000000 few
  for at in 1 3 5; do printf few | dd of=few bs=1 seek=$((at * 700000)) conv=notrunc status=none; done
  for at in {1..60}; do printf "run $at" | dd of=many bs=1 seek=$((at * 80000)) conv=notrunc status=none; done
  printf tail | dd of=holes bs=1 seek=4999996 conv=notrunc status=none
`

for (const [title, pack, need] of [
  ['GNU tar, gnu', 'tar --format=gnu -Scf "$2" -C "$1" .', 'tar'],
  ['GNU tar, oldgnu', 'tar --format=oldgnu -Scf "$2" -C "$1" .', 'tar'],
  ['GNU tar, pax 0.0', 'tar --format=pax --sparse-version=0.0 -Scf "$2" -C "$1" .', 'tar'],
  ['GNU tar, pax 0.1', 'tar --format=pax --sparse-version=0.1 -Scf "$2" -C "$1" .', 'tar'],
  ['GNU tar, pax 1.0', 'tar --format=pax --sparse-version=1.0 -Scf "$2" -C "$1" .', 'tar'],
  ['bsdtar, pax', 'bsdtar --format=pax -cf "$2" -C "$1" .', 'bsdtar']
]) {
  needing(
    real,
    'root',
    need
  )(`${title}: sparse files have their bytes where they belong`, () => {
    const root = newRoot()
    const [source, packed] = [join(root, 'source'), join(root, 'packed.tar')]
    mkdirSync(source)
    bash(SPARSE_TREE, source)
    bash(pack, source, packed)
    const bytes = readFileSync(packed)
    assert.ok(bytes.length < 1_000_000, 'the archive is sparse indeed')
    for (const chunkBytes of [513, 1 << 20]) {
      const { members, rebuilt } = readTar(bytes, { chunkBytes })
      assert.ok(rebuilt.equals(bytes))
      const found = members.map(member => [member.path, member.sizeBytes, sha256(logicalBytes(member))])
      const names = ['dense', 'empty', 'few', 'holes', 'many']
      const wanted = names
        .map(name => readFileSync(join(source, name)))
        .map((b, i) => [names[i], b.length, sha256(b)])
      assert.equal(found.filter(([path]) => path !== '').sort(), wanted)
      const many = members.find(({ path }) => path === 'many')!
      assert.ok(many.runs!.length >= 60)
    }
  })
}

const CAPABILITY = '0100000200200000000000000a80000000000000'
const attributeTree = `
  cd "$1"; printf x > file; mkdir dir
  setfattr -n user.binary -v 0x0a80ff00fe0a file
  setfattr -n security.capability -v 0x${CAPABILITY} file
  setfattr -n trusted.note -v text file
  setfattr -n user.empty file; setfattr -n user.a=b%c%3Dd -v both file
  setfattr -n $'user.latin1-\\xe9' -v v dir
  setfacl -m u:1234:r--,g:5678:rwx file; setfacl -d -m u:1234:rwx dir
`

const attributes = (members: ReadMember[], path: string) =>
  Object.fromEntries(
    [...members.find(member => member.path === path)!.attributes].map(([name, value]) => [
      name,
      Buffer.from(value).toString('hex')
    ])
  )

needing(
  real,
  'root',
  'tar',
  'setfattr',
  'setfacl'
)('GNU tar --xattrs --acls: exact bytes, ACLs as text', () => {
  const root = newRoot()
  bash(`mkdir "$1"/s; ${attributeTree.replace('"$1"', '"$1"/s')}`, root)
  bash('tar --xattrs --xattrs-include="*" --acls -cf "$1"/a.tar -C "$1"/s .', root)
  const { members } = readTar(readFileSync(join(root, 'a.tar')))
  const own = Object.entries(attributes(members, 'file')).filter(([name]) => !name.startsWith('system.'))
  assert.equal(Object.fromEntries(own), {
    'user.binary': '0a80ff00fe0a',
    'security.capability': CAPABILITY,
    'trusted.note': '74657874',
    'user.empty': '',
    'user.a=b%c%3Dd': '626f7468'
  })
  assert.is(attributes(members, 'dir')['user.latin1-\xe9'], '76')
  const { aclText } = members.find(({ path }) => path === 'file')!
  assert.match(aclText.access!, /user:1234:r--/)
  assert.match(aclText.access!, /group:5678:rwx/)
  assert.match(members.find(({ path }) => path === 'dir')!.aclText.default!, /user:1234:rwx/)
})

needing(
  real,
  'root',
  'bsdtar',
  'setfattr',
  'setfacl'
)('bsdtar: attributes written twice are read once', () => {
  const root = newRoot()
  bash(`mkdir "$1"/s; ${attributeTree.replace('"$1"', '"$1"/s')}`, root)
  bash('bsdtar --xattrs --acls --format=pax -cf "$1"/a.tar -C "$1"/s .', root)
  const bytes = readFileSync(join(root, 'a.tar'))
  assert.ok(bytes.includes('LIBARCHIVE.xattr.') && bytes.includes('SCHILY.xattr.'))
  const { members } = readTar(bytes)
  assert.is(attributes(members, 'file')['user.binary'], '0a80ff00fe0a')
  assert.is(attributes(members, 'file')['security.capability'], CAPABILITY)
  assert.is(attributes(members, 'dir')['user.latin1-\xe9'], '76')
  assert.is(attributes(members, 'file')['user.a=b%c%3Dd'], '626f7468')
  assert.match(members.find(({ path }) => path === 'file')!.aclText.access!, /1234/)
})

real.run()
