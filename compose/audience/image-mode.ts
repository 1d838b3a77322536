/**
 * Mode bits of something with an ACL, in an image whose readers enforce none (spec/audience.md#modes). Each class
 * gets what the ACL gives to everybody of the audience who falls into that class: nobody in it gains. Those outside
 * cannot open the image file; a class that nobody of the audience falls into gets what it would for everyone.
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
  /** As stored, 0..0o7777: with an ACL, its group bits are the mask's. */
  mode: number
  uid: number
  gid: number
  /** Without one the stored mode says all, for every audience. */
  access?: Acl
  /** A `Kind`. */
  kind: number
}

/** `audience`: the rule above. `group`: `group::` ∧ mask and `other::`, whatever named entries take away. */
export type AclModes = 'audience' | 'group'

export interface ClassRights {
  owner: number
  group: number
  other: number
}

/**
 * Set-id and sticky bits stay as stored: nobody may run what he could not, and set-gid, which counts only beside the
 * group's `x`, is not woken, since the group's bits lie within the mask.
 */
export function modeFor(audience: Audience, input: ModeInput, aclModes: AclModes = 'audience'): number {
  const { mode, access } = input
  if (access === undefined) return mode
  const grants = grantsOf({ ...input, access })
  const { owner, group, other } =
    aclModes === 'group' ? groupModes(access, grants) : classRights(audience, grants, input)
  return (mode & 0o7000) | (owner << 6) | (group << 3) | other
}

/** The linker's rule for an audience. */
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

/** What members of each group have at least, in common: everybody of the audience is a member of one. */
const memberRights = (gids: number[], grants: Grants, ownerGid: number): ClassRights =>
  memberRule(grants, ownerGid)(gids)

/** The same for one ACL and many audiences: what depends on the ACL alone is found once. */
export function memberRule(grants: Grants, ownerGid: number): (gids: number[]) => ClassRights {
  const everyone = everyoneRights(grants)
  const allUsers = common(grants.users.values())
  return gids => {
    const group = common(gids.map(gid => (grants.ownGroup | (grants.groups.get(gid) ?? 0)) & allUsers))
    // Members of the owning group are not in the class of others.
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
  // Root may run a file if any `x` stands in its mode, where the mask's may be the only one: keep one.
  if (user.uid === 0 && input.kind !== Kind.directory && (input.mode & 0o111) !== 0) rights |= 1
  return { ...everyoneRights(grants), [classOf(user, input)]: rights }
}
