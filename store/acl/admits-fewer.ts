/**
 * Compares the access of two directories: finds rights that one directory denies to somebody and the other one gives.
 * The answer decides which of two modules' directories may stand for both (spec/merge.md#fewer). All possible
 * identities count except root, to whom nothing is denied. Each entry is looked at once, since an ACL may have
 * thousands.
 */
import { type Acl, minimalAcl } from './acl.ts'
import { ALL, type Grants, type Guarded, grantsOf, union } from './grants.ts'

/** With the mode, because the sticky bit is not part of an ACL. */
export interface GuardedDirectory extends Guarded {
  mode: number
}

const ROOT_UID = 0
const WRITE = 2
const STICKY = 0o1000

/** Rights (r, w, x) that `wider` gives to somebody and `narrower` denies to them. */
export function rightsDenied(narrower: GuardedDirectory, wider: GuardedDirectory): number {
  const denying = grantsOf(narrower)
  const giving = asLinuxReads(grantsOf(wider))
  const denied = deniedToMembers(denying, giving) | deniedToUsers(denying, giving, narrower.uid, wider.uid)
  // In a sticky directory, only owners may remove names.
  const isSticky = (narrower.mode & ~wider.mode & STICKY) !== 0
  return isSticky ? denied | (givenToOthers(giving) & WRITE) : denied
}

/** Bounds for new files in a directory without default ACL: at most every right, at least the usual ones. */
const AT_MOST = minimalAcl(0o777)
const AT_LEAST = minimalAcl(0o755)

/** Like `rightsDenied`, for files that will be made in the directories: compares their default ACLs. */
export function rightsDeniedBelow(narrower: Acl | undefined, wider: Acl | undefined): number {
  if (narrower === undefined && wider === undefined) return 0
  const guarded = (access: Acl) => ({ mode: 0, uid: NOBODY, gid: NOBODY, access })
  return rightsDenied(guarded(narrower ?? AT_LEAST), guarded(wider ?? AT_MOST))
}

/** A new file belongs to the user who makes it and to one of their groups, so no named entry is about its owner. */
const NOBODY = -1

/** Linux skips an ACL with an empty mask: named users and groups then have the rights of others. */
function asLinuxReads(grants: Grants): Grants {
  return grants.hasEmptyMask ? { ...grants, users: new Map(), groups: new Map() } : grants
}

interface Members {
  /** Rights by gid, the owning group among them. */
  rights: Map<number, number>
  other: number
}

const membersOf = ({ ownGroup, ownGid, groups, other }: Grants): Members => ({
  rights: new Map([...groups, [ownGid, ownGroup]]),
  other
})

/**
 * Rights denied to users that no entry names, for any set of groups that they may be in. One group's entry gives a
 * right or, if no entry is about any of their groups, `other::` does. So testing sets of two groups finds every denied
 * right.
 */
function deniedToMembers(denying: Grants, giving: Grants): number {
  const given = membersOf(giving)
  const kept = membersOf(denying)
  let denied = given.other & ~kept.other
  let byAnyEntry = 0
  for (const [gid, rights] of kept.rights) {
    byAnyEntry |= ~rights
    if (!given.rights.has(gid)) denied |= given.other & ~rights
  }
  for (const [gid, rights] of given.rights) {
    const same = kept.rights.get(gid)
    // Members of this group alone have the denying side's `other::`; members of another group too have that group's
    // entry.
    denied |= rights & (same === undefined ? ~kept.other | byAnyEntry : ~same)
  }
  return denied & ALL
}

/** Rights denied to users who are named or are an owner, whatever groups they are in. */
function deniedToUsers(denying: Grants, giving: Grants, ownerDenying: number, ownerGiving: number): number {
  const kept = new Map([...denying.users, [ownerDenying, denying.owner]])
  const given = new Map([...giving.users, [ownerGiving, giving.owner]])
  kept.delete(ROOT_UID)
  given.delete(ROOT_UID)
  const members = membersOf(denying)
  const keptByMembers = [...members.rights.values()].reduce(
    (common, rights) => common & rights,
    members.other
  )
  const givenToMembers = givenToOthers({ ...giving, users: new Map() })
  let denied = 0
  for (const [uid, rights] of given) denied |= rights & ~(kept.get(uid) ?? keptByMembers)
  for (const [uid, rights] of kept) if (!given.has(uid)) denied |= givenToMembers & ~rights
  return denied & ALL
}

/** Rights that anybody but the owner may have. */
const givenToOthers = ({ ownGroup, other, users, groups }: Grants): number =>
  union([ownGroup, other, ...users.values(), ...groups.values()])
