import * as assert from 'uvu/assert'
import { file, header } from '../../helpers/tar-make.ts'
import type { Area } from '../case.ts'
import { described, hardlink, symlink, tar } from '../make.ts'
import { type TarRow, tarCase, tarCases } from '../tar-case.ts'

const ESCAPES: Record<string, string> = {
  'a colour': '\x1b[31mred',
  'a window title': '\x1b]0;title\x07',
  'a clipboard': '\x1b]52;c;ZXZpbA==\x07',
  'a line feed': 'a\nerror: fake',
  'a carriage return': 'a\rfake',
  'a backspace': 'abc\b\b\bxyz',
  'a DEL': 'a\x7fb',
  'an eight-bit CSI': 'a\xc2\x9b31m',
  'a bare byte of C1': 'a\x9b31m',
  'a right-to-left override': 'a\xe2\x80\xaetxt.exe',
  'a right-to-left isolate': 'a\xe2\x81\xa7txt',
  'bytes that are no UTF-8': 'a\xff\xfe\x80',
  'a tab': 'a\tb'
}

const REFERENCE: Record<string, string> = {
  'a window title': 'CVE-2003-0063',
  'a right-to-left override': 'CVE-2021-42574'
}

/** A message must show the name readably and without effect on a terminal; run-case.ts checks the thrown error. */
export const controlCharacters: Area = {
  area: 'control characters',
  cases: [
    ...tarCases(
      Object.entries(ESCAPES).flatMap(([what, text]): TarRow[] => [
        [
          `${what} in a name that is refused`,
          tar(text, `${text}/below`),
          'TAR_INVALID',
          { reference: REFERENCE[what] }
        ],
        [
          `${what} in a name that is taken`,
          tar(file(`${text}/x`, 'y')),
          'confined',
          { reference: REFERENCE[what] }
        ]
      ])
    ),
    ...tarCases([
      ['an escape in the target of a hard link', tar(hardlink('a', '\x1b[2J')), 'TAR_INVALID'],
      ['an escape in the target of a symbolic link', tar(symlink('a', '\x1b[2J')), 'confined'],
      ['an escape in a PAX key', tar(described({ '\x1b[2Jkey': 'x' })), 'confined'],
      ['an escape in a PAX value', tar(described({ size: '\x1b[2J' })), 'TAR_INVALID'],
      ['an escape in an attribute name', tar(described({ 'SCHILY.xattr.\x1b[2J': 'x' })), 'confined'],
      [
        'an escape in a user name of an ACL',
        tar(described({ 'SCHILY.acl.access': 'user::rw-,user:\x1b[2J:rw-,group::r--,mask::rw-,other::r--' })),
        'NAME_UNKNOWN'
      ],
      ['an escape in an ACL', tar(described({ 'SCHILY.acl.access': '\x1b[2J' })), 'ACL_TEXT'],
      ['an escape in the owner of a member', tar(header({ uname: '\x1b[2J' })), 'confined'],
      ['an escape in a size', tar(header({ size: '\x1b[2J       \0' })), 'TAR_INVALID']
    ]),
    ...(['acl', 'attributes'] as const).map(listing =>
      tarCase({
        name: `an escape in a line of a listing of ${listing}`,
        archives: [tar('a')],
        [listing]: '# file: a\n\x1b[2J\n',
        expect: listing === 'acl' ? 'ACL_TEXT' : 'ATTRIBUTE_TEXT'
      })
    ),
    tarCase({
      name: 'an escape in a path of a listing',
      archives: [tar('a')],
      acl: '# file: \x1b[2J\nuser::rw-\ngroup::r--\nother::r--\n',
      expect: 'PATH_MISSING'
    })
  ]
}

const utf8 = (name: string): string => Buffer.from(name).toString('latin1')

/** Names that some file systems hold for one; here each is a file of its own. */
export const twins: Area = {
  area: 'twin names',
  cases: tarCases(
    (
      [
        ['upper and lower case', ['readme', 'README', 'ReadMe']],
        ['composed and decomposed letters', ['caf\u00e9', 'cafe\u0301']],
        ['compatible letters', ['\ufb01le', 'file']],
        ['a sharp s', ['stra\u00dfe', 'strasse', 'STRASSE']],
        ['a Turkish i', ['i', '\u0131', '\u0130']],
        ['a Kelvin sign', ['k', '\u212a']],
        ['a zero-width joiner', ['ab', 'a\u200db']],
        ['Cyrillic letters', ['paypal', 'p\u0430ypal']],
        ['trailing dots and blanks', ['a', 'a.', 'a ', 'a. ']],
        ['names of devices', ['con', 'CON', 'nul', 'aux.txt']],
        ['short names', ['git~1', 'GIT~1', '.git-long']],
        ['streams', ['a:b', 'a::$DATA']]
      ] as [string, string[]][]
    ).map(
      ([what, names]): TarRow => [
        `names that differ in ${what}`,
        tar(...names.map(name => file(utf8(name), name))),
        'confined',
        {
          holds: names,
          check: ({ layers }) => assert.is(layers[0].manifest.entries, names.length),
          ...(what.startsWith('composed') && { reference: 'CVE-2021-37712' })
        }
      ]
    )
  )
}
