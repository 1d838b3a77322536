import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { IdNames } from '../../../store/accounts/id-names.ts'
import type { Attributes } from '../../../store/acl/attribute.ts'
import { ByteStream } from '../../../store/package/byte-stream.ts'
import { readCpioHeader } from '../../../store/package/cpio.ts'
import { PackageFile } from '../../../store/package/package-file.ts'
import { openRpmSource } from '../../../store/package/rpm.ts'
import { DEFAULT_LIMITS } from '../../../store/values/limits.ts'
import type { PathBytes } from '../../../store/values/path-bytes.ts'
import { makeRpm } from '../../fuzz/rpm-make.ts'
import { needing } from '../../helpers/needs.ts'
import { bash, realTree } from '../../helpers/real-tree.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { type ReadMember, readTar, sha256 } from '../../helpers/tar-read.ts'

const rpms = suite('package: .rpm')
const folder = scratch()

const SPEC = `
Name: tool
Version: 1.2
Release: 3
Epoch: 2
Summary: A tool for everyone
License: MIT AND Apache-2.0
URL: https://example.org/
Requires: bash >= 4
AutoReqProv: no
%description
Text.
%install
mkdir -p %{buildroot}/opt/tool %{buildroot}/etc
seq 100000 > %{buildroot}/opt/tool/one
ln %{buildroot}/opt/tool/one %{buildroot}/opt/tool/two; ln %{buildroot}/opt/tool/one %{buildroot}/opt/tool/three
: > %{buildroot}/opt/tool/empty; ln %{buildroot}/opt/tool/empty %{buildroot}/opt/tool/empty-too
ln -s ../one %{buildroot}/opt/tool/link; echo a > %{buildroot}/etc/tool.conf; echo m > %{buildroot}/opt/tool/mail
echo r > %{buildroot}/opt/tool/raw; echo g > %{buildroot}/opt/tool/ghost; touch -d @1234567890 %{buildroot}/opt/tool/raw
%post
touch /tmp/never
%files
%dir %attr(2750, root, mail) /opt/tool
/opt/tool/one
/opt/tool/two
/opt/tool/three
/opt/tool/empty
/opt/tool/empty-too
/opt/tool/link
%attr(640, tooluser, mail) /opt/tool/mail
%caps(cap_net_raw=ep) %attr(4755, root, root) /opt/tool/raw
%dev(c, 1, 3) %attr(666, root, root) /opt/tool/null
%config(noreplace) /etc/tool.conf
%ghost /opt/tool/ghost
`

const built = new Map<string, string>()

/** A package that rpmbuild makes, once for each compressor: `w9.gzdio`. */
function build(payload: string): string {
  const known = built.get(payload)
  if (known !== undefined) return known
  const top = join(folder, payload)
  const spec = join(folder, 'tool.spec')
  writeFileSync(spec, SPEC)
  bash(
    `rpmbuild -bb --quiet --define "_topdir $1" --define "_rpmdir $1" --define "_binary_payload $2" \\
      --define '__os_install_post %{nil}' --define 'debug_package %{nil}' --define '_build_id_links none' "$3" >/dev/null 2>&1`,
    top,
    payload,
    spec
  )
  const path = bash('find "$1" -name "*.rpm"', top).toString().trim()
  built.set(payload, path)
  return path
}

function knownNames(): IdNames {
  const names = new IdNames()
  names.set('user', 'tooluser', 4711)
  names.set('group', 'mail', 8)
  return names
}

interface Opened {
  members: Map<PathBytes, ReadMember>
  attributes: ReadonlyMap<PathBytes, Attributes>
}

async function membersOf(path: string, names = knownNames()): Promise<Opened> {
  const source = await openRpmSource(path, { limits: DEFAULT_LIMITS, names })
  const pieces: Uint8Array[] = []
  let attributes: ReadonlyMap<PathBytes, Attributes> = new Map()
  try {
    for await (const layer of source.layers) {
      for await (const chunk of layer.chunks) pieces.push(chunk)
      attributes = layer.attributes!
    }
  } finally {
    await source.close?.()
  }
  const { members } = readTar(Buffer.concat(pieces))
  return { members: new Map(members.map(member => [member.path, member])), attributes }
}

