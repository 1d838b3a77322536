/**
 * What mode bits cannot give to an audience although the ACL does. A named entry is lost in part when somebody of
 * the audience may be left with less: which class a named user falls into is not known, so both count.
 */
import { type AclEntry, classOf, type Grants, grantsOf, rightsOf } from '../../store/acl/index.ts'
import { type Audience, groupAudience, groupsOf, type UserAudience } from './audience.ts'
import { type AclModes, type ModeInput, memberRule, modeFor } from './image-mode.ts'

export interface Loss {
  /** Of the ACL: `user`, `group`, or `group_obj` and `other`, when a named entry that bars somebody costs others. */
  entry: AclEntry
  /** What is lost of it, after the mask. */
  rights: number
}

/** In the order of the ACL. */
export function lossesOf(audience: Audience, input: ModeInput, aclModes: AclModes = 'audience'): Loss[] {
  const { access } = input
  if (access === undefined) return []
  const grants = grantsOf({ ...input, access })
  const mode = modeFor(audience, input, aclModes)
  const lostOf =
    audience.kind === 'user'
      ? lostToUser(audience, grants, input, mode)
      : lostToMany(audience, grants, input, mode)
  return access.entries.map(entry => ({ entry, rights: lostOf(entry) })).filter(({ rights }) => rights !== 0)
}

/** Whether an image for a group keeps all that the entry of that group grants. */
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

/** Nothing but with `--acl-modes group`. What others lose does not concern an image for one user. */
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
  // Where the whole audience is in the owning group, nobody goes by the bits of others.
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

/** Whether `other::` may be what decides for somebody of the audience. */
function hasOthers(audience: Audience, ownerGid: number, { groups, hasEmptyMask }: Grants): boolean {
  const members = groupsOf(audience)
  if (members.length === 0) return true
  return members.some(({ gid }) => gid !== ownerGid && (hasEmptyMask || !groups.has(gid)))
}
