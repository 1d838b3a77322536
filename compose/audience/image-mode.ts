/**
 * Mode bits for paths with an ACL, because readers of images do not enforce ACLs (spec/audience.md#modes). Each class
 * of the mode gets the rights that the ACL gives to all members of the audience in this class, so nobody gains a
 * right. Other users cannot open the image file. A class without members of the audience gets its rights for
 * everyone.
 */
import {
  type Acl,
  type AclTag,
  ALL,
  classOf,
  common,
  decodeAcl,
  type Grants,
  grantsOf,
  rightsOf
} from '../../store/acl/index.ts'
import { Kind } from '../../store/object/index.ts'
import type { ModeOf } from '../link/index.ts'
import { type Audience, groupsOf, type UserAudience } from './audience.ts'

export interface ModeInput {
  /** As stored, 0..0o7777. With an ACL, its group bits are the ACL's mask. */
  mode: number
  uid: number
  gid: number
  /** Undefined if there is no access ACL: then the stored mode is right for every audience. */
  access?: Acl
  /** A `Kind`. */
  kind: number
}

/**
 * `audience` is the rule above. `group` takes `group::` ∧ mask and `other::`, and ignores named entries that take
 * rights away.
 */
export type AclModes = 'audience' | 'group'

export interface ClassRights {
  owner: number
  group: number
  other: number
}

/**
 * Set-id and sticky bits stay as stored. No new user can run the file, and set-gid counts only beside the group's
 * `x`, which stays within the mask.
 */
export function modeFor(audience: Audience, input: ModeInput, aclModes: AclModes = 'audience'): number {
  const { mode, access } = input
  if (access === undefined) return mode
  const grants = grantsOf({ ...input, access })
  const { owner, group, other } =
    aclModes === 'group' ? groupModes(access, grants) : classRights(audience, grants, input)
  return (mode & 0o7000) | (owner << 6) | (group << 3) | other
}

/** The mode rule of an audience, for the linker. */
export const modeRule =
  (audience: Audience, aclModes: AclModes = 'audience'): ModeOf =>
  (mode, access, kind, uid, gid) =>
    modeFor(audience, { mode, uid, gid, kind, access: decodeAcl(access) }, aclModes)

function groupModes({ entries }: Acl, { owner, other }: Grants): ClassRights {
  const permOf = (tag: AclTag) => entries.find(entry => entry.tag === tag)?.perm
  return { owner, group: permOf('group_obj')! & (permOf('mask') ?? ALL), other }
}

function classRights(audience: Audience, grants: Grants, input: ModeInput): ClassRights {
  switch (audience.kind) {
    case 'everyone':
    case 'mounted': // if somebody mounts it as any other image
      return everyoneRights(grants)
    case 'group':
    case 'groups':
      return memberRights(
        groupsOf(audience).map(({ gid }) => gid),
        grants,
        input.gid
      )
    case 'user':
      return userRights(audience, grants, input)
  }
}

function everyoneRights({ owner, ownGroup, other, users, groups }: Grants): ClassRights {
  const allUsers = common(users.values())
  return { owner, group: ownGroup & allUsers, other: other & allUsers & common(groups.values()) }
}

/** The rights that members of every group have in common, because everybody in the audience is in one of the groups. */
const memberRights = (gids: number[], grants: Grants, ownerGid: number): ClassRights =>
  memberRule(grants, ownerGid)(gids)

/** The same rule for one ACL and many audiences. The part that depends only on the ACL is computed once. */
export function memberRule(grants: Grants, ownerGid: number): (gids: number[]) => ClassRights {
  const everyone = everyoneRights(grants)
  const allUsers = common(grants.users.values())
  return gids => {
    const group = common(gids.map(gid => (grants.ownGroup | (grants.groups.get(gid) ?? 0)) & allUsers))
    // Members of the owning group never belong to the class of others.
    const outside = gids.filter(gid => gid !== ownerGid)
    const others = outside.map(gid => {
      const asMember = grants.groups.get(gid)
      return asMember === undefined ? everyone.other : asMember & allUsers
    })
    return { ...everyone, group, other: others.length > 0 ? common(others) : everyone.other }
  }
}

function userRights(user: UserAudience, grants: Grants, input: ModeInput): ClassRights {
  let rights = rightsOf(user, grants, input)
  // Root may run a file if any `x` is in its mode. That of the mask may be the only one, so one is kept.
  if (user.uid === 0 && input.kind !== Kind.directory && (input.mode & 0o111) !== 0) rights |= 1
  return { ...everyoneRights(grants), [classOf(user, input)]: rights }
}
