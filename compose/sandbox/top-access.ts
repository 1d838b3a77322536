/**
 * Access to a sandbox's top directory: those users whom the tree's root admits and who are in the audience of its
 * content (spec/sandbox.md#top). The record keeps the stored access of the root. This is the applied one, so it is
 * not an edit.
 */
import { type Acl, decodeAcl, encodeAcl, modeOf } from '../../store/acl/index.ts'
import { Kind, latin1 } from '../../store/object/index.ts'
import { type Audience, folderAccess, modeFor } from '../audience/index.ts'
import type { SandboxRecord } from './sandbox-record.ts'
import type { StoredTruth } from './stored-truth.ts'

export interface TopOwner {
  uid: number
  gid: number
}

const SPECIAL_AND_OWNER = 0o7700
const OTHERS = 0o007
const ENTER = 5

/**
 * @param truth with the metadata that would be applied for everyone
 * @param owner owner of the directory, instead of the stored owner, who may not be in the audience
 * @param before owner for whom the metadata was planned: the stored one, or the one above
 * @param hasAcls if false, only the owner can enter
 */
export function limitTop(
  { tables, strings }: StoredTruth,
  audience: Audience,
  { owner, before, hasAcls }: { owner: TopOwner; before: TopOwner; hasAcls: boolean }
): void {
  const mode = tables.appliedMode[0]
  const stored = strings.at(tables.appliedAccess[0])
  const access = stored && decodeAcl(stored)
  const rights = rightsWithin(audience, { mode, access, ...before }, owner)
  const entries = (folderAccess(audience, owner.uid).acl?.entries ?? []).map(entry => {
    if (entry.tag === 'user_obj') return { ...entry, perm: (mode >> 6) & 7 }
    return entry.id === undefined ? entry : { ...entry, perm: entry.perm & rights(entry.id) }
  })
  const admitsAny = hasAcls && entries.some(({ id, perm }) => id !== undefined && perm > 0)
  tables.appliedAccess[0] = admitsAny ? strings.add(latin1(encodeAcl({ entries }))) : 0
  tables.appliedMode[0] = admitsAny ? (mode & 0o7000) | modeOf({ entries }) : mode & SPECIAL_AND_OWNER
}

/** Rights that the top gives at least to all members of the audience whom an entry with this id covers. */
function rightsWithin(
  audience: Audience,
  top: TopOwner & { mode: number; access?: Acl },
  owner: TopOwner
): (id: number) => number {
  const mode = modeFor(audience, { ...top, kind: Kind.directory })
  const [asOwner, asGroup, asOther] = [mode >> 6, mode >> 3, mode].map(bits => bits & ENTER)
  if (audience.kind === 'user')
    return () => (audience.uid === top.uid ? asOwner : audience.groups.includes(top.gid) ? asGroup : asOther)
  // The stored owner may be a member of the audience, and counts as one from here on.
  const ofAll = top.uid === owner.uid ? ENTER : asOwner
  return gid => ofAll & asGroup & (gid === top.gid ? ENTER : asOther)
}

/**
 * True if `limitTop` made root the owner of the top instead of its stored owner. A chown of the top to root is then
 * taken as unchanged.
 */
export const isTopOfRoot = (
  { applied, appliedMode }: SandboxRecord,
  inode: number,
  { uid, gid }: TopOwner
): boolean => inode === 0 && applied === 'root' && (appliedMode[0] & OTHERS) === 0 && uid === 0 && gid === 0
