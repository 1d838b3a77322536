import { execFileSync } from 'node:child_process'
import { chmodSync, closeSync, openSync, statSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type Audience, EVERYONE, groupAudience, userAudience } from '../../../compose/audience/audience.ts'
import { applyImageAccess } from '../../../compose/audience/image-access.ts'
import { needing } from '../../helpers/needs.ts'
import { refused } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { withoutAcls } from '../../helpers/without-acls.ts'

const access = suite('audience: the image file')

/** A file as the linker makes it, with the access of an audience. */
function fileFor(audience: Audience, folder = scratch()): string {
  const path = join(folder, 'image')
  const fd = openSync(path, 'wx', 0o600)
  try {
    applyImageAccess(fd, audience)
  } finally {
    closeSync(fd)
  }
  return path
}

/** Entries without those of the owner, which are the same for all. */
const getfacl = (path: string): string =>
  execFileSync('getfacl', ['-cnpE', path]).toString().trim().split('\n').join(',')

const mode = (path: string): string => (statSync(path).mode & 0o7777).toString(8)
const OWNER = process.geteuid!()
const SOMEBODY = userAudience(61001, 61001, [])

for (const [name, audience, expected] of [
  ['everyone', EVERYONE, 'user::rw-,group::r--,other::r--'],
  ['a group', groupAudience([{ gid: 62001 }]), 'user::rw-,group::---,group:62001:r--,mask::r--,other::---'],
  [
    'two groups',
    groupAudience([{ gid: 62002 }, { gid: 62001 }]),
    'user::rw-,group::---,group:62001:r--,group:62002:r--,mask::r--,other::---'
  ],
  ['another user', SOMEBODY, 'user::rw-,user:61001:r--,group::---,mask::r--,other::---'],
  ['its builder', userAudience(OWNER, 0, []), 'user::rw-,group::---,other::---']
] as const)
  needing(access, 'getfacl')(`for ${name}, getfacl reads ${expected}, whatever the umask`, () => {
    for (const umask of [0o000, 0o022, 0o077]) {
      const before = process.umask(umask)
      try {
        assert.is(getfacl(fileFor(audience)), expected)
      } finally {
        process.umask(before)
      }
    }
  })

needing(
  access,
  'getfacl',
  'setfacl'
)('what a default ACL of the directory would admit is not admitted', () => {
  for (const [audience, expected] of [
    [EVERYONE, 'user::rw-,group::r--,other::r--'],
    [userAudience(OWNER, 0, []), 'user::rw-,group::---,other::---'],
    [SOMEBODY, 'user::rw-,user:61001:r--,group::---,mask::r--,other::---']
  ] as const) {
    const folder = scratch()
    execFileSync('setfacl', ['-d', '-m', 'u:61002:rwx,g:62002:rwx,m::rwx,o::rwx', folder])
    assert.is(getfacl(fileFor(audience, folder)), expected)
  }
})

needing(
  access,
  'root',
  'getfacl'
)('a builder without root can admit groups of which he is no member', () => {
  const folder = scratch()
  chmodSync(folder, 0o777)
  process.setegid!(61500)
  process.seteuid!(61500)
  try {
    const path = fileFor(groupAudience([{ gid: 62001 }]), folder)
    assert.is(getfacl(path), 'user::rw-,group::---,group:62001:r--,mask::r--,other::---')
    assert.is(statSync(path).uid, 61500)
  } finally {
    process.seteuid!(0)
    process.setegid!(0)
  }
})

needing(
  access,
  'root',
  'mount'
)('without ACLs, one group is admitted as the owner of the file', () => {
  withoutAcls(folder => {
    const path = fileFor(groupAudience([{ gid: 62001 }]), folder)
    assert.is(mode(path), '640')
    assert.is(statSync(path).gid, 62001)
  })
  withoutAcls(folder => assert.is(mode(fileFor(EVERYONE, folder)), '644'))
  withoutAcls(folder => assert.is(mode(fileFor(userAudience(OWNER, 0, []), folder)), '600'))
})

needing(
  access,
  'root',
  'mount'
)('without ACLs, what the mode cannot say is refused and the file stays closed', () => {
  const two = groupAudience([{ gid: 62001 }, { gid: 62002 }])
  for (const audience of [two, SOMEBODY])
    withoutAcls(folder => {
      const error = refused(() => fileFor(audience, folder), 'IMAGE_ACCESS', /no POSIX ACLs/)
      assert.match(error.hint!, /--for me/)
      assert.is(mode(join(folder, 'image')), '600')
    })
})

needing(
  access,
  'root',
  'mount'
)('without ACLs, a builder outside the group is told so', () => {
  withoutAcls(folder => {
    chmodSync(folder, 0o777)
    process.setegid!(61500)
    process.seteuid!(61500)
    try {
      refused(
        () => fileFor(groupAudience([{ gid: 62001 }]), folder),
        'IMAGE_ACCESS',
        /cannot be given to the group: EPERM/
      )
    } finally {
      process.seteuid!(0)
      process.setegid!(0)
    }
    assert.is(mode(join(folder, 'image')), '600')
  })
})

access.run()