for (const payload of ['w9.gzdio', 'w2.xzdio', 'w3.zstdio', 'w9.bzdio', 'w2.lzdio', 'w.ufdio'])
  needing(
    rpms,
    'root',
    'rpmbuild',
    'rpm2cpio',
    'cpio'
  )(`of ${payload} holds what rpm2cpio and cpio unpack`, async () => {
    const path = build(payload)
    const tree = join(scratch(), 'tree')
    bash('mkdir "$2"; cd "$2"; rpm2cpio "$1" | cpio -idm --quiet --no-preserve-owner', path, tree)
    const { members } = await membersOf(path)
    const real = realTree(tree)
    for (const [name, { kind, contentHash, mtimeNs, target, inode }] of real) {
      const member = members.get(name)
      // cpio makes folders that the package does not list.
      if (['', 'opt', 'etc'].includes(name)) continue
      assert.ok(member, name)
      const file = member.kind === 'hardlink' ? members.get(member.linkTarget)! : member
      assert.is(file.kind, kind, name)
      // cpio sets the time of a folder before it fills it, and none of a link.
      if (kind !== 'directory' && kind !== 'symlink')
        assert.is(BigInt(file.mtime.seconds) * 1_000_000_000n, mtimeNs, name)
      if (kind === 'file') assert.is(sha256(file.stored), contentHash, name)
      if (kind === 'symlink') assert.is(file.linkTarget, target)
      if (member.kind === 'hardlink') assert.is(real.get(member.linkTarget)!.inode, inode, name)
    }
    assert.equal(
      [...members.keys()].filter(name => !real.has(name)),
      []
    )
  })

needing(
  rpms,
  'rpmbuild',
  'rpm'
)('has the owners and modes that rpm lists, and capabilities as attributes', async () => {
  const path = build('w9.gzdio')
  const { members, attributes } = await membersOf(path)
  const format = '[%{FILENAMES}\\t%{FILEMODES:octal}\\t%{FILEUSERNAME}\\t%{FILEGROUPNAME}\\t%{FILEFLAGS}\\n]'
  const ids: Record<string, number> = { root: 0, tooluser: 4711, mail: 8 }
  for (const line of bash('rpm -qp --qf "$2" "$1"', path, format).toString().trim().split('\n')) {
    const [name, mode, user, group, flags] = line.split('\t')
    if (Number(flags) & 64) assert.not.ok(members.has(name.slice(1)), name)
    else {
      const member = members.get(name.slice(1))!
      assert.is(member.mode, Number.parseInt(mode, 8) & 0o7777, name)
      assert.equal([member.uid, member.gid], [ids[user], ids[group]], name)
    }
  }
  const { deviceMajor, deviceMinor, kind } = members.get('opt/tool/null')!
  assert.equal([kind, deviceMajor, deviceMinor], ['character', 1, 3])
  const capability = attributes.get('opt/tool/raw')!.get('security.capability')!
  assert.is(Buffer.from(capability).toString('hex'), '0100000200200000000000000000000000000000')
})

needing(rpms, 'rpmbuild')(
  'gives its facts to the record, and names the scripts that are not run',
  async () => {
    const source = await openRpmSource(build('w9.gzdio'), { limits: DEFAULT_LIMITS, names: knownNames() })
    assert.is(source.described!.summary, 'A tool for everyone')
    assert.is(source.described!.license, 'MIT AND Apache-2.0')
    assert.is(source.described!.labels!['org.rpm.package.tool'], '2:1.2-3 x86_64')
    assert.match(source.described!.labels!['org.rpm.requires.tool'], 'bash >= 4')
    assert.match(source.notes!.join('\n'), /scriptlets are not run: post/)
    assert.match(source.notes!.join('\n'), '(%ghost): /opt/tool/ghost')
    await source.close!()
  }
)

needing(rpms, 'rpmbuild')('with owners without known ids is refused', async () => {
  const error = await refusedLater(membersOf(build('w9.gzdio'), new IdNames()), 'NAME_UNKNOWN', /mail/)
  assert.match(error.hint!, '--map-group mail=GID')
})

