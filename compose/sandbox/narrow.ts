/**
 * Computes permissions of a file that an ordinary user owns in place of its stored owner (spec/sandbox.md#narrowing).
 *
 * No other user may get a right that the stored ACL denied. Two classes now contain other people: the owning group is
 * that of the user, and the stored owner and group are among the others. So each of the two classes gets only the
 * rights that all people who may have come into it have. The owner gets read and write, because otherwise the tree
 * could be neither edited nor read back.
 */
import { type Acl, type AclEntry, isNamed, minimalAcl, modeOf } from '../../store/acl/index.ts'

export interface Stored {
  isDirectory: boolean
  mode: number
  uid: number
  gid: number
  /** Undefined if there is no access ACL. */
  access?: Acl
}

export interface Narrowed {
  /** Includes the sticky bit of a directory, but never set-id bits. */
  mode: number
  access?: Acl
}

const ALL = 7
const STICKY = 0o1000

/**
 * @param gid of the files that the user makes
 * @param hasAcls true if named entries can be set; if not, they narrow the classes instead
 */
export function narrow(stored: Stored, gid: number, hasAcls: boolean): Narrowed {
  const { isDirectory, mode, access } = stored
  const acl = access ?? minimalAcl(mode)
  const owner = permOf(acl, 'user_obj')!
  const mask = permOf(acl, 'mask') ?? ALL
  const group = permOf(acl, 'group_obj')! & mask
  const namedUsers = intersection(acl, 'user', mask)
  const namedGroups = intersection(acl, 'group', mask)
  const hiddenNames = hasAcls ? ALL : namedUsers & namedGroups
  const isOwnGroup = stored.gid === gid
  const others = permOf(acl, 'other')! & owner & (isOwnGroup ? ALL : group) & hiddenNames
  // Users who are only in the user's group were among the others, unless the ACL names them.
  const ownGroup = isOwnGroup
    ? group & owner & (hasAcls ? ALL : namedUsers)
    : permOf(acl, 'other')! & group & owner & namedGroups & (hasAcls ? ALL : namedUsers)
  const user = owner | 6 | (isDirectory || mode & 0o111 ? 1 : 0)
  const sticky = isDirectory ? mode & STICKY : 0
  if (!hasAcls || access === undefined) return { mode: sticky | (user << 6) | (ownGroup << 3) | others }
  const narrowed: Acl = {
    entries: access.entries.map((entry): AclEntry => {
      if (entry.tag === 'user_obj') return { ...entry, perm: user }
      if (entry.tag === 'group_obj') return { ...entry, perm: ownGroup }
      if (entry.tag === 'other') return { ...entry, perm: others }
      // `user::` alone applied to the stored owner, who now counts as a named user or as a member of groups.
      const isOther = entry.tag === 'mask' || (entry.tag === 'user' && entry.id !== stored.uid)
      return isOther ? entry : { ...entry, perm: entry.perm & owner }
    })
  }
  return { mode: sticky | modeOf(narrowed), access: narrowed }
}

/**
 * The default ACL of such a directory. Files made below it belong to the user's group, too.
 * @param gid of the files that the user makes
 */
export function narrowDefault(acl: Acl, storedGid: number, gid: number): Acl {
  if (storedGid === gid) return acl
  const other = permOf(acl, 'other')!
  return {
    entries: acl.entries.map(entry =>
      entry.tag === 'group_obj' ? { ...entry, perm: entry.perm & other } : entry
    )
  }
}

const permOf = (acl: Acl, tag: AclEntry['tag']): number | undefined =>
  acl.entries.find(entry => entry.tag === tag)?.perm

/** Rights that all named users, or groups, have; all rights if none is named. */
const intersection = (acl: Acl, tag: 'user' | 'group', mask: number): number =>
  acl.entries.reduce(
    (rights, entry) => (isNamed(entry.tag) && entry.tag === tag ? rights & entry.perm & mask : rights),
    ALL
  )
