import { archive, extended, file, header, pax } from '../../helpers/tar-make.ts'
import type { Area } from '../case.ts'
import { described, directory, hardlink, longName, sparse10, symlink, tar } from '../make.ts'
import { tarCases } from '../tar-case.ts'

/** Names that would lead out of the tree, and names that only look so. */
export const traversal: Area = {
  area: 'traversal',
  cases: tarCases([
    ['a parent before the name', tar('../canary'), 'TAR_INVALID', { reference: 'CVE-2007-4559' }],
    ['a parent in the middle', tar('a/../../canary'), 'TAR_INVALID', { reference: 'CVE-2001-1267' }],
    ['a parent behind a slash', tar('/../canary'), 'TAR_INVALID', { reference: 'CVE-2002-0399' }],
    ['a parent behind a dot', tar('./../canary'), 'TAR_INVALID', { reference: 'CVE-2002-0399' }],
    ['a parent behind two slashes', tar('a//../../canary'), 'TAR_INVALID', { reference: 'CVE-2007-4131' }],
    [
      'a parent behind a harmless prefix',
      tar('etc/motd/../../canary'),
      'TAR_INVALID',
      { reference: 'CVE-2016-6321' }
    ],
    ['a parent that stays inside', tar('a/../b'), 'TAR_INVALID'],
    ['a parent as the last component', tar('a/..'), 'TAR_INVALID'],
    ['a file named as the parent', tar('..'), 'TAR_INVALID'],
    ['a directory named as the parent', tar(directory('../')), 'TAR_INVALID'],
    ['many parents', tar(`${'../'.repeat(24)}tmp/canary`), 'TAR_INVALID'],
    ['a parent in the ustar prefix', tar(header({ name: 'canary', prefix: '..' })), 'TAR_INVALID'],
    ['a parent made of prefix and name', tar(header({ name: './canary', prefix: 'a/..' })), 'TAR_INVALID'],
    ['a parent in a PAX path', tar(described({ path: '../canary' })), 'TAR_INVALID'],
    ['a parent in a GNU long name', tar(longName('../canary'), 'harmless'), 'TAR_INVALID'],
    ['a parent in a sparse name', sparse10('1\n0\n2\n', 'xx', '2', '../canary'), 'TAR_INVALID'],
    ['a parent in the name of a symbolic link', tar(symlink('../link', 'x')), 'TAR_INVALID'],
    ['a parent in the name of a hard link', tar('a', hardlink('../link', 'a')), 'TAR_INVALID'],
    ['a parent of a fifo', tar(header({ name: '../fifo', type: '6' })), 'TAR_INVALID'],
    ['a parent behind a name of 100 bytes', tar(`${'n'.repeat(96)}/../x`.slice(0, 100)), 'TAR_INVALID'],
    ['no name at all', tar(header({ name: '' })), 'TAR_INVALID'],
    ['a file at the root', tar('./'.repeat(2)), 'TAR_INVALID'],
    ['a fifo at the root', tar(header({ name: './', type: '6' })), 'TAR_INVALID'],
    [
      'a symbolic link in place of the root',
      room => tar(symlink('.', room.outside.slice(0, 99)), 'canary'),
      'TAR_INVALID',
      { reference: 'CVE-2021-29136' }
    ],
    [
      'a symbolic link named as a slash',
      tar(symlink('/', '/')),
      'TAR_INVALID',
      { reference: 'CVE-2021-29136' }
    ],
    ['a hard link in place of the root', tar('a', hardlink('./', 'a')), 'TAR_INVALID'],
    [
      'a device in place of the root',
      tar(header({ name: '.', type: '3', major: '0000001\0' })),
      'TAR_INVALID'
    ],
    [
      'an absolute path to a canary',
      room => tar(described({ path: `${room.outside}/canary` })),
      'confined',
      { check: () => undefined }
    ],
    [
      'an absolute path with many slashes',
      room => tar(described({ path: `////${room.outside}//canary` })),
      'confined',
      { reference: 'CVE-2021-32804' }
    ],
    ['an absolute path of the system', tar('/etc/passwd'), 'confined', { holds: ['etc/passwd'] }],
    [
      'a path relative to a drive',
      tar('C:../canary', 'C:\\..\\canary'),
      'confined',
      { reference: 'CVE-2021-37713', holds: ['C:../canary', 'C:\\..\\canary'] }
    ],
    ['parents with backslashes', tar('..\\..\\canary'), 'confined', { holds: ['..\\..\\canary'] }],
    ['three dots', tar('.../canary'), 'confined', { holds: ['.../canary'] }],
    [
      'two dots and a blank',
      tar('.. /canary', ' ../canary'),
      'confined',
      { holds: ['.. /canary', ' ../canary'] }
    ],
    ['parents in overlong UTF-8', tar('\xc0\xae\xc0\xae/canary'), 'confined'],
    ['parents in full-width dots', tar('\xef\xbc\x8e\xef\xbc\x8e/canary'), 'confined'],
    ['parents in percent signs', tar('%2e%2e/canary'), 'confined', { holds: ['%2e%2e/canary'] }],
    [
      'a name that begins like an option',
      tar('--checkpoint-action=exec=sh', '-rf'),
      'confined',
      { holds: ['-rf'] }
    ],
    ['a shell command as a name', tar('$(touch canary)`id`;x|y'), 'confined'],
    ['a component of 256 bytes', tar(described({ path: 'n'.repeat(256) })), 'TAR_INVALID'],
    [
      'more components than the limit',
      tar(described({ path: 'd/'.repeat(1024).concat('x') })),
      'LIMIT_EXCEEDED',
      { reference: 'CVE-2024-28863' }
    ],
    [
      'a longer path than the limit',
      tar(described({ path: `${'n'.repeat(250)}/`.repeat(300).concat('x') })),
      'LIMIT_EXCEEDED'
    ],
    [
      'a path longer than the kernel resolves',
      tar(described({ path: `${'n'.repeat(250)}/`.repeat(20).concat('x') })),
      'confined',
      { reference: 'CVE-2025-4517' }
    ],
    ['a NUL in a PAX path', tar(described({ path: 'a\0/../canary' })), 'TAR_INVALID'],
    ['a NUL in a GNU long name', tar(extended('L', 'a\0../canary\0'), 'x'), 'TAR_INVALID'],
    ['a path of slashes', tar(described({ path: '////' })), 'TAR_INVALID'],
    [
      'a path of dots and slashes that is a file',
      archive(pax({ path: './/.' }), file('x', 'x')),
      'TAR_INVALID'
    ]
  ])
}
