/**
 * The rights that an access ACL gives (acl(5), Linux posix_acl_permission). The owner has those of `user::`, a named
 * user those of their entry. Members of the owning or a named group have a right if the entry of one of these groups
 * has it. All others have those of `other::`. The mask limits all entries but `user::` and `other::`.
 *
 * With an empty mask Linux does not read the ACL at all (fs/namei.c acl_permission_check): named users, and users who
 * are only in named groups, have the rights of `other::`. For one user, we say what Linux gives. An audience of many
 * users gets only rights that both readings give, since an author who wrote `user:7:---` meant it.
 *
 * A right is r, w or x alone. A kernel that is asked for two at once wants both from one group's entry, which mode bits
 * cannot express (spec/audience.md#limits).
 */
import type { Acl, AclTag } from './acl.ts'

/** Something with an access ACL. Owner and group decide which entries apply to whom. */
export interface Guarded {
  uid: number
  gid: number
  access: Acl
}

/** Entries that can decide about somebody's rights, after the mask. r = 4, w = 2, x = 1. */
export interface Grants {
  owner: number
  /** For members of the owning group: `group::`, and a named entry of the same group. */
  ownGroup: number
  ownGid: number
  other: number
  /** Rights by uid, without the owner, for whom `user::` decides. */
  users: Map<number, number>
  /** Rights by gid, without the owning group. */
  groups: Map<number, number>
  hasEmptyMask: boolean
}

export const ALL = 7

export function grantsOf({ uid, gid, access }: Guarded): Grants {
  const permOf = (tag: AclTag) => access.entries.find(entry => entry.tag === tag)?.perm
  const mask = permOf('mask') ?? ALL
  const named = (tag: 'user' | 'group') =>
    new Map(access.entries.filter(entry => entry.tag === tag).map(({ id, perm }) => [id!, perm & mask]))
  const users = named('user')
  const groups = named('group')
  const ownGroup = (permOf('group_obj')! & mask) | (groups.get(gid) ?? 0)
  users.delete(uid)
  groups.delete(gid)
  return {
    owner: permOf('user_obj')!,
    ownGroup,
    ownGid: gid,
    other: permOf('other')!,
    users,
    groups,
    hasEmptyMask: mask === 0
  }
}

export interface Identity {
  uid: number
  /** All groups, the primary one too. */
  groups: number[]
}

export type OwnerClass = 'owner' | 'group' | 'other'

/** The class of mode bits that applies to an identity where ACLs are not read. */
export function classOf({ uid, groups }: Identity, inode: { uid: number; gid: number }): OwnerClass {
  if (uid === inode.uid) return 'owner'
  return groups.includes(inode.gid) ? 'group' : 'other'
}

/** The rights that Linux gives to one identity, without privileges of root. */
export function rightsOf(identity: Identity, grants: Grants, inode: { uid: number; gid: number }): number {
  const own = classOf(identity, inode)
  if (own === 'owner') return grants.owner
  if (grants.hasEmptyMask) return own === 'group' ? 0 : grants.other
  const asUser = grants.users.get(identity.uid)
  if (asUser !== undefined) return asUser
  const asMember = identity.groups.flatMap(gid => grants.groups.get(gid) ?? [])
  if (own === 'group') asMember.push(grants.ownGroup)
  return asMember.length > 0 ? union(asMember) : grants.other
}

export const union = (rights: Iterable<number>): number => [...rights].reduce((a, b) => a | b, 0)
export const common = (rights: Iterable<number>): number => [...rights].reduce((a, b) => a & b, ALL)
