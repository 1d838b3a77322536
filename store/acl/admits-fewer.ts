/**
 * Whether what guards one directory denies somebody a right that what guards another one gives: which of two modules'
 * directories may stand for both (spec/merge.md#fewer). All identities that there can be are looked at, but root, whom
 * nothing denies anything; each entry once, since an ACL may have thousands.
 */
import { type Acl, minimalAcl } from './acl.ts'
import { ALL, type Grants, type Guarded, grantsOf, union } from './grants.ts'

/** With the mode, whose sticky bit is no part of an ACL. */
export interface GuardedDirectory extends Guarded {
  mode: number
}

const ROOT_UID = 0
const WRITE = 2
const STICKY = 0o1000

/** Rights (r, w, x) that `wider` gives to somebody, and `narrower` denies. */
export function rightsDenied(narrower: GuardedDirectory, wider: GuardedDirectory): number {
  const denying = grantsOf(narrower)
  const giving = asLinuxReads(grantsOf(wider))
  const denied = deniedToMembers(denying, giving) | deniedToUsers(denying, giving, narrower.uid, wider.uid)
  // Of a sticky directory only owners remove names.
  const isSticky = (narrower.mode & ~wider.mode & STICKY) !== 0
  return isSticky ? denied | (givenToOthers(giving) & WRITE) : denied
}

/** What a directory says of files to come when it has no default ACL: at most everything, at least what is usual. */
const AT_MOST = minimalAcl(0o777)
const AT_LEAST = minimalAcl(0o755)

/** The same of what is made in the directories, by their default ACLs. */
export function rightsDeniedBelow(narrower: Acl | undefined, wider: Acl | undefined): number {
  if (narrower === undefined && wider === undefined) return 0
  const guarded = (access: Acl) => ({ mode: 0, uid: NOBODY, gid: NOBODY, access })
  return rightsDenied(guarded(narrower ?? AT_LEAST), guarded(wider ?? AT_MOST))
}

/** Whoever makes a file owns it, and so does a group of theirs: nobody that an entry names. */
const NOBODY = -1

/** An empty mask is not read by Linux: whom the entries name has what others have. */
function asLinuxReads(grants: Grants): Grants {
  return grants.hasEmptyMask ? { ...grants, users: new Map(), groups: new Map() } : grants
}

interface Members {
  /** By gid, the owning group among them. */
  rights: Map<number, number>
  other: number
}

const membersOf = ({ ownGroup, ownGid, groups, other }: Grants): Members => ({
  rights: new Map([...groups, [ownGid, ownGroup]]),
  other
})

/**
 * To whoever is in any set of groups, and named by no entry. A right is given by one group's entry or, where no entry
 * speaks of any of the groups, by `other::`; sets of two are enough to find every right that is denied.
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
    // A member of this group alone, or of another one too, whose entry then speaks of them and not `other::`.
    denied |= rights & (same === undefined ? ~kept.other | byAnyEntry : ~same)
  }
  return denied & ALL
}

/** To those who are named or own something, whatever groups they are in. */
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

/** To anybody but the owner. */
const givenToOthers = ({ ownGroup, other, users, groups }: Grants): number =>
  union([ownGroup, other, ...users.values(), ...groups.values()])
