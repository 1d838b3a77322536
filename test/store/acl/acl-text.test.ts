import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { IdNames } from '../../../store/accounts/id-names.ts'
import { aclOf, minimalAcl } from '../../../store/acl/acl.ts'
import { formatAcl, formatAclLine, parseAclRecords, parseAclText } from '../../../store/acl/acl-text.ts'
import { needing } from '../../helpers/needs.ts'
import { refused } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { run } from './tree.ts'

const text = suite('acl text')

const where = { source: 'test.acl', line: 7 }
function namesWith(...users: [string, number][]): IdNames {
  const names = new IdNames()
  for (const [name, id] of users) names.set('user', name, id)
  return names
}
const parse = (source: string, resolve = new IdNames()) => parseAclText(source, { resolve, where })

const EXPECTED = aclOf([
  { tag: 'user_obj', perm: 7 },
  { tag: 'user', id: 1000, perm: 6 },
  { tag: 'group_obj', perm: 5 },
  { tag: 'mask', perm: 7 },
  { tag: 'other', perm: 4 }
])

for (const [title, source] of [
  ['long form by lines', 'user::rwx\nuser:1000:rw-\ngroup::r-x\nmask::rwx\nother::r--\n'],
  ['short form by commas', 'u::rwx,u:1000:rw-,g::r-x,m::rwx,o::r--'],
  ['commas and line ends together', 'u::rwx,\nu:1000:rw-,g::r-x\r\n\n m::rwx ,o::r--\n'],
  [
    'effective rights as comments',
    'user::rwx\nuser:1000:rw-\t#effective:rw-\ngroup::r-x\t\t#effective:r-x\nmask::rwx\nother::r--'
  ],
  ['comment lines', '# x\nuser::rwx\n  # y\nuser:1000:rw-\ngroup::r-x\nmask::rwx\nother::r--'],
  ["star's fourth field", 'user::rwx,user:tester:rw-:1000,group::r-x,mask::rwx,other::r--'],
  ['two fields for mask and other', 'u::rwx,u:1000:rw,g::rx,mask:rwx,o:r'],
  ['digits, and letters in any order', 'u::7,u:1000:wr-,g::x-r,m::xwr,o::4'],
  ['names', 'u::rwx,u:al\\040ice:rw-,g::r-x,m::rwx,o::r--'],
  ['entries in any order', 'o::r--,m::rwx,u:1000:rw-,g::r-x,u::rwx']
] as const)
  text(`reads ${title}`, () => {
    assert.equal(parse(source, namesWith(['al ice', 1000])), { access: EXPECTED })
  })

text('keeps default entries apart', () => {
  const both = 'u::rwx,g::r-x,o::---,default:user::rwx,d:u:1000:rw-,d:g::r-x,d:m::rwx,d:o:r--'
  assert.equal(parse(both), { access: minimalAcl(0o750), default: EXPECTED })
})

text('takes unmarked entries of a PAX default record for the default ACL', () => {
  const options = { resolve: new IdNames(), where }
  const long = formatAcl(EXPECTED)
  assert.equal(parseAclRecords({ default: long }, options), { default: EXPECTED })
  assert.equal(parseAclRecords({ default: formatAcl(EXPECTED, { default: true }) }, options), {
    default: EXPECTED
  })
  assert.equal(parseAclRecords({ access: long, default: long }, options), {
    access: EXPECTED,
    default: EXPECTED
  })
  refused(
    () => parseAclRecords({ default: `${long}d:u::rwx,d:g::rwx,d:o::rwx` }, options),
    'ACL_TEXT',
    /two default ACLs/
  )
})

text('remembers the names that came with an id, and those that were looked up', () => {
  const names = namesWith(['bob', 1001])
  parse('u::rwx,user:tester:rw-:1000,user:bob:r--,group:7:r--,g::r-x,m::rwx,o::r--', names)
  assert.equal(
    [...names.used.users],
    [
      [1000, 'tester'],
      [1001, 'bob']
    ]
  )
  assert.equal([...names.used.groups], [])
})

