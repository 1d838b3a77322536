/**
 * Rights that an ACL gives to an audience and mode bits cannot. A named entry counts as lost in part if one member of
 * the audience may get less. The class that a named user falls into is not known, so both classes count.
 */
import { type AclEntry, classOf, type Grants, grantsOf, rightsOf } from '../../store/acl/index.ts'
import { type Audience, groupAudience, groupsOf, type UserAudience } from './audience.ts'
import { type AclModes, type ModeInput, memberRule, modeFor } from './image-mode.ts'

export interface Loss {
  /**
   * Entry of the ACL: `user` or `group`; or `group_obj` and `other`, if a named entry that denies rights costs others
   * theirs.
   */
  entry: AclEntry
  /** The rights that are lost, after the mask. */
  rights: number
}

/** Losses in the order of the ACL's entries. */
export function lossesOf(audience: Audience, input: ModeInput, aclModes: AclModes = 'audience'): Loss[] {
  const { access } = input
  if (access === undefined || audience.kind === 'mounted') return []
  const grants = grantsOf({ ...input, access })
  const mode = modeFor(audience, input, aclModes)
  const lostOf =
    audience.kind === 'user'
      ? lostToUser(audience, grants, input, mode)
      : lostToMany(audience, grants, input, mode)
  return access.entries.map(entry => ({ entry, rights: lostOf(entry) })).filter(({ rights }) => rights !== 0)
}

/** Returns a test that is true if an image for the group of an entry keeps all rights of this entry. */
export function groupKeeps(input: ModeInput): (entry: AclEntry) => boolean {
  const { access } = input
  if (access === undefined) return () => true
  const grants = grantsOf({ ...input, access })
  const rightsFor = memberRule(grants, input.gid)
  return entry => {
    const { group, other } = rightsFor([entry.id!])
    const audience = groupAudience([{ gid: entry.id! }])
    return lostToMany(audience, grants, input, (group << 3) | other)(entry) === 0
  }
}

/** Only `--acl-modes group` loses rights here. Losses of other users do not concern an image for one user. */
function lostToUser(user: UserAudience, grants: Grants, input: ModeInput, mode: number) {
  const own = classOf(user, input)
  const memberOf = new Set(user.groups)
  const lost = rightsOf(user, grants, input) & ~(mode >> { owner: 6, group: 3, other: 0 }[own])
  return ({ tag, id, perm }: AclEntry): number => {
    const isTheirs =
      tag === 'user'
        ? id === user.uid
        : tag === 'group'
          ? memberOf.has(id!)
          : tag === (own === 'group' ? 'group_obj' : own)
    return isTheirs ? perm & lost : 0
  }
}

function lostToMany(audience: Audience, grants: Grants, { gid }: ModeInput, mode: number) {
  const group = (mode >> 3) & 7
  const other = mode & 7
  // If the whole audience is in the owning group, the bits of others apply to nobody.
  const members = groupsOf(audience)
  const anyClass = members.length > 0 && members.every(member => member.gid === gid) ? group : group & other
  return ({ tag, id, perm }: AclEntry): number => {
    switch (tag) {
      case 'user':
        return (grants.users.get(id!) ?? 0) & ~anyClass
      case 'group':
        return id === gid ? grants.ownGroup & perm & ~group : grants.groups.get(id!)! & ~anyClass
      case 'group_obj':
        return grants.ownGroup & perm & ~group
      case 'other':
        return hasOthers(audience, gid, grants) ? grants.other & ~other : 0
      default:
        return 0
    }
  }
}

/** True if `other::` may decide for a member of the audience. */
function hasOthers(audience: Audience, ownerGid: number, { groups, hasEmptyMask }: Grants): boolean {
  const members = groupsOf(audience)
  if (members.length === 0) return true
  return members.some(({ gid }) => gid !== ownerGid && (hasEmptyMask || !groups.has(gid)))
}
