import * as assert from 'uvu/assert'
import { IdNames } from '../../../store/accounts/id-names.ts'
import {
  ACCESS_ATTRIBUTE,
  DEFAULT_ATTRIBUTE,
  decodeAcl,
  encodeAcl,
  minimalAcl
} from '../../../store/acl/acl.ts'
import { foreignAttribute } from '../../../store/acl/foreign-attribute.ts'
import { formatGetfacl, parseGetfacl } from '../../../store/acl/getfacl-text.ts'
import { formatGetfattr, parseGetfattr } from '../../../store/acl/getfattr-text.ts'
import type { PathBytes } from '../../../store/values/path-bytes.ts'
import type { FuzzTarget } from '../target.ts'
import { changedText } from './bytes.ts'

const ACL_WORDS = [
  'user::rwx',
  'user:7:rw-',
  'default:',
  'group::---',
  'mask::r-x',
  'other::',
  '# file: ',
  '# owner: 0',
  '# flags: s-t',
  '\\040',
  '#effective:r--',
  '4294967295',
  '-1',
  'root'
]

const acls = (bytes: Uint8Array) => parseGetfacl(bytes, { source: 'fuzz', resolve: new IdNames() })

export const getfaclTarget: FuzzTarget = {
  name: 'getfacl',
  seeds: () =>
    [
      '# file: a\n# owner: root\n# group: 7\n# flags: s-t\nuser::rw-\nuser:7:rw-\t#effective:r--\ngroup::r--\nmask::r--\nother::r--\n\n',
      '# file: d\nuser::rwx\ngroup::r-x\nother::r-x\ndefault:user::rwx\ndefault:user:9:rwx\ndefault:group::---\ndefault:mask::rwx\ndefault:other::---\n\n# file: e\\040f\nu::rw,g::r,o::r\n'
    ].map(text => Buffer.from(text)),
  words: ACL_WORDS,
  mutate: (bytes, random) => changedText(bytes, random, ACL_WORDS),
  execute(bytes) {
    const blocks = acls(bytes)
    const written = formatGetfacl(
      blocks.map(block => ({ ...block, access: block.access ?? minimalAcl(0o644) }))
    )
    const again = acls(written)
    assert.equal(
      again.map(({ path, default: defaults, flags = 0 }) => ({ path, defaults, flags })),
      blocks.map(({ path, default: defaults, flags = 0 }) => ({ path, defaults, flags }))
    )
    for (const [i, { access }] of blocks.entries())
      if (access !== undefined) assert.equal(again[i].access, access)
  }
}

const ATTRIBUTE_WORDS = [
  'user.a',
  '="text"',
  '=0x00',
  '=0sAA==',
  '# file: ',
  '\\134',
  '\\000',
  '"',
  'trusted.overlay.opaque',
  'system.posix_acl_access',
  'security.'
]

/** No listing holds other names. */
const isKept = (name: PathBytes): boolean =>
  name === ACCESS_ATTRIBUTE || name === DEFAULT_ATTRIBUTE || foreignAttribute(name) === undefined

export const getfattrTarget: FuzzTarget = {
  name: 'getfattr',
  seeds: () =>
    [
      '# file: a\nuser.a="text \\012 \\"q\\""\nuser.b=0x0aff\ntrusted.c=0sAAEC\nuser.d=""\n\n# file: b\\134c\nsecurity.x=0x\n\n'
    ].map(text => Buffer.from(text)),
  words: ATTRIBUTE_WORDS,
  mutate: (bytes, random) => changedText(bytes, random, ATTRIBUTE_WORDS),
  execute(bytes) {
    const blocks = parseGetfattr(bytes, 'fuzz').flatMap(block => {
      const attributes = new Map([...block.attributes].filter(([name]) => isKept(name)))
      return attributes.size > 0 ? [{ ...block, attributes }] : []
    })
    const again = parseGetfattr(formatGetfattr(blocks), 'fuzz')
    const plain = (list: typeof blocks) =>
      list.map(({ path, attributes }) => [
        path,
        [...attributes].map(([name, value]) => [name, [...value]]).sort()
      ])
    assert.equal(JSON.stringify(plain(again)), JSON.stringify(plain(blocks)))
  }
}

export const aclTarget: FuzzTarget = {
  name: 'acl',
  seeds: () => [
    encodeAcl({
      entries: [
        { tag: 'user_obj', perm: 7 },
        { tag: 'user', id: 7, perm: 5 },
        { tag: 'group_obj', perm: 5 },
        { tag: 'mask', perm: 5 },
        { tag: 'other', perm: 0 }
      ]
    }),
    encodeAcl(minimalAcl(0o640))
  ],
  execute(bytes) {
    const acl = decodeAcl(bytes)
    assert.equal(decodeAcl(encodeAcl(acl)), acl)
  }
}