for (const [source, message] of [
  ['u::rwx,g::r-x,o:X', /'X' depends on the file/],
  ['u::rwX,g::r-x,o::r', /'X' depends on the file/],
  ['u::rwx,g::r-x,o::', /permissions missing/],
  ['u::rwx,g::r-x,o::rr', /permissions rr/],
  ['u::rwx,g::r-x,o::8', /permissions 8/],
  ['u::rwx,g::r-x,o::rwxr', /permissions rwxr/],
  ['u::rwx,g::r-x,o:1000:r--', /expected other::rwx/],
  ['u::rwx,g::r-x,o', /expected other::rwx/],
  ['user:rwx,g::r-x,o::r', /expected user:NAME:rwx/],
  ['u::rwx:1000,g::r-x,o::r', /an id, but no name/],
  ['u:a:rwx:1x,g::r-x,o::r', /the id 1x is not a number/],
  ['u:a:rwx:4294967295,g::r-x,o::r', /the id 4294967295/],
  ['u:a:rwx:1:1,g::r-x,o::r', /expected user:NAME:rwx/],
  ['u:a\\x:rwx,g::r-x,o::r', /a backslash that begins no/],
  ['owner@:rwx::allow', /must begin with user, group, mask or other/],
  ['rwxr-xr-x', /must begin with/],
  ['# nothing', /an ACL without entries/],
  ['', /an ACL without entries/]
] as const)
  text(`refuses ${JSON.stringify(source)} and shows it`, () => {
    const error = refused(() => parse(source), 'ACL_TEXT', message)
    assert.match(error.message, /^test\.acl, line 7: /)
    assert.ok('text' in error.facts)
  })

text('refuses an ACL that is none, and names the missing mask', () => {
  const error = refused(
    () => parse('u::rwx,u:1000:r,g::r,o::r'),
    'ACL_INVALID',
    /invalid access ACL: .*no mask/
  )
  assert.is(error.hint, 'add a mask:: entry')
  const defaults = 'u::rwx,g::r,o::r,d:u::rwx,d:u:1:r,d:g::r,d:o::r'
  assert.is(refused(() => parse(defaults), 'ACL_INVALID', /default ACL/).hint, 'add a default:mask:: entry')
  refused(() => parse('u::rwx,g::r,g::r,o::r'), 'ACL_INVALID', /two entries for group:/)
  refused(() => parse('u::rwx,u:1:r,u:1:w,g::r,m::r,o::r'), 'ACL_INVALID', /two entries for user:1/)
  refused(() => parse('u::rwx,o::r'), 'ACL_INVALID', /no group:: entry/)
})

text('names the option that maps an unknown name', () => {
  const error = refused(
    () => parse('u::rwx,g::r,g:staff\\040x:r,m::r,o::r'),
    'NAME_UNKNOWN',
    /the id of group staff x is not known/
  )
  assert.is(error.hint!.split('\n')[0], `--map-group 'staff x'=GID`)
})

text('writes ids unless names are given, and names so that they are read again', () => {
  const awkward = 'a:b, c\\\n\xe9'
  const written = formatAcl(EXPECTED, { names: { users: new Map([[1000, awkward]]), groups: new Map() } })
  assert.is(written.split('\n')[1], 'user:a\\072b\\054\\040c\\\\\\012\xe9:rw-')
  assert.equal(parse(written, namesWith([awkward, 1000])), { access: EXPECTED })
  assert.is(formatAclLine(EXPECTED), 'user::rwx,user:1000:rw-,group::r-x,mask::rwx,other::r--')
})

for (const [program, command] of [
  ['bsdtar', 'bsdtar --acls --format=pax -cf out.tar file'],
  ['tar', 'tar --acls --format=pax -cf out.tar file']
] as const)
  needing(
    text,
    'root',
    'setfacl',
    program
  )(`reads the SCHILY.acl text that ${program} writes`, () => {
    const root = scratch()
    writeFileSync(`${root}/file`, '')
    chmodSync(`${root}/file`, 0o640)
    run(root, 'setfacl -m u:daemon:rw,u:54321:r,g:tty:x,m::rw file', [])
    run(root, command, [])
    const archive = readFileSync(`${root}/out.tar`, 'latin1')
    const record = /(\d+) SCHILY\.acl\.access=/.exec(archive)!
    const value = archive.slice(record.index + record[0].length, record.index + Number(record[1]) - 1)
    const names = namesWith(['daemon', 1])
    names.set('group', 'tty', 5)
    assert.is(
      formatAclLine(parse(value, names).access!),
      'user::rw-,user:1:rw-,user:54321:r--,group::r--,group:5:--x,mask::rw-,other::---'
    )
    assert.equal([...names.used.users], [[1, 'daemon']])
  })

text.run()
