import * as assert from 'uvu/assert'
import {
  archive,
  extended,
  file,
  GNU,
  globalPax,
  header,
  padded,
  pax,
  record
} from '../../helpers/tar-make.ts'
import type { Area } from '../case.ts'
import { described, directory, octal, oldSparse, sparse01, sparse10, symlink, tar } from '../make.ts'
import { tarCases } from '../tar-case.ts'

const raw = (body: string): Buffer => archive(extended('x', body), file('a', 'x'))

export const paxRecords: Area = {
  area: 'PAX records',
  cases: tarCases([
    ['a record of length zero', raw('0 path=a\n'), 'TAR_INVALID', { reference: 'CVE-2019-20907' }],
    ['a length that is too short', raw('4 path=a\n'), 'TAR_INVALID'],
    ['a length that is too long', raw('99 path=a\n'), 'TAR_INVALID'],
    ['a negative length', raw('-9 path=a\n'), 'TAR_INVALID'],
    ['a length with a sign', raw('+9 path=a\n'), 'TAR_INVALID'],
    ['a length in hexadecimal', raw('0x9 path=a\n'), 'TAR_INVALID'],
    [
      'a length of many digits',
      raw(`${'0'.repeat(5000)}9 path=a\n`),
      'TAR_INVALID',
      { reference: 'CVE-2024-6232' }
    ],
    ['a length beyond 2^64', raw('18446744073709551625 path=a\n'), 'TAR_INVALID'],
    ['no length', raw('path=a\n'), 'TAR_INVALID'],
    ['no equals sign', raw('8 path a\n'.replace('8', '9')), 'TAR_INVALID'],
    ['no key', raw('5 =ab\n'.replace('5', '6')), 'TAR_INVALID'],
    ['no line end', raw('9 path=abc'), 'TAR_INVALID'],
    ['a line end inside the length', raw('9\npath=ab\n'), 'TAR_INVALID'],
    ['zeros behind the last record', raw(`${record('path', 'a')}\0\0\0`), 'TAR_INVALID'],
    ['a header of 2 MiB', raw(record('comment', 'x'.repeat(2 << 20))), 'LIMIT_EXCEEDED'],
    [
      'global headers of 2 MiB together',
      archive(
        ...[...'abcd'].map(key => globalPax({ [`vendor.${key}`]: 'x'.repeat(500_000) })),
        file('a', 'x')
      ),
      'LIMIT_EXCEEDED'
    ],
    [
      'a header that claims 2^50 bytes',
      archive(header({ type: 'x', size: Buffer.from('800000000004000000000000', 'hex') })),
      'LIMIT_EXCEEDED'
    ],
    ['a NUL in a user name', tar(described({ uname: 'ro\0ot' })), 'TAR_INVALID'],
    [
      'duplicate paths, the last in force',
      archive(extended('x', record('path', '../canary') + record('path', 'safe')), file('a', 'x')),
      'confined',
      { holds: ['safe'] }
    ],
    [
      'a safe path and then a hostile one',
      archive(extended('x', record('path', 'safe') + record('path', '../canary')), file('a', 'x')),
      'TAR_INVALID'
    ],
    ['a negative size', tar(described({ size: '-1' })), 'TAR_INVALID'],
    ['a size of 2^64', tar(described({ size: '18446744073709551616' })), 'TAR_INVALID'],
    ['a size with a blank', tar(described({ size: ' 1' })), 'TAR_INVALID'],
    ['an NFSv4 ACL', tar(described({ 'SCHILY.acl.ace': 'owner@:rw::allow' })), 'TAR_INVALID'],
    [
      'more unknown keys than a report lists',
      archive(
        extended('x', Array.from({ length: 10_000 }, (_, i) => record(`v.${i}`, 'x')).join('')),
        file('a', 'x')
      ),
      'reported',
      {
        check: ({ layers }) => assert.ok(layers[0].ignoredKeys.size > 0 && layers[0].ignoredKeys.size <= 100)
      }
    ],
    [
      'file flags that no layer keeps',
      tar(described({ 'SCHILY.fflags': 'immutable' })),
      'reported',
      {
        check: ({ layers }) => assert.is(layers[0].ignoredKeys.get('SCHILY.fflags'), 1)
      }
    ],
    [
      'file flags, read strictly',
      tar(described({ 'SCHILY.fflags': 'immutable' })),
      'TAR_INVALID',
      { limits: { strict: true } }
    ],
    [
      'an attribute without a namespace',
      tar(described({ 'SCHILY.xattr.name': 'x' })),
      'reported',
      {
        check: ({ layers }) =>
          assert.equal(
            layers[0].leftOutAttributes.map(({ name }) => name),
            ['name']
          )
      }
    ],
    ["holes in Solaris's way", tar(described({ 'SUN.holesdata': ' 0 512' })), 'TAR_INVALID'],
    ['an attribute without a name', tar(described({ 'SCHILY.xattr.': 'x' })), 'TAR_INVALID'],
    [
      'an attribute name of 100 KiB',
      tar(described({ [`SCHILY.xattr.user.${'n'.repeat(100_000)}`]: 'x' })),
      'TAR_INVALID',
      { reference: 'CVE-2023-39804' }
    ],
    ['an attribute name with a NUL', tar(described({ 'SCHILY.xattr.user.a\0b': 'x' })), 'TAR_INVALID'],
    [
      'an attribute name with an escaped NUL',
      tar(described({ 'LIBARCHIVE.xattr.user.a%00b': 'eA' })),
      'TAR_INVALID'
    ],
    [
      'an attribute value that is no base64',
      tar(described({ 'LIBARCHIVE.xattr.user.a': '*' })),
      'TAR_INVALID'
    ],
    [
      'an attribute told in two ways',
      tar(described({ 'SCHILY.xattr.user.a': 'x', 'LIBARCHIVE.xattr.user.a': 'eQ' })),
      'TAR_INVALID'
    ],
    [
      'a label told in two ways',
      tar(described({ 'SCHILY.xattr.security.selinux': 'a', 'RHT.security.selinux': 'b' })),
      'TAR_INVALID'
    ]
  ])
}

