/**
 * What an access ACL gives to whom (acl(5), Linux posix_acl_permission): the owner by `user::`; else a named user by
 * that entry; else whoever is in the owning or a named group gets a right if the entry of one of these groups has it;
 * else `other::`. The mask cuts all but `user::` and `other::`.
 *
 * With an empty mask Linux does not read the ACL at all (fs/namei.c acl_permission_check): named users, and members of
 * named groups alone, have what `other::` gives. What one user has is what Linux gives; an audience of many gets
 * what both readings give, since whoever wrote `user:7:---` meant it.
 *
 * A right is r, w or x alone. A kernel asked for two at once wants both from one group's entry, which no mode bits
 * can say (spec/audience.md#limits).
 */
import type { Acl, AclTag } from './acl.ts'

/** Something with an access ACL: owner and group decide which entries speak of whom. */
export interface Guarded {
  uid: number
  gid: number
  access: Acl
}

/** Entries that can decide for somebody, after the mask. r = 4, w = 2, x = 1. */
export interface Grants {
  owner: number
  /** For members of the owning group: `group::`, and an entry that names the same group. */
  ownGroup: number
  ownGid: number
  other: number
  /** By uid. Without the owner, whom `user::` speaks of. */
  users: Map<number, number>
  /** By gid. Without the owning group. */
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

/** The class of mode bits that a reader without ACLs goes by. */
export function classOf({ uid, groups }: Identity, inode: { uid: number; gid: number }): OwnerClass {
  if (uid === inode.uid) return 'owner'
  return groups.includes(inode.gid) ? 'group' : 'other'
}

/** What Linux gives to one identity; privileges of root do not count. */
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