/** nFPM leaves out FILEDEVICES alone; the others leave out all tags that rpm itself does without. */
for (const without of [[1095], [1033, 1034, 1035, 1037, 1095, 1096, 5010]])
  needing(
    rpms,
    'rpm',
    'rpm2cpio',
    'cpio'
  )(`without tags ${without} is read as rpm reads it`, async () => {
    const path = join(scratch(), 'bare.rpm')
    writeFileSync(path, makeRpm({ without }))
    const { members } = await membersOf(path)
    const format = '[%{FILENAMES} %{FILEMODES:octal} %{FILESIZES} %{FILENLINKS} %{FILEMTIMES}\n]'
    const listed = bash('rpm -qp --nosignature --qf "$2" "$1" 2>/dev/null', path, format).toString()
    for (const line of listed.trim().split('\n')) {
      const [name, mode, size, names, mtime] = line.split(' ')
      const member = members.get(name.slice(1))!
      assert.is(member.mode, Number.parseInt(mode, 8) & 0o7777, name)
      if (member.kind === 'file') assert.is(member.sizeBytes, Number(size), name)
      assert.is(names, '1', name)
      assert.is(member.mtime.seconds, mtime === '(none)' ? 0 : Number(mtime), name)
    }
    const tool = bash('rpm2cpio "$1" | cpio -i --quiet --to-stdout ./opt/tool', path)
    assert.ok(members.get('opt/tool')!.stored.equals(tool))
    assert.is(members.size, 3)
  })

rpms('that is a source package is refused with what to do, also where the lead alone says so', async () => {
  const path = join(scratch(), 'tool-1.src.rpm')
  writeFileSync(path, makeRpm({ leadType: 1 }))
  const error = await refusedLater(
    membersOf(path),
    'SOURCE_INVALID',
    /a source package, wanted one that can be/
  )
  assert.match(error.hint!, `rpmbuild --rebuild ${path}`)
})

needing(rpms, 'rpmbuild')('that rpmbuild -bs makes is refused as a source package', async () => {
  const top = join(scratch(), 'source')
  const spec = join(scratch(), 'tool.spec')
  writeFileSync(spec, SPEC)
  bash('rpmbuild -bs --quiet --define "_topdir $1" --define "_srcrpmdir $1" "$2" >/dev/null 2>&1', top, spec)
  const path = bash('find "$1" -name "*.src.rpm"', top).toString().trim()
  await refusedLater(membersOf(path), 'SOURCE_INVALID', /a source package, wanted one that can be/)
})

/** A byte changed, or the file cut. */
async function refusedWhen(change: (bytes: Buffer) => Buffer | undefined, message: RegExp): Promise<void> {
  const bytes = Buffer.from(readFileSync(build('w.ufdio')))
  const path = join(scratch(), 'odd.rpm')
  writeFileSync(path, change(bytes) ?? bytes)
  await refusedLater(membersOf(path), 'SOURCE_INVALID', message)
}

needing(rpms, 'rpmbuild')('that is damaged is refused: lead, headers, payload, end', async () => {
  await refusedWhen(bytes => void bytes.write('x', 0), /rpm lead at byte 0: magic/)
  await refusedWhen(bytes => void bytes.write('x', 96), /rpm signature header at byte 96: magic/)
  await refusedWhen(
    bytes => void bytes.writeUInt32BE(0xffffffff, 104),
    /rpm signature header at byte 104: 4294967295 entries/
  )
  await refusedWhen(
    bytes => void bytes.write('X', bytes.indexOf('A tool for everyone')),
    /rpm header .* SHA-256/
  )
  // After the names of the payload come the numbers of the file itself.
  await refusedWhen(
    bytes => void bytes.write('X', bytes.lastIndexOf('\n5000\n')),
    /(one|two|three) has sha256|payload has SHA-256/
  )
  await refusedWhen(bytes => bytes.subarray(0, bytes.length - 300), /payload/)
  await refusedWhen(bytes => bytes.subarray(0, 50), /rpm lead at byte 0: 96 bytes wanted/)
})

rpms('a payload of files by number, as rpm writes it above 4 GiB, is read', async () => {
  const path = join(scratch(), 'x')
  writeFileSync(path, 'x')
  const file = await PackageFile.open(path)
  const payload = Buffer.from('07070X0000002a\0\0content!07070X0000002b\0\0', 'latin1')
  const trailer = `070701${'00000000'.repeat(11)}0000000b00000000TRAILER!!!\0`
  async function* chunks() {
    for (const byte of Buffer.concat([payload, Buffer.from(trailer, 'latin1'), Buffer.alloc(3)]))
      yield Buffer.of(byte)
  }
  const stream = new ByteStream(chunks(), file, 'payload')
  assert.equal(await readCpioHeader(stream), { number: 42 })
  assert.is((await stream.read(8)).toString(), 'content!')
  assert.equal(await readCpioHeader(stream), { number: 43 })
  assert.is(await readCpioHeader(stream), undefined)
  await stream.finish()
  await file.close()
})

rpms.run()
