import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { ImportedLayer } from '../../../store/import/import-layer.ts'
import { showPath } from '../../../store/values/path-bytes.ts'
import { file, header } from '../../helpers/tar-make.ts'
import type { Area, RejectCase } from '../case.ts'
import { described, device, directory, hardlink, symlink, tar } from '../make.ts'
import { type TarRow, tarCase, tarCases } from '../tar-case.ts'

const foreign = (name: string): TarRow => [
  `${showPath(name)} in an archive`,
  tar(described({ [`SCHILY.xattr.${name}`]: 'y' }, 'd')),
  'reported',
  {
    check: ({ layers: [layer] }) => {
      assert.equal(leftOut(layer), [[name, 1, 'd']])
      assert.is(layer.attributePaths, 0)
    }
  }
]

const leftOut = ({ leftOutAttributes }: ImportedLayer) =>
  leftOutAttributes.map(({ name, paths, example }) => [name, paths, example])

const attribute = (name: string, value = 'y'): Buffer => tar(described({ [`SCHILY.xattr.${name}`]: value }))

export const attributes: Area = {
  area: 'attributes',
  cases: [
    ...tarCases([
      ...[
        'trusted.overlay.opaque',
        'trusted.overlay.redirect',
        'trusted.overlay.metacopy',
        'trusted.overlay.origin',
        'trusted.overlay.whiteout',
        'user.overlay.opaque',
        'user.overlay.redirect',
        'user.overlay.metacopy',
        'trusted.SGI_ACL_FILE',
        'trusted.SGI_ACL_DEFAULT',
        'trusted.lov',
        'btrfs.compression',
        'com.apple.provenance'
      ].map(foreign),
      ['an attribute of the kernel', attribute('system.anything'), 'ATTRIBUTE_INVALID'],
      ['an NFSv4 ACL that is none', attribute('system.nfs4_acl'), 'ATTRIBUTE_INVALID'],
      [
        'an attribute of another system, read strictly',
        attribute('com.apple.provenance'),
        'ATTRIBUTE_INVALID',
        { limits: { strict: true } }
      ],
      ['an attribute that is a namespace alone', attribute('user.'), 'ATTRIBUTE_INVALID'],
      ['an attribute name of 256 bytes', attribute(`user.${'n'.repeat(251)}`), 'TAR_INVALID'],
      [
        'an attribute value of more than 64 KiB',
        attribute('user.a', 'x'.repeat(65_537)),
        'ATTRIBUTE_INVALID'
      ],
      ['an attribute with a NUL in its escaped name', attribute('user.%00'), 'confined']
    ]),
    tarCase({
      name: 'an attribute of overlayfs in a listing',
      archives: [tar('d')],
      attributes: '# file: d\nuser.overlay.opaque="y"\nuser.kept="y"\n',
      expect: 'reported',
      check: ({ layers: [layer] }) => assert.equal(leftOut(layer), [['user.overlay.opaque', 1, 'd']])
    }),
    ...(
      [
        ['a path outside in a listing of attributes', '# file: ../canary\nuser.a="y"\n', 'ATTRIBUTE_TEXT'],
        ['an absolute path in a listing of attributes', '# file: /etc/shadow\nuser.a="y"\n', 'PATH_MISSING'],
        ['a path with an escaped parent', '# file: \\056\\056/canary\nuser.a="y"\n', 'ATTRIBUTE_TEXT'],
        ['a path with an escaped NUL', '# file: d\\000\nuser.a="y"\n', 'ATTRIBUTE_TEXT'],
        ['a path that stands twice', '# file: d\nuser.a="y"\n\n# file: d\nuser.a="z"\n', 'ATTRIBUTE_TEXT'],
        ['an attribute that stands twice', '# file: d\nuser.a="y"\nuser.a="z"\n', 'ATTRIBUTE_TEXT'],
        ['half a hexadecimal byte', '# file: d\nuser.a=0xabc\n', 'ATTRIBUTE_TEXT'],
        ['no base64', '# file: d\nuser.a=0s*\n', 'ATTRIBUTE_TEXT'],
        ['an open quote', '# file: d\nuser.a="y\n', 'ATTRIBUTE_TEXT'],
        ['an escape that is none', '# file: d\nuser.a="\\9"\n', 'ATTRIBUTE_TEXT'],
        ['names without values', '# file: d\nuser.a\n', 'ATTRIBUTE_TEXT'],
        ['a line before any path', 'user.a="y"\n', 'ATTRIBUTE_TEXT'],
        ['a line that is cut off', '# file: d\nuser.a="y"', 'ATTRIBUTE_TEXT'],
        ['a line of 2 MiB', `# file: d\nuser.a="${'x'.repeat(2 << 20)}"\n`, 'ATTRIBUTE_TEXT'],
        ['text in UTF-16', Buffer.from('\ufeff# file: d\n', 'utf16le'), 'ATTRIBUTE_TEXT'],
        ['a NUL', '# file: d\nuser.a=\0\n', 'ATTRIBUTE_TEXT'],
        ['two kinds of line ends', '# file: d\r\nuser.a="y"\n', 'ATTRIBUTE_TEXT']
      ] as [string, string | Buffer, RejectCase['expect']][]
    ).map(([name, listing, expect]) => tarCase({ name, archives: [tar('d')], attributes: listing, expect }))
  ]
}

