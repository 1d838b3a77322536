import * as assert from 'uvu/assert'
import { editedPermissions, type Permissions } from '../../../compose/sandbox/edited-permissions.ts'
import { IdNames } from '../../../store/accounts/id-names.ts'
import { formatAclLine, parseAclText } from '../../../store/acl/acl-text.ts'
import { suite } from '../../helpers/suite.ts'

const edits = suite('sandbox: edited permissions')

const permissions = (mode: number, acl?: string): Permissions =>
  acl === undefined
    ? { mode }
    : { mode, access: parseAclText(acl, { resolve: new IdNames(), where: { source: 'test' } }).access! }

const shown = ({ mode, access }: Permissions) =>
  `${mode.toString(8)}${access === undefined ? '' : ` ${formatAclLine(access)}`}`

const edited = (stored: Permissions, applied: Permissions, now: Permissions) =>
  shown(editedPermissions(stored, applied, now))

edits('chmod changes the bits that differ from the applied mode, and keeps the others as stored', () => {
  assert.is(edited(permissions(0o4750), permissions(0o700), permissions(0o720)), '4770')
  assert.is(edited(permissions(0o640), permissions(0o600), permissions(0o755)), '755')
  assert.is(edited(permissions(0o640), permissions(0o600), permissions(0o600)), '640')
  assert.is(edited(permissions(0o400), permissions(0o600), permissions(0o400)), '400')
  assert.is(edited(permissions(0o755), permissions(0o755), permissions(0o2755)), '2755')
})

const STORED = permissions(0o770, 'u::rwx,u:7:r-x,g::rwx,m::rwx,o::---')
const APPLIED = permissions(0o770, 'u::rwx,u:7:r-x,g::---,m::rwx,o::---')

edits('chmod on a file with an ACL changes the mask', () => {
  const now = permissions(0o750, 'u::rwx,u:7:r-x,g::---,m::r-x,o::---')
  assert.is(edited(STORED, APPLIED, now), '750 user::rwx,user:7:r-x,group::rwx,mask::r-x,other::---')
})

edits('the mask that setfacl computed counts what the stored group has', () => {
  const now = permissions(0o750, 'u::rwx,u:7:r-x,u:8:r--,g::---,m::r-x,o::---')
  assert.is(
    edited(STORED, APPLIED, now),
    '770 user::rwx,user:7:r-x,user:8:r--,group::rwx,mask::rwx,other::---'
  )
})

edits('setfacl takes over new, changed and removed entries', () => {
  const now = permissions(0o770, 'u::rwx,g::---,g:9:rw-,m::rwx,o::--x')
  assert.is(edited(STORED, APPLIED, now), '771 user::rwx,group::rwx,group:9:rw-,mask::rwx,other::--x')
  assert.is(edited(STORED, APPLIED, permissions(0o700)), '770')
  assert.is(
    edited(permissions(0o644), permissions(0o644), permissions(0o674, 'u::rw-,u:1:rwx,g::r--,m::rwx,o::r--')),
    '674 user::rw-,user:1:rwx,group::r--,mask::rwx,other::r--'
  )
})

edits('an ACL that was only recorded stays, and chmod means its mask', () => {
  assert.is(
    edited(STORED, permissions(0o700), permissions(0o700)),
    '770 user::rwx,user:7:r-x,group::rwx,mask::rwx,other::---'
  )
  assert.is(
    edited(STORED, permissions(0o750), permissions(0o701)),
    '721 user::rwx,user:7:r-x,group::rwx,mask::-w-,other::--x'
  )
})

edits.run()
