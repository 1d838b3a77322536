import { readFileSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { suite } from '../../helpers/suite.ts'
import {
  archive,
  checksumField,
  extended,
  file,
  GNU,
  globalPax,
  type HeaderFields,
  header,
  pax,
  record,
  V7
} from '../../helpers/tar-make.ts'
import { readTar } from '../../helpers/tar-read.ts'

const fields = suite('tar: fields')

const only = (...parts: Buffer[]) => {
  const { members } = readTar(archive(...parts))
  assert.is(members.length, 1)
  return members[0]
}
const base256 = (hex: string) => Buffer.from(hex, 'hex')

fields('removes parts of a path that name nothing', () => {
  for (const [name, path] of [
    ['a', 'a'],
    ['./a', 'a'],
    ['/a/b', 'a/b'],
    ['//a///b', 'a/b'],
    ['././a/./b/.', 'a/b'],
    ['.../..a/b..', '.../..a/b..'],
    ['.a', '.a'],
    ['a\xff\n', 'a\xff\n']
  ]) {
    assert.is(only(header({ name })).path, path)
  }
  for (const name of ['.', './', '/', './/.', '/./']) assert.is(only(header({ name, type: '5' })).path, '')
})

fields('reads a name that fills its field, and the prefix of ustar alone', () => {
  const name = 'n'.repeat(100)
  assert.is(only(header({ name, prefix: 'p'.repeat(155) })).path, `${'p'.repeat(155)}/${name}`)
  assert.is(only(header({ name, prefix: 'p', magic: GNU })).path, name)
  assert.is(only(header({ name, prefix: 'p', magic: V7 })).path, name)
})

fields('takes a trailing slash for a directory where the type says file', () => {
  assert.is(only(header({ name: 'a/', type: '\0', magic: V7 })).kind, 'directory')
  assert.is(only(header({ name: 'a/' })).kind, 'directory')
  assert.is(only(header({ name: 'a', type: '7' })).kind, 'file')
  assert.is(only(header({ name: 'a', type: '\0', magic: V7 })).kind, 'file')
})

fields('reads numbers as old programs wrote them', () => {
  const uid = (text: string | Buffer) => only(header({ uid: text })).uid
  assert.is(uid('    12 \0'), 10)
  assert.is(uid('12\0junk!'), 10)
  assert.is(uid('77777777'), 0o77777777)
  assert.is(uid('\0\0\0\0\0\0\0\0'), 0)
  assert.is(uid('\x0000012\0\0'), 10)
  assert.is(uid(base256('80000000fffffffe')), 2 ** 32 - 2)
  assert.is(only(header({ mode: '0100755\0' })).mode, 0o755)
  assert.is(only(header({ mode: '0007777\0' })).mode, 0o7777)
})

fields('reads sizes and times in base 256, negative times included', () => {
  const mtime = (hex: string) => only(header({ mtime: base256(hex) })).mtime
  assert.equal(mtime('ffffffffffffffffffffffff'), { seconds: -1, nanoseconds: 0 })
  assert.equal(mtime('fffffffffffffffffffeae7f'), { seconds: -86_401, nanoseconds: 0 })
  assert.equal(mtime('8000000000000002540be3ff'), { seconds: 9_999_999_999, nanoseconds: 0 })
  assert.is(only(file('a', 'abc', { size: base256('800000000000000000000003') })).sizeBytes, 3)
})

fields('accepts a checksum of signed bytes', () => {
  const block = header({ name: '\xe9\xe9' })
  const unsigned = Number.parseInt(checksumField(block), 8)
  block.write(`${(unsigned - 512).toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  assert.is(only(block).path, '\xe9\xe9')
})

fields('floors PAX times to nanoseconds', () => {
  const mtime = (text: string) => only(pax({ mtime: text }), header()).mtime
  assert.equal(mtime('1.5'), { seconds: 1, nanoseconds: 500_000_000 })
  assert.equal(mtime('-1.5'), { seconds: -2, nanoseconds: 500_000_000 })
  assert.equal(mtime('-1'), { seconds: -1, nanoseconds: 0 })
  assert.equal(mtime('-0.0'), { seconds: 0, nanoseconds: 0 })
  assert.equal(mtime('1.0000000019'), { seconds: 1, nanoseconds: 1 })
  assert.equal(mtime('-1.0000000001'), { seconds: -2, nanoseconds: 999_999_999 })
  assert.equal(mtime('7.'), { seconds: 7, nanoseconds: 0 })
})

fields('cuts PAX records by their length alone', () => {
  const path = 'a\n12 path=b\n=\xff'
  const value = '\n9 uid=5\n\0\x80\xff'
  const member = only(pax({ path, 'SCHILY.xattr.user.x': value }), header())
  assert.is(member.path, path)
  assert.is(member.uid, 0)
  assert.is(Buffer.from(member.attributes.get('user.x')!).toString('latin1'), value)
})

fields('lets records win over the header, and over a header field that is not a number', () => {
  const records = { uid: '2147483653', gid: '7', uname: 'u\xe9', gname: 'g', size: '3', linkpath: 'ignored' }
  const member = only(
    pax(records),
    file('a', 'abc', { uid: 'garbage!', gid: 'garbage!', size: 'not a number' })
  )
  const { uid, gid, uname, gname, sizeBytes, linkTarget } = member
  assert.equal(
    { uid, gid, uname, gname, sizeBytes, linkTarget },
    {
      uid: 2147483653,
      gid: 7,
      uname: 'u\xe9',
      gname: 'g',
      sizeBytes: 3,
      linkTarget: ''
    }
  )
})

fields('keeps global records until others replace them or an empty value takes them back', () => {
  const uids = readTar(
    archive(
      globalPax({ uid: '5', gname: 'g' }),
      header({ name: 'a' }),
      pax({ uid: '6' }),
      header({ name: 'b' }),
      header({ name: 'c' }),
      pax({ uid: '' }),
      header({ name: 'd', uid: '0000011\0' }),
      globalPax({ uid: '7' }),
      header({ name: 'e' }),
      globalPax({ uid: '', gname: '' }),
      header({ name: 'f', uid: '0000012\0' })
    )
  ).members.map(({ uid, gname }) => [uid, gname])
  assert.equal(uids, [
    [5, 'g'],
    [6, 'g'],
    [5, 'g'],
    [9, 'g'],
    [7, 'g'],
    [10, '']
  ])
})

fields('reads a label once when it is there twice, and keeps the NUL that the kernel has', () => {
  const twice = { 'RHT.security.selinux': 'u:r:t', 'SCHILY.xattr.security.selinux': 'u:r:t\0' }
  const member = only(pax(twice), header())
  assert.is(Buffer.from(member.attributes.get('security.selinux')!).toString(), 'u:r:t\0')
  assert.is(
    only(pax({ 'RHT.security.selinux': 'x' }), header()).attributes.get('security.selinux')!.length,
    1
  )
})

fields('leaves ACL texts as they are', () => {
  const acl = 'user::rw-\nuser:\xe9:r--\n'
  const member = only(pax({ 'SCHILY.acl.access': acl, 'SCHILY.acl.default': 'd' }), header({ type: '5' }))
  assert.equal(member.aclText, { access: acl, default: 'd' })
  assert.equal(only(header()).aclText, {})
})

fields('starts a member at its first extended header', () => {
  const parts: [HeaderFields, Buffer[]][] = [
    [{ name: 'a' }, []],
    [{ name: 'b' }, [pax({ mtime: '1' })]],
    [{ name: 'c', type: '2' }, [extended('K', 't\0'), extended('L', 'c\0')]]
  ]
  const bytes = parts.flatMap(([own, extra]) => [...extra, header(own)])
  assert.equal(
    readTar(archive(...bytes)).members.map(({ headerOffset }) => headerOffset),
    [0, 512, 2048]
  )
})

fields('counts keys that it reads over', () => {
  const { ignoredKeys } = readTar(
    archive(pax({ 'VENDOR.key': 'x', atime: '1' }), header(), pax({ 'VENDOR.key': '' }), header())
  )
  assert.equal([...ignoredKeys], [['VENDOR.key', 2]])
  const many = Array.from({ length: 500 }, (_, index) => record(`k${index}`, 'x')).join('')
  assert.is(readTar(archive(extended('x', many), header())).ignoredKeys.size, 100)
})

fields('reads the example of spec/tar.md', () => {
  const spec = readFileSync(new URL('../../../../spec/tar.md', import.meta.url), 'utf8')
  const hex = [...spec.matchAll(/^((?:[0-9a-f]{2} )+) {2,}\d+ (?:path|mtime)=/gm)].map(([, bytes]) =>
    bytes.replaceAll(' ', '')
  )
  const records = Buffer.from(hex.join(''), 'hex').toString('latin1')
  assert.is(records.length, 26)
  const member = only(extended('x', records), header())
  assert.is(member.path, 'a\nb')
  assert.equal(member.mtime, { seconds: -2, nanoseconds: 500_000_000 })
})

fields.run()