const NAMED = 'user::rw-,user:77:rw-,group::r--,mask::rw-,other::r--'

/** ACL as the kernel has it: version, then tag, permissions, id. */
function acl(entries: [tag: number, perm: number, id?: number][], version = 2): string {
  const bytes = Buffer.alloc(4 + 8 * entries.length)
  bytes.writeUInt32LE(version, 0)
  for (const [i, [tag, perm, id = 0xffffffff]] of entries.entries()) {
    bytes.writeUInt16LE(tag, 4 + 8 * i)
    bytes.writeUInt16LE(perm, 6 + 8 * i)
    bytes.writeUInt32LE(id, 8 + 8 * i)
  }
  return bytes.toString('latin1')
}

const [USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER] = [1, 2, 4, 8, 16, 32]
const binary = (value: string): Buffer =>
  tar(described({ 'SCHILY.xattr.system.posix_acl_access': value }, 'f', 'x', { mode: '0000664\0' }))
const text = (value: string, kind = 'access'): Buffer =>
  tar(described({ [`SCHILY.acl.${kind}`]: value }, 'f', 'x', { mode: '0000664\0' }))

export const acls: Area = {
  area: 'ACLs',
  cases: [
    ...tarCases([
      [
        'an ACL of version 1',
        binary(
          acl(
            [
              [USER_OBJ, 6],
              [GROUP_OBJ, 4],
              [OTHER, 4]
            ],
            1
          )
        ),
        'ACL_INVALID'
      ],
      [
        'an ACL of version 2^31',
        binary(
          acl(
            [
              [USER_OBJ, 6],
              [GROUP_OBJ, 4],
              [OTHER, 4]
            ],
            2 ** 31
          )
        ),
        'ACL_INVALID'
      ],
      ['an ACL of no bytes', binary(''), 'ACL_INVALID'],
      ['an ACL without entries', binary(acl([])), 'ACL_INVALID'],
      [
        'an ACL cut off',
        binary(
          acl([
            [USER_OBJ, 6],
            [GROUP_OBJ, 4],
            [OTHER, 4]
          ]).slice(0, -3)
        ),
        'ACL_INVALID'
      ],
      [
        'a tag of zero',
        binary(
          acl([
            [0, 6],
            [GROUP_OBJ, 4],
            [OTHER, 4]
          ])
        ),
        'ACL_INVALID'
      ],
      [
        'a tag that is unknown',
        binary(
          acl([
            [USER_OBJ, 6],
            [GROUP_OBJ, 4],
            [OTHER, 4],
            [64, 7]
          ])
        ),
        'ACL_INVALID'
      ],
      [
        'two tags in one',
        binary(
          acl([
            [USER_OBJ | GROUP_OBJ, 6],
            [GROUP_OBJ, 4],
            [OTHER, 4]
          ])
        ),
        'ACL_INVALID'
      ],
      [
        'two entries of one user',
        binary(
          acl([
            [USER_OBJ, 6],
            [USER, 7, 5],
            [USER, 0, 5],
            [GROUP_OBJ, 4],
            [MASK, 6],
            [OTHER, 4]
          ])
        ),
        'ACL_INVALID'
      ],
      [
        'two owners',
        binary(
          acl([
            [USER_OBJ, 6],
            [USER_OBJ, 7],
            [GROUP_OBJ, 4],
            [OTHER, 4]
          ])
        ),
        'ACL_INVALID'
      ],
      [
        'two masks',
        binary(
          acl([
            [USER_OBJ, 6],
            [GROUP_OBJ, 4],
            [MASK, 6],
            [MASK, 7],
            [OTHER, 4]
          ])
        ),
        'ACL_INVALID'
      ],
      [
        'entries out of order',
        binary(
          acl([
            [OTHER, 4],
            [GROUP_OBJ, 4],
            [USER_OBJ, 6]
          ])
        ),
        'ACL_INVALID'
      ],
      [
        'users out of order',
        binary(
          acl([
            [USER_OBJ, 6],
            [USER, 7, 9],
            [USER, 0, 5],
            [GROUP_OBJ, 4],
            [MASK, 6],
            [OTHER, 4]
          ])
        ),
        'ACL_INVALID'
      ],
      [
        'a named user without a mask',
        binary(
          acl([
            [USER_OBJ, 6],
            [USER, 7, 5],
            [GROUP_OBJ, 4],
            [OTHER, 4]
          ])
        ),
        'ACL_INVALID'
      ],
      [
        'no owner',
        binary(
          acl([
            [GROUP_OBJ, 4],
            [OTHER, 4]
          ])
        ),
        'ACL_INVALID'
      ],
      [
        'no other',
        binary(
          acl([
            [USER_OBJ, 6],
            [GROUP_OBJ, 4]
          ])
        ),
        'ACL_INVALID'
      ],
      [
        'permissions of 8',
        binary(
          acl([
            [USER_OBJ, 8],
            [GROUP_OBJ, 4],
            [OTHER, 4]
          ])
        ),
        'ACL_INVALID'
      ],
      [
        'permissions of 0xffff',
        binary(
          acl([
            [USER_OBJ, 0xffff],
            [GROUP_OBJ, 4],
            [OTHER, 4]
          ])
        ),
        'ACL_INVALID'
      ],
      [
        'a named user of id -1',
        binary(
          acl([
            [USER_OBJ, 6],
            [USER, 6, 0xffffffff],
            [GROUP_OBJ, 4],
            [MASK, 6],
            [OTHER, 4]
          ])
        ),
        'ACL_INVALID'
      ],
      [
        'a named group of id -1',
        binary(
          acl([
            [USER_OBJ, 6],
            [GROUP_OBJ, 4],
            [GROUP, 6, 0xffffffff],
            [MASK, 6],
            [OTHER, 4]
          ])
        ),
        'ACL_INVALID'
      ],
      [
        'more entries than Linux stores',
        binary(
          acl([
            [USER_OBJ, 6],
            ...Array.from({ length: 8200 }, (_, i): [number, number, number] => [USER, 6, i]),
            [GROUP_OBJ, 4],
            [MASK, 6],
            [OTHER, 4]
          ])
        ),
        'ACL_INVALID'
      ],
      ['a text without a mask', text('user::rw-,user:77:rw-,group::r--,other::r--'), 'ACL_INVALID'],
      ['a text with two entries of one user', text(`${NAMED},user:77:r--`), 'ACL_INVALID'],
      [
        'a text with a name that nobody knows',
        text('user::rw-,user:mallory:rwx,group::r--,mask::rwx,other::r--'),
        'NAME_UNKNOWN'
      ],
      [
        'a text with an id of 2^32 - 1',
        text('user::rw-,user:4294967295:rwx,group::r--,mask::rwx,other::r--'),
        'NAMES_INVALID'
      ],
      [
        'a text with an id of 2^64',
        text('user::rw-,user:18446744073709551616:rwx,group::r--,mask::rwx,other::r--'),
        'NAMES_INVALID'
      ],
      [
        'a text with a negative id',
        text('user::rw-,user:-1:rwx,group::r--,mask::rwx,other::r--'),
        'NAME_UNKNOWN'
      ],
      ['a text with a conditional right', text('user::rwX,group::r--,other::r--'), 'ACL_TEXT'],
      ['a text with four rights', text('user::rwxr,group::r--,other::r--'), 'ACL_TEXT'],
      ['a text with a right twice', text('user::rrr,group::r--,other::r--'), 'ACL_TEXT'],
      ['a text without entries', text('# nothing'), 'ACL_TEXT'],
      ['a text with an unknown tag', text('root::rwx,group::r--,other::r--'), 'ACL_TEXT'],
      [
        'two default ACLs',
        text(
          'user::rw-,group::r--,other::r--,default:user::rw-,default:group::r--,default:other::r--',
          'default'
        ),
        'ACL_TEXT'
      ],
      [
        'a text and bytes that differ',
        tar(
          described({
            'SCHILY.acl.access': NAMED,
            'SCHILY.xattr.system.posix_acl_access': acl([
              [USER_OBJ, 6],
              [USER, 7, 5],
              [GROUP_OBJ, 4],
              [MASK, 6],
              [OTHER, 4]
            ])
          })
        ),
        'ACL_INVALID'
      ],
      [
        'an ACL that contradicts the mode',
        tar(
          described(
            { 'SCHILY.acl.access': 'user::rwx,user:77:rwx,group::rwx,mask::rwx,other::rwx' },
            'f',
            'x',
            { mode: '0000600\0' }
          )
        ),
        'ACL_INVALID'
      ],
      [
        'an ACL on a symbolic link',
        tar(
          Buffer.concat([
            described({ 'SCHILY.acl.access': NAMED }).subarray(0, 1024),
            symlink('l', '/etc/shadow')
          ])
        ),
        'ACL_INVALID',
        { reference: 'CVE-2021-23177' }
      ],
      ['a default ACL on a file', text('user::rw-,group::r--,other::r--', 'default'), 'ACL_INVALID'],
      [
        'hard links with different ACLs',
        tar(described({ 'SCHILY.acl.access': NAMED }, 'f', 'x', { mode: '0000664\0' }), hardlink('g', 'f')),
        'confined'
      ]
    ]),
    ...(
      [
        [
          'a path outside in a listing of ACLs',
          '# file: ../canary\nuser::rwx\ngroup::rwx\nother::rwx\n',
          'ACL_TEXT'
        ],
        [
          'an absolute path in a listing of ACLs',
          '# file: /etc/shadow\nuser::rwx\ngroup::rwx\nother::rwx\n',
          'PATH_MISSING'
        ],
        ['a path that the archive lacks', '# file: b\nuser::rwx\ngroup::rwx\nother::rwx\n', 'PATH_MISSING'],
        [
          'a path that stands twice',
          '# file: f\nuser::rw-\ngroup::r--\nother::r--\n\n# file: ./f\nuser::rwx\n',
          'ACL_TEXT'
        ],
        ['a header that looks like a comment', '#file: f\nuser::rwx\n', 'ACL_TEXT'],
        ['entries before any path', 'user::rwx\ngroup::rwx\nother::rwx\n', 'ACL_TEXT'],
        ['flags that are none', '# file: f\n# flags: sss\nuser::rw-\ngroup::r--\nother::r--\n', 'ACL_TEXT'],
        [
          'an owner that stands twice',
          '# file: f\n# owner: 0\n# owner: 1\nuser::rw-\ngroup::r--\nother::r--\n',
          'ACL_TEXT'
        ],
        [
          'an owner that nobody knows',
          '# file: f\n# owner: mallory\nuser::rw-\ngroup::r--\nother::r--\n',
          'NAME_UNKNOWN'
        ],
        ['a NUL', '# file: f\nuser:\0:rw-\n', 'ACL_TEXT'],
        ['a listing that is cut off', '# file: f\nuser::rw-\ngroup::r', 'ACL_TEXT'],
        ['an ACL that would widen the mode', '# file: f\nuser::rwx\ngroup::rwx\nother::rwx\n', 'ACL_INVALID'],
        [
          'a listing for a path below a link',
          '# file: l/shadow\nuser::rwx\ngroup::rwx\nother::rwx\n',
          'PATH_MISSING'
        ]
      ] as [string, string, RejectCase['expect']][]
    ).map(([name, listing, expect]) =>
      tarCase({
        name: `listing: ${name}`,
        archives: [tar(file('f', 'x'), symlink('l', '/etc'))],
        acl: listing,
        expect,
        ...(name.endsWith('link') && { reference: 'CVE-2021-31566' })
      })
    )
  ]
}