const unendedMap = (): Buffer => {
  const first = header({
    name: 's',
    type: 'S',
    magic: GNU,
    size: 0,
    patch: [
      [386, (octal(0) + octal(0)).repeat(4)],
      [482, '\x01'],
      [483, octal(1)]
    ]
  })
  const block = Buffer.alloc(512)
  block.write((octal(0) + octal(0)).repeat(21), 0, 'latin1')
  block[504] = 1
  return archive(first, ...Array.from({ length: 2100 }, () => block))
}

export const sparse: Area = {
  area: 'sparse files',
  cases: tarCases([
    ['runs that overlap', sparse01('0,1,0,1', '2'), 'TAR_INVALID'],
    ['runs out of order', sparse01('50,1,10,1', '2'), 'TAR_INVALID'],
    ['a run beyond the size', sparse01('99,2', '1'), 'TAR_INVALID'],
    ['a run whose end wraps around', sparse01('9007199254740991,2', '1', '9007199254740991'), 'TAR_INVALID'],
    ['a negative offset', sparse01('-5,2', '1'), 'TAR_INVALID'],
    ['fewer runs than counted', sparse01('0,2', '2'), 'TAR_INVALID'],
    ['a count of 2^53', sparse01('0,2', '9007199254740993'), 'TAR_INVALID'],
    ['a map that does not hold the bytes', sparse01('0,1', '1'), 'TAR_INVALID'],
    ['a map that holds more than the bytes', sparse01('0,50', '1'), 'TAR_INVALID'],
    ['a map with letters', sparse01('a,b', '1'), 'TAR_INVALID'],
    ['a map that ends in a comma', sparse01('0,2,', '1'), 'TAR_INVALID'],
    ['a size of 8 EiB', sparse01('0,2', '1', '9223372036854775807'), 'TAR_INVALID'],
    ['a size of 8 PiB', sparse01('0,2', '1', '9007199254740991'), 'LIMIT_EXCEEDED'],
    ['a hole of 1 TiB in a small archive', sparse01('0,2', '1', '1099511627776'), 'LIMIT_EXCEEDED'],
    [
      'many files with holes of 900 MiB',
      tar(...Array.from({ length: 40 }, () => sparse01('0,2', '1', '943718400').subarray(0, -1024))),
      'LIMIT_EXCEEDED'
    ],
    ['a map before the content that is too long', sparse10('9\n0\n2\n', 'xx'), 'TAR_INVALID'],
    ['a map before the content with letters', sparse10('one\n0\n2\n', 'xx'), 'TAR_INVALID'],
    ['a map before the content with a count of 2^53', sparse10('9007199254740993\n', 'xx'), 'TAR_INVALID'],
    ['a map before the content with bytes behind it', sparse10('1\n0\n2\njunk', 'xx'), 'TAR_INVALID'],
    ['a map before the content with an empty line', sparse10('\n1\n0\n2\n', 'xx'), 'TAR_INVALID'],
    [
      'runs of GNU that overlap',
      oldSparse('xxxx', 10, [
        [0, 2],
        [1, 2]
      ]),
      'TAR_INVALID'
    ],
    ['a run of GNU beyond the size', oldSparse('xx', 1, [[0, 2]]), 'TAR_INVALID'],
    ['a map of GNU that does not end', unendedMap(), 'LIMIT_EXCEEDED'],
    [
      'no size',
      archive(pax({ 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0' }), file('a', 'x')),
      'TAR_INVALID',
      { reference: 'CVE-2019-9923' }
    ],
    [
      'a version that is unknown',
      archive(
        pax({ 'GNU.sparse.major': '2', 'GNU.sparse.minor': '0', 'GNU.sparse.realsize': '1' }),
        file('a', 'x')
      ),
      'TAR_INVALID'
    ],
    [
      'two maps',
      archive(
        pax({
          'GNU.sparse.size': '9',
          'GNU.sparse.numblocks': '1',
          'GNU.sparse.offset': '0',
          'GNU.sparse.numbytes': '1',
          'GNU.sparse.map': '0,1'
        }),
        file('a', 'x')
      ),
      'TAR_INVALID'
    ],
    [
      'a map of GNU and one of PAX',
      archive(pax({ 'GNU.sparse.size': '9' }), header({ name: 's', type: 'S', magic: GNU })),
      'TAR_INVALID'
    ],
    ['a sparse directory', tar(pax({ 'GNU.sparse.size': '9' }), directory('d/')), 'TAR_INVALID'],
    ['a sparse link', tar(pax({ 'GNU.sparse.size': '9' }), symlink('l', 'x')), 'TAR_INVALID'],
    [
      'a record of sparse files that is unknown',
      tar(described({ 'GNU.sparse.payload': 'x' })),
      'TAR_INVALID'
    ],
    [
      'a map cut off',
      archive(
        pax({ 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.realsize': '9' }),
        header({ name: 's', size: 512 }),
        padded('5\n0\n')
      ),
      'TAR_INVALID'
    ]
  ])
}
