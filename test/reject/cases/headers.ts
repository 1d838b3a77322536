import * as assert from 'uvu/assert'
import type { ImportModuleReport } from '../../../store/import/import-module.ts'
import type { OddityKind } from '../../../store/tar/oddities.ts'
import {
  archive,
  checksumField,
  END,
  extended,
  file,
  GNU,
  globalPax,
  header,
  padded,
  pax,
  record,
  V7
} from '../../helpers/tar-make.ts'
import type { Area } from '../case.ts'
import { described, device, directory, longLink, longName, octal, symlink, tar } from '../make.ts'
import { tarCases } from '../tar-case.ts'

const STRICT = { limits: { strict: true } }
const BYTES_BEHIND = Buffer.concat([tar('a'), Buffer.from('#!/bin/sh')])

const hasOddity =
  (wanted: OddityKind) =>
  ({ layers }: ImportModuleReport): void =>
    assert.equal(
      layers[0].oddities.map(({ kind }) => kind),
      [wanted]
    )

const hex = (bytes: string): Buffer => Buffer.from(bytes, 'hex')

/** The smuggled member lies in the content of another one. */
const smuggler = (headerSize: number, paxSize?: number): Buffer => {
  const inner = Buffer.concat([file('smuggled', 'x'), END])
  const size = paxSize === undefined ? [] : [pax({ size: String(paxSize) })]
  return Buffer.concat([...size, header({ name: 'outer', size: headerSize }), inner, END])
}
const INNER = 2048

const wrongChecksum = (): Buffer => {
  const block = header({ name: 'a' })
  block[0] ^= 1
  return block
}