const APPLICATION = { settings: { kind: 'application' } } as const
const CAPABILITY = Buffer.from('0100000200200000000000000000000000000000', 'hex').toString('latin1')
const setuid = (fields = {}): Buffer => header({ name: 'su', mode: '0004755\0', ...fields })

/**
 * Files that give rights to the user who runs them: refused in applications, kept in a base, never made by an
 * ordinary user.
 */
export const privileges: Area = {
  area: 'privileges',
  cases: [
    ...tarCases([
      ['a set-uid file of root', tar(setuid()), 'PRIVILEGED', APPLICATION],
      ['a set-gid file of root', tar(setuid({ mode: '0002755\0' })), 'PRIVILEGED', APPLICATION],
      ['a set-uid file deep below', tar('a/b/c/x', setuid({ name: 'a/b/c/su' })), 'PRIVILEGED', APPLICATION],
      [
        'a set-uid file through a hard link',
        tar(setuid(), hardlink('harmless', 'su')),
        'PRIVILEGED',
        APPLICATION
      ],
      [
        "a set-uid file that becomes root's by --owner",
        tar(setuid({ uid: '0001750\0' })),
        'PRIVILEGED',
        { settings: { kind: 'application', owner: { uid: 0, gid: 0 } } }
      ],
      ['a set-uid file in a library', tar(setuid()), 'PRIVILEGED', { settings: { kind: 'library' } }],
      ['the memory of the machine', tar(device('mem', '3', 1, 1)), 'PRIVILEGED', APPLICATION],
      ['a disk', tar(device('sda', '4', 8, 0)), 'PRIVILEGED', APPLICATION],
      [
        'a capability',
        tar(described({ 'SCHILY.xattr.security.capability': CAPABILITY })),
        'PRIVILEGED',
        APPLICATION
      ],
      [
        'a set-uid file with an escape in its name',
        tar(setuid({ name: '\x1b[2J' })),
        'PRIVILEGED',
        APPLICATION
      ],
      ['a set-uid bit on a directory', tar(directory('d/', { mode: '0006777\0' })), 'confined', APPLICATION]
    ]),
    tarCase({
      name: 'a set-uid file of root in a base',
      archives: [tar(setuid())],
      expect: 'confined',
      check: (_, { target }) => {
        const { mode, uid } = lstatSync(join(target, 'su'))
        if (process.getuid!() !== 0) assert.is(mode & 0o6000, 0, 'an ordinary user gives no set-id bits')
        else assert.is(uid, 0)
      }
    })
  ]
}
