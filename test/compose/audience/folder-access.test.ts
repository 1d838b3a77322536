import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type Audience, EVERYONE, groupAudience, userAudience } from '../../../compose/audience/audience.ts'
import { applyFolderAccess } from '../../../compose/audience/folder-access.ts'
import { needing } from '../../helpers/needs.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { withoutAcls } from '../../helpers/without-acls.ts'

const access = suite('audience: the folder of a layout')

function folderFor(audience: Audience, around: string): string {
  const path = join(around, 'layout')
  mkdirSync(path, 0o700)
  const fd = openSync(path, 'r')
  try {
    applyFolderAccess(fd, audience)
  } finally {
    closeSync(fd)
  }
  return path
}

const getfacl = (path: string): string =>
  execFileSync('getfacl', ['-cnpE', path]).toString().trim().split('\n').join(',')

for (const [name, audience, expected] of [
  ['everyone', EVERYONE, 'user::rwx,group::r-x,other::r-x'],
  ['a group', groupAudience([{ gid: 62001 }]), 'user::rwx,group::---,group:62001:r-x,mask::r-x,other::---'],
  [
    'another user',
    userAudience(61001, 61001, []),
    'user::rwx,user:61001:r-x,group::---,mask::r-x,other::---'
  ],
  ['its builder', userAudience(process.geteuid!(), 0, []), 'user::rwx,group::---,other::---']
] as const)
  needing(
    access,
    'getfacl',
    'setfacl'
  )(`for ${name}, getfacl reads ${expected}, whatever the folder around it hands down`, () => {
    const around = scratch()
    chmodSync(around, 0o2755)
    execFileSync('setfacl', ['-d', '-m', 'u:61002:rwx,g:62002:rwx,m::rwx,o::rwx', around])
    assert.is(getfacl(folderFor(audience, around)), expected)
  })

needing(
  access,
  'root',
  'mount'
)('without ACLs, one group is admitted as the owner of the folder', () =>
  withoutAcls(around => {
    chmodSync(around, 0o2755)
    const { mode, gid } = statSync(folderFor(groupAudience([{ gid: 62001 }]), around))
    assert.equal([mode & 0o777, gid], [0o750, 62001])
  })
)

needing(access, 'strace')('is refused if the file system changed the access', () => {
  const [folderAccess, audience] = ['folder-access', 'audience'].map(
    name => new URL(`../../../compose/audience/${name}.js`, import.meta.url).href
  )
  for (const [call, shown, fault] of [
    ['fchmod', 'EVERYONE', 'it has mode 0700, wanted 0755'],
    ['fsetxattr', 'groupAudience([{ gid: 62001 }])', 'it has mode 0700, wanted 0750']
  ]) {
    const folder = scratch()
    chmodSync(folder, 0o700)
    const script = `
      const { applyFolderAccess } = await import(${JSON.stringify(folderAccess)})
      const { EVERYONE, groupAudience } = await import(${JSON.stringify(audience)})
      const { openSync } = await import('node:fs')
      applyFolderAccess(openSync('.', 'r'), ${shown})`
    const inject = ['-f', '-qq', '-o', '/dev/null', '-e', `trace=${call}`, '-e', `inject=${call}:retval=0`]
    const node = [process.execPath, '--input-type=module', '-e', script]
    const { stderr } = spawnSync('strace', [...inject, ...node], { cwd: folder, encoding: 'utf8' })
    assert.match(stderr, new RegExp(`a folder for .* cannot be made here: ${fault}`))
    assert.match(stderr, /IMAGE_ACCESS/)
  }
})

access.run()