const signedChecksum = (): Buffer => {
  const block = header({ name: 'na\xefve' })
  const unsigned = Number.parseInt(checksumField(block), 8)
  block.write(`${(unsigned - 256).toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

/** Two readers that disagree on where a member ends see two archives. */
export const desync: Area = {
  area: 'header desync',
  cases: tarCases([
    [
      'a PAX size where the header says none',
      smuggler(0, INNER),
      'confined',
      { reference: 'CVE-2025-62518', holds: ['outer'], lacks: ['smuggled'] }
    ],
    [
      'a PAX size of none where the header has one',
      archive(pax({ size: '0' }), file('outer', 'payload')),
      'TAR_INVALID'
    ],
    [
      'a PAX size that is longer than the archive',
      archive(pax({ size: '99999' }), file('outer', 'x')),
      'TAR_INVALID'
    ],
    ['a header inside a content', smuggler(INNER), 'confined', { holds: ['outer'], lacks: ['smuggled'] }],
    ['a content cut short', tar(file('a', 'x')).subarray(0, 600), 'TAR_INVALID'],
    ['a header cut short', tar('a').subarray(0, 300), 'TAR_INVALID'],
    ['no end marker', file('a', 'x'), 'reported', { holds: ['a'], check: hasOddity('no-end-marker') }],
    ['no end marker, read strictly', file('a', 'x'), 'TAR_INVALID', STRICT],
    ['an extended header and then the end', archive(pax({ path: 'a' })), 'TAR_INVALID'],
    [
      'an extended header and then another archive',
      Buffer.concat([pax({ path: 'a' }), END, tar('b')]),
      'TAR_INVALID'
    ],
    ['a member behind the end', Buffer.concat([tar('a'), tar('b')]), 'TAR_INVALID'],
    [
      'a member behind a single block of zeros',
      Buffer.concat([file('a', 'x'), Buffer.alloc(512), tar('b')]),
      'TAR_INVALID'
    ],
    ['other bytes behind the end', BYTES_BEHIND, 'reported', { check: hasOddity('bytes-behind-end') }],
    ['other bytes behind the end, read strictly', BYTES_BEHIND, 'TAR_INVALID', STRICT],
    ['nothing but an end marker', END, 'confined'],
    [
      'two PAX headers before one member',
      archive(pax({ path: 'a' }), pax({ path: 'b' }), file('c', 'x')),
      'TAR_INVALID'
    ],
    [
      'two GNU long names before one member',
      archive(longName('a'), longName('b'), file('c', 'x')),
      'TAR_INVALID'
    ],
    [
      'two GNU long links before one member',
      archive(longLink('a'), longLink('b'), symlink('c', 'x')),
      'TAR_INVALID'
    ],
    [
      'a GNU long name and a PAX path that differ',
      archive(longName('a'), pax({ path: 'b' }), file('c', 'x')),
      'TAR_INVALID'
    ],
    [
      'a GNU long name of a PAX header',
      archive(longName('a'), globalPax({ comment: 'x' }), file('c', 'x')),
      'TAR_INVALID'
    ],
    [
      'a global header inside an extended one',
      archive(pax({ path: 'a' }), globalPax({ mtime: '1' }), file('c', 'x')),
      'TAR_INVALID'
    ],
    [
      'a global path',
      archive(globalPax({ path: 'everything' }), file('a', 'x'), file('b', 'y')),
      'TAR_INVALID'
    ],
    ['a global size', archive(globalPax({ size: '0' }), file('a', 'x')), 'TAR_INVALID'],
    [
      'a global link target',
      archive(globalPax({ linkpath: '/etc/shadow' }), symlink('a', 'x')),
      'TAR_INVALID'
    ],
    ['a global sparse map', archive(globalPax({ 'GNU.sparse.major': '1' }), file('a', 'x')), 'TAR_INVALID'],
    [
      'nested global headers that take each other back',
      archive(globalPax({ uid: '7' }), globalPax({ uid: '' }), file('a', 'x')),
      'confined',
      { holds: ['a'] }
    ],
    ['an empty GNU long name', archive(extended('L', ''), file('a', 'x')), 'TAR_INVALID'],
    [
      'a GNU long name that goes on behind its NUL',
      archive(extended('L', 'a\0b'), file('a', 'x')),
      'TAR_INVALID'
    ],
    [
      'a GNU long name of 2 MiB',
      archive(extended('L', 'n'.repeat(2 << 20)), file('a', 'x')),
      'LIMIT_EXCEEDED'
    ],
    [
      'a GNU long name that claims 8 GiB',
      archive(header({ name: 'x', type: 'L', magic: GNU, size: octal(0o77777777777) })),
      'LIMIT_EXCEEDED'
    ],
    [
      'a directory with a size, and a header where its content would be',
      tar(directory('d/', { size: 512 }), file('found', '')),
      'reported',
      { holds: ['d', 'found'], check: hasOddity('unused-size') }
    ],
    [
      'a directory with a size, read strictly',
      tar(directory('d/', { size: 512 }), file('found', '')),
      'TAR_INVALID',
      STRICT
    ],
    [
      'a directory with content',
      tar(directory('d/', { size: 512 }), padded('lost'), file('a', '')),
      'TAR_INVALID'
    ],
    [
      'a device with content',
      tar(
        header({ name: 'd', type: '3', size: 512, major: octal(1, 7), minor: octal(3, 7) }),
        padded('lost')
      ),
      'TAR_INVALID'
    ],
    ['a fifo with content', tar(header({ name: 'd', type: '6', size: 512 }), padded('lost')), 'TAR_INVALID'],
    [
      'a fifo with a size and then the end of the file',
      header({ name: 'd', type: '6', size: 512 }),
      'TAR_INVALID'
    ],
    [
      'a hard link with a size in an archive with PAX headers',
      tar(file('a', 'x'), pax({ mtime: '1' }), header({ name: 'b', type: '1', linkName: 'a', size: 1 })),
      'TAR_INVALID'
    ],
    ['a wrong checksum', tar(wrongChecksum()), 'TAR_INVALID'],
    ['a checksum of letters', tar(header({ checksum: 'zzzzzz\0 ' })), 'TAR_INVALID'],
    ['a checksum of signed bytes', tar(signedChecksum()), 'confined'],
    ['a size of letters', tar(header({ size: 'abcdefghijk\0' })), 'TAR_INVALID'],
    ['a size with digits that are not octal', tar(header({ size: '00000000089\0' })), 'TAR_INVALID'],
    ['a size of blanks', tar(header({ size: ' '.repeat(12) })), 'TAR_INVALID'],
    [
      'a negative size',
      tar(header({ size: hex('ffffffffffffffffffffffff') })),
      'TAR_INVALID',
      { reference: 'CVE-2025-8194' }
    ],
    ['a size beyond 2^53', tar(header({ size: hex('800000008000000000000000') })), 'TAR_INVALID'],
    ['a size of 2^95 - 1', tar(header({ size: hex('80ffffffffffffffffffffff') })), 'TAR_INVALID'],
    ['a size of 2^52', tar(header({ size: hex('800000000010000000000000') })), 'LIMIT_EXCEEDED'],
    [
      'a time of blanks in a v7 header',
      tar(header({ magic: V7, mtime: ' '.repeat(12) })),
      'TAR_INVALID',
      { reference: 'CVE-2022-48303' }
    ],
    ['a mode of letters', tar(header({ mode: 'rwxr-xr-' })), 'TAR_INVALID'],
    [
      'a type of GNU that renames',
      tar(header({ type: 'N', magic: GNU, size: 20 }), padded('Symlink ../x to y\n')),
      'TAR_INVALID',
      { reference: 'CVE-2006-6097' }
    ],
    ['a part of a multi-volume archive', tar(header({ type: 'M', magic: GNU })), 'TAR_INVALID'],
    ["Solaris's ACL member", tar(header({ type: 'A', size: 5 }), padded('x')), 'TAR_INVALID'],
    [
      "Sun's extended header",
      tar(header({ type: 'X', size: 10 }), padded(record('path', 'a'))),
      'TAR_INVALID'
    ],
    ['a vendor type', tar(header({ type: 'Z', size: 5 }), padded('lost')), 'TAR_INVALID'],
    ['a type that no reader knows', tar(header({ type: '\x07' })), 'TAR_INVALID'],
    ['a type of GNU in a ustar header', tar(header({ type: 'S' })), 'TAR_INVALID'],
    ['a device major of 2^12', tar(device('d', '3', 4096, 0)), 'TAR_INVALID'],
    ['a device minor of 2^20', tar(device('d', '4', 1, 1 << 20)), 'TAR_INVALID'],
    [
      'a negative device number',
      tar(header({ type: '3', major: '\xff\xff\xff\xff\xff\xff\xff\xff', minor: octal(0, 7) })),
      'TAR_INVALID'
    ],
    ['a device in a v7 header', tar(header({ type: '3', magic: V7 })), 'TAR_INVALID'],
    ['text that is no archive', Buffer.from('#!/bin/sh\nrm -rf /\n'.repeat(100)), 'STREAM_INVALID'],
    [
      'random bytes',
      Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7919 + (i >> 3)) & 0xff)),
      'TAR_INVALID'
    ],
    ['an empty file', Buffer.alloc(0), 'STREAM_INVALID'],
    ['a PAX character set that is unknown', tar(described({ hdrcharset: 'UTF-16' })), 'TAR_INVALID'],
    ['a label of one of several volumes', tar(described({ 'GNU.volume.offset': '4' })), 'TAR_INVALID'],
    ["a real size of star's sparse files", tar(described({ 'SCHILY.realsize': '4096' })), 'TAR_INVALID']
  ])
}

export const ids: Area = {
  area: 'ids and times',
  cases: tarCases([
    ['a uid of 2^32 - 1', tar(header({ uid: hex('80000000ffffffff') })), 'TAR_INVALID'],
    ['a uid of 2^32', tar(header({ uid: hex('8000000100000000') })), 'TAR_INVALID'],
    ['a uid of 2^63', tar(header({ uid: hex('80ffffffffffffff') })), 'TAR_INVALID'],
    ['a uid of -1', tar(header({ uid: hex('ffffffffffffffff') })), 'TAR_INVALID'],
    ['a uid of -2', tar(header({ uid: hex('fffffffffffffffe') })), 'TAR_INVALID'],
    ['a gid of 2^32 - 1', tar(header({ gid: hex('80000000ffffffff') })), 'TAR_INVALID'],
    ['a gid of -1', tar(header({ gid: hex('ffffffffffffffff') })), 'TAR_INVALID'],
    ['a PAX uid of 2^32 - 1', tar(described({ uid: '4294967295' })), 'TAR_INVALID'],
    ['a PAX uid of 2^64', tar(described({ uid: '18446744073709551616' })), 'TAR_INVALID'],
    ['a PAX uid below zero', tar(described({ uid: '-1' })), 'TAR_INVALID'],
    ['a PAX uid in hexadecimal', tar(described({ uid: '0x0' })), 'TAR_INVALID'],
    ['a PAX gid of 2^32 - 1', tar(described({ gid: '4294967295' })), 'TAR_INVALID'],
    ['a PAX gid with a fraction', tar(described({ gid: '0.5' })), 'TAR_INVALID'],
    ['a global uid of 2^32', archive(globalPax({ uid: '4294967296' }), file('a', 'x')), 'TAR_INVALID'],
    ['the largest uid and gid', tar(described({ uid: '4294967294', gid: '4294967294' })), 'confined'],
    ['a time of 2^62 seconds', tar(header({ mtime: hex('800000004000000000000000') })), 'TAR_INVALID'],
    ['a PAX time that is no number', tar(described({ mtime: 'NaN' })), 'TAR_INVALID'],
    ['a PAX time of 10^400', tar(described({ mtime: '1'.repeat(400) })), 'TAR_INVALID'],
    ['a PAX time with an exponent', tar(described({ mtime: '1e9' })), 'TAR_INVALID'],
    ['a time that SquashFS cannot hold', tar(described({ mtime: '99999999999' })), 'confined'],
    ['a time before 1970', tar(described({ mtime: '-1.5' })), 'confined']
  ])
}
