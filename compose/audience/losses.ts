/**
 * What mode bits cannot give to an audience although the ACL does. A named entry is lost in part when somebody of
 * the audience may be left with less: which class a named user falls into is not known, so both count.
 */
import type { AclEntry } from '../../store/acl/acl.ts'
import { type Audience, groupsOf } from './audience.ts'
import { grantsOf } from './grants.ts'
import { type AclModes, type ModeInput, modeFor } from './image-mode.ts'

export interface Loss {
  /** Of the ACL: `user`, `group`, or `group_obj` and `other`, when a named entry that bars somebody costs others. */
  entry: AclEntry
  /** What is lost of it, after the mask. */
  rights: number
}

/** In the order of the ACL. A user loses nothing, and what others lose does not concern an image for one user. */
export function lossesOf(audience: Audience, input: ModeInput, aclModes: AclModes = 'audience'): Loss[] {
  const { access, gid } = input
  if (access === undefined || (audience.kind === 'user' && aclModes === 'audience')) return []
  const grants = grantsOf({ ...input, access })
  const mode = modeFor(audience, input, aclModes)
  const group = (mode >> 3) & 7
  const other = mode & 7
  // Where the whole audience is in the owning group, nobody goes by the bits of others.
  const members = groupsOf(audience)
  const anyClass = members.length > 0 && members.every(member => member.gid === gid) ? group : group & other
  const missing = (entry: AclEntry): number => {
    switch (entry.tag) {
      case 'user':
        return (grants.users.get(entry.id!) ?? 0) & ~anyClass
      case 'group':
        return entry.id === gid
          ? grants.ownGroup & entry.perm & ~group
          : grants.groups.get(entry.id!)! & ~anyClass
      case 'group_obj':
        return grants.ownGroup & entry.perm & ~group
      case 'other':
        return hasOthers(audience, gid, grants.groups) ? grants.other & ~other : 0
      default:
        return 0
    }
  }
  return access.entries.map(entry => ({ entry, rights: missing(entry) })).filter(({ rights }) => rights !== 0)
}

/** Whether `other::` may be what decides for somebody of the audience. */
function hasOthers(audience: Audience, ownerGid: number, named: Map<number, number>): boolean {
  const members = groupsOf(audience)
  return members.length === 0 || members.some(({ gid }) => gid !== ownerGid && !named.has(gid))
}
