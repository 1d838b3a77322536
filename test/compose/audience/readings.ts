/** The rights of a person, written from acl(5) and from Linux. No code is shared with the tested one. */
import type { Person, RandomInode } from './random-acl.ts'

const isMember = ({ gid, groups }: Person, id: number): boolean => gid === id || groups.includes(id)
/** Shift of the class of mode bits that applies to a person. */
export const shiftOf = (person: Person, { uid, gid }: RandomInode): number =>
  person.uid === uid ? 6 : isMember(person, gid) ? 3 : 0

export type Reading = (person: Person, inode: RandomInode, wanted: number) => boolean

/** The algorithm of acl(5), written down from there: one wanted right, entries in order, the first match decides. */
const acl5: Reading = (person, { uid, gid, access }, wanted) => {
  const entries = access!.entries
  const mask = entries.find(entry => entry.tag === 'mask')
  const masked = (perm: number) => (perm & (mask ? mask.perm : 7) & wanted) === wanted
  let found = false
  for (const { tag, id, perm } of entries) {
    if (tag === 'user_obj' && person.uid === uid) return (perm & wanted) === wanted
    if (tag === 'user' && person.uid === id) return masked(perm)
    if ((tag === 'group_obj' && isMember(person, gid)) || (tag === 'group' && isMember(person, id!))) {
      found = true
      if ((perm & wanted) === wanted) return masked(perm)
    }
    if (tag === 'other') return !found && (perm & wanted) === wanted
  }
  throw new Error('an ACL without other::')
}

/** Linux acl_permission_check: without group bits in the mode, which are the mask's, the ACL is not read. */
export const linux: Reading = (person, inode, wanted) => {
  if (inode.access !== undefined && (inode.mode & 0o070) !== 0) return acl5(person, inode, wanted)
  return ((inode.mode >> shiftOf(person, inode)) & wanted) === wanted
}

/** Linux and acl(5) both. */
export const strictest: Reading = (person, inode, wanted) =>
  linux(person, inode, wanted) && (inode.access === undefined || acl5(person, inode, wanted))

const BITS = [4, 2, 1]
export const rightsOf = (person: Person, inode: RandomInode, reading: Reading): number =>
  BITS.filter(bit => reading(person, inode, bit)).reduce((a, b) => a | b, 0)
