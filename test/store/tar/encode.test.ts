import { execFileSync } from 'node:child_process'
import { openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { getXattr } from '../../../native/index.ts'
import { encodeEnd, encodeHeader, paddingBytes } from '../../../store/tar/encode.ts'
import type { TarEntry } from '../../../store/tar/tar-entry.ts'
import { needing } from '../../helpers/needs.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'

const encode = suite('tar: encode')

const entry = (fields: Partial<TarEntry>): TarEntry => ({
  path: 'file',
  kind: 'file',
  mode: 0o644,
  uid: 0,
  gid: 0,
  uname: 'never written',
  gname: 'never written',
  mtime: { seconds: 0, nanoseconds: 0 },
  sizeBytes: 0,
  linkTarget: '',
  deviceMajor: 0,
  deviceMinor: 0,
  attributes: new Map(),
  aclText: {},
  headerOffset: 0,
  ...fields
})

const archive = (...parts: Buffer[]): Buffer => Buffer.concat([...parts, encodeEnd()])

const list = (bytes: Buffer, program = 'tar'): string => {
  const options =
    program === 'tar'
      ? ['--numeric-owner', '--full-time', '--quoting-style=literal', '-tvf', '-']
      : ['-tvf', '-']
  return execFileSync(program, options, {
    input: bytes,
    stdio: 'pipe',
    env: { ...process.env, TZ: 'UTC' }
  }).toString('latin1')
}

/** The PAX records of a header, cut by their lengths; empty for plain ustar. */
function recordsOf(header: Buffer): Map<string, string> {
  const records = new Map<string, string>()
  if (header[156] !== 'x'.charCodeAt(0)) return records
  const end = 512 + Number.parseInt(header.toString('latin1', 124, 135), 8)
  for (let at = 512; at < end; ) {
    const length = Number.parseInt(header.toString('latin1', at, at + 12), 10)
    const record = header.toString('latin1', at + `${length} `.length, at + length)
    const equals = record.indexOf('=')
    assert.is(record.at(-1), '\n')
    records.set(record.slice(0, equals), record.slice(equals + 1, -1))
    at += length
  }
  return records
}

encode('what fits into ustar is one block, byte for byte', () => {
  const header = encodeHeader(
    entry({
      path: 'a/b',
      mode: 0o4755,
      uid: 2_097_151,
      gid: 8,
      mtime: { seconds: 1, nanoseconds: 0 },
      sizeBytes: 3
    })
  )
  const text = header.toString('latin1').replace(/\0+/g, '|')
  assert.is(header.length, 512)
  assert.is(text, 'a/b|0004755|7777777|0000010|00000000003|00000000001|007654| 0|ustar|00|0000000|0000000|')
  assert.is(encodeEnd().length, 1024)
  assert.ok(encodeEnd().every(byte => byte === 0))
  assert.equal([0, 1, 511, 512, 513].map(paddingBytes), [0, 511, 1, 0, 511])
})

encode('a PAX header holds the records that are needed, in order, and no others', () => {
  const keys = (fields: Partial<TarEntry>) => [...recordsOf(encodeHeader(entry(fields))).keys()].join(' ')
  const long = 'd'.repeat(101)
  assert.is(keys({ path: `${'p'.repeat(155)}/${'n'.repeat(100)}` }), '')
  assert.is(keys({ path: `${'p'.repeat(156)}/${'n'.repeat(100)}` }), 'path')
  assert.is(keys({ path: long }), 'path')
  assert.is(keys({ path: 'd'.repeat(99), kind: 'directory' }), '')
  assert.is(keys({ path: 'd'.repeat(100), kind: 'directory' }), 'path')
  assert.is(keys({ path: 'caf\xe9' }), '')
  assert.is(keys({ path: `\xe9${long}` }), 'hdrcharset path')
  assert.is(keys({ path: `\xc3\xa9${long}` }), 'path')
  assert.is(keys({ kind: 'symlink', linkTarget: 'l'.repeat(100) }), '')
  assert.is(keys({ kind: 'symlink', linkTarget: 'l'.repeat(101) }), 'linkpath')
  assert.is(keys({ kind: 'symlink', linkTarget: '\xff'.repeat(101) }), 'hdrcharset linkpath')
  assert.is(keys({ uid: 2_097_152, gid: 4_294_967_294 }), 'gid uid')
  assert.is(keys({ sizeBytes: 8 * 2 ** 30 - 1 }), '')
  assert.is(keys({ sizeBytes: 8 * 2 ** 30 }), 'size')
  assert.is(keys({ mtime: { seconds: 8 ** 11 - 1, nanoseconds: 0 } }), '')
  assert.is(keys({ mtime: { seconds: 8 ** 11, nanoseconds: 0 } }), 'mtime')
  assert.is(
    keys({
      attributes: new Map([
        ['user.z', Buffer.from('1')],
        ['user.a', Buffer.from('1')]
      ])
    }),
    'SCHILY.xattr.user.a SCHILY.xattr.user.z'
  )
})

encode('times are floored seconds and nanoseconds, written as decimals', () => {
  const written = (seconds: number, nanoseconds: number) =>
    recordsOf(encodeHeader(entry({ mtime: { seconds, nanoseconds } }))).get('mtime')
  assert.is(written(-2, 500_000_000), '-1.5')
  assert.is(written(-1, 1), '-0.999999999')
  assert.is(written(-5, 0), '-5')
  assert.is(written(0, 1), '0.000000001')
  assert.is(written(7, 120_000_000), '7.12')
  assert.is(written(2 ** 40, 0), '1099511627776')
})

encode('the length of a record counts its own digits', () => {
  for (const lengthBytes of [84, 85, 86, 87, 88, 89, 90, 979, 980, 981, 982, 983, 984, 9990, 60_000]) {
    const value = Buffer.alloc(lengthBytes, 10)
    const header = encodeHeader(entry({ attributes: new Map([['user.a', value]]) }))
    assert.is(recordsOf(header).get('SCHILY.xattr.user.a'), value.toString('latin1'))
    assert.is(header.length % 512, 0)
    const written = Number.parseInt(header.toString('latin1', 512, 524), 10)
    assert.is(written, Number.parseInt(header.toString('latin1', 124, 135), 8))
  }
})

needing(
  encode,
  'tar',
  'bsdtar'
)('GNU tar and bsdtar list what does not fit into ustar', () => {
  const bytes = archive(
    encodeHeader(entry({ path: '', kind: 'directory', mode: 0o1777 })),
    encodeHeader(
      entry({
        path: `${'p'.repeat(200)}/x`,
        uid: 4_294_967_294,
        gid: 3_000_000,
        mtime: { seconds: 2 ** 34, nanoseconds: 5 }
      })
    ),
    encodeHeader(entry({ path: 'old', kind: 'fifo', mtime: { seconds: -86_400 * 365, nanoseconds: 0 } })),
    encodeHeader(entry({ path: 'device', kind: 'block', deviceMajor: 4095, deviceMinor: 1_048_575 })),
    encodeHeader(entry({ path: 'link', kind: 'symlink', mode: 0o777, linkTarget: `${'t'.repeat(150)}\xff` })),
    encodeHeader(entry({ path: 'hard', kind: 'hardlink', linkTarget: `${'p'.repeat(200)}/x` }))
  )
  assert.equal(
    list(bytes)
      .trimEnd()
      .split('\n')
      .map(line => line.replace(/ +/g, ' ')),
    [
      'drwxrwxrwt 0/0 0 1970-01-01 00:00:00 ./',
      `-rw-r--r-- 4294967294/3000000 0 2514-05-30 01:53:04.000000005 ${'p'.repeat(200)}/x`,
      'prw-r--r-- 0/0 0 1969-01-01 00:00:00 old',
      'brw-r--r-- 0/0 4095,1048575 1970-01-01 00:00:00 device',
      `lrwxrwxrwx 0/0 0 1970-01-01 00:00:00 link -> ${'t'.repeat(150)}\xff`,
      `hrw-r--r-- 0/0 0 1970-01-01 00:00:00 hard link to ${'p'.repeat(200)}/x`
    ]
  )
  const theirs = list(bytes, 'bsdtar')
    .trimEnd()
    .split('\n')
    .map(line => line.replace(/ +/g, ' '))
  assert.match(theirs[1], /^-rw-r--r-- 0 4294967294 3000000 0 May 30 2514 p+\/x$/)
  assert.match(theirs[3], /^brw-r--r-- 0 0 0 4095,1048575 Jan 1 1970 device$/)
  assert.match(theirs[4], /link -> t{150}(\xff|\\377)$/)
})

needing(
  encode,
  'sh',
  'tar'
)('GNU tar lists a member of more than 8 GiB with its size', () => {
  const sizeBytes = 9 * 2 ** 30 + 512
  const file = join(scratch(), 'large.tar')
  const header = encodeHeader(entry({ path: 'large', sizeBytes }))
  const after = encodeHeader(entry({ path: 'after' }))
  writeFileSync(file, header)
  const fd = openSync(file, 'r+')
  writeSync(fd, archive(after), 0, undefined, header.length + sizeBytes)
  const listed = execFileSync('tar', ['--numeric-owner', '-tvf', file], { encoding: 'utf8' })
  assert.match(listed, /^-rw-r--r-- 0\/0 +9663676928 .* large\n-rw-r--r-- 0\/0 +0 .* after\n$/)
})

// A capability: a newline and bytes that are not UTF-8.
const BINARY = Buffer.from('0100000a0020800a00ff00', 'hex')

for (const [program, ...options] of [
  ['tar', '--xattrs', '--xattrs-include=*', '--acls', '-xpf', '-'],
  ['bsdtar', '-xpf', '-']
]) {
  needing(
    encode,
    'root',
    program
  )(`${program} restores binary attributes and ACLs`, () => {
    // Both restore an ACL from this record only, and skip SCHILY.xattr.system.posix_acl_access.
    const aclText = { access: 'user::rw-,user:999:r--,group::---,mask::r--,other::---' }
    const attributes = new Map([
      ['user.binary', BINARY],
      ['trusted.t', BINARY]
    ])
    const bytes = archive(encodeHeader(entry({ attributes, aclText, mode: 0o640 })))
    const target = scratch()
    execFileSync(program, [...options, '-C', target], { input: bytes, stdio: 'pipe' })
    const top = openSync(target, 'r')
    for (const [name, value] of attributes) assert.equal(getXattr(top, 'file', name), value, name)
    const acl = execFileSync('getfacl', ['-cnp', join(target, 'file')], { encoding: 'utf8' })
    assert.is(acl.trim().split('\n').join(','), aclText.access)
  })
}

encode('ACLs that came as text stay text', () => {
  const aclText = { access: 'user::rw-,user:x:r--:5', default: 'user::rwx' }
  const records = recordsOf(encodeHeader(entry({ aclText })))
  assert.equal(
    [...records],
    [
      ['SCHILY.acl.access', aclText.access],
      ['SCHILY.acl.default', aclText.default]
    ]
  )
})

needing(
  encode,
  'root',
  'tar'
)('GNU tar reads = and % in attribute names as they were', () => {
  const attributes = new Map([['user.a=b%3Dc%', BINARY]])
  const target = scratch()
  const bytes = archive(encodeHeader(entry({ attributes })))
  execFileSync('tar', ['--xattrs', '--xattrs-include=*', '-xf', '-', '-C', target], {
    input: bytes,
    stdio: 'pipe'
  })
  assert.equal(getXattr(openSync(target, 'r'), 'file', 'user.a=b%3Dc%'), BINARY)
})

encode('the same runs give the same bytes, whether empty ones are among them or not', () => {
  const sparse = (runs: TarEntry['runs']) => encodeHeader(entry({ sizeBytes: 10_000, runs }))
  assert.equal(
    sparse([{ offset: 4096, lengthBytes: 10 }]),
    sparse([
      { offset: 0, lengthBytes: 0 },
      { offset: 4096, lengthBytes: 10 },
      { offset: 10_000, lengthBytes: 0 }
    ])
  )
  const map = sparse([{ offset: 4096, lengthBytes: 10 }])
    .subarray(-512)
    .toString('latin1')
  assert.is(map.replace(/\0+$/, ''), '2\n4096\n10\n10000\n0\n')
})

encode('what no archive can hold is a RangeError', () => {
  const wrong: Partial<TarEntry>[] = [
    { uid: 2 ** 32 - 1 },
    { gid: -1 },
    { mode: 0o10000 },
    { sizeBytes: 2 ** 53 },
    { sizeBytes: 1.5 },
    { kind: 'fifo', sizeBytes: 1 },
    { path: 'a\0b' },
    { linkTarget: 'snow\u2603' },
    { mtime: { seconds: 0.5, nanoseconds: 0 } },
    { mtime: { seconds: 0, nanoseconds: 1e9 } },
    { deviceMinor: 2 ** 21 }
  ]
  for (const fields of wrong)
    assert.throws(
      () => encodeHeader(entry(fields)),
      (error: Error) => error instanceof RangeError,
      JSON.stringify(fields)
    )
})

encode('the example of the specification is written exactly', () => {
  const spec = readFileSync(new URL('../../../../spec/canonical-tar.md', import.meta.url), 'utf8')
  const example = Buffer.alloc(1536)
  for (const [, offset, hex] of spec.matchAll(/^([0-9a-f]{8}): ([0-9a-f ]+)$/gm))
    example.set(Buffer.from(hex.replaceAll(' ', ''), 'hex'), Number.parseInt(offset, 16))
  const hello = {
    path: 'hello',
    mode: 0o640,
    uid: 1000,
    gid: 100,
    mtime: { seconds: -2, nanoseconds: 500_000_000 }
  }
  assert.equal(encodeHeader(entry(hello)), example)
})

encode.run()
