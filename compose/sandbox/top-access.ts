/**
 * Who may enter a sandbox: of those whom the tree's own top admits, the audience of what is in it, and nobody else
 * (spec/sandbox.md#top). What is stored of the top stays in the record; this is what is applied, so it is no edit.
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
 * @param truth with what would be applied for everyone
 * @param owner whom the directory belongs to: the stored owner, whom the audience may leave out, does not get it
 * @param before for whom that was planned: the stored owner, or the one above
 * @param hasAcls where not, the owner alone can enter
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

/** What the top gives at least to everybody of the audience whom an entry with this id speaks of. */
function rightsWithin(
  audience: Audience,
  top: TopOwner & { mode: number; access?: Acl },
  owner: TopOwner
): (id: number) => number {
  const mode = modeFor(audience, { ...top, kind: Kind.directory })
  const [asOwner, asGroup, asOther] = [mode >> 6, mode >> 3, mode].map(bits => bits & ENTER)
  if (audience.kind === 'user')
    return () => (audience.uid === top.uid ? asOwner : audience.groups.includes(top.gid) ? asGroup : asOther)
  // The stored owner may be a member, and is judged as one from here on.
  const ofAll = top.uid === owner.uid ? ENTER : asOwner
  return gid => ofAll & asGroup & (gid === top.gid ? ENTER : asOther)
}

/**
 * Whether the top belongs to root in place of its stored owner: `limitTop` left it so. A chown of it to root is then
 * taken for that.
 */
export const isTopOfRoot = (
  { applied, appliedMode }: SandboxRecord,
  inode: number,
  { uid, gid }: TopOwner
): boolean => inode === 0 && applied === 'root' && (appliedMode[0] & OTHERS) === 0 && uid === 0 && gid === 0
