/**
 * Read access to a file of the store (spec/store-layout.md#access): everyone, or the members of some groups. The owner
 * always has it. A file's own group means nothing: in a shared store it is the publishers' group, elsewhere any group
 * of its owner.
 */
import { chmodAt, chownAt, type FileStatus, fstatAt, removeXattr, setXattr } from '../../native/index.ts'
import { groupName } from '../accounts/index.ts'
import {
  ACCESS_ATTRIBUTE,
  type Acl,
  aclOf,
  decodeAcl,
  encodeAcl,
  isUnsupported,
  storedAclBytes
} from '../acl/index.ts'
import { StrataError } from '../values/index.ts'

/** `everyone`, or ids of groups, ascending, each once. An empty list means the owner alone. */
export type FileAccess = 'everyone' | readonly number[]

export const EVERYONE = 'everyone'

const FOR_ALL = 0o444
const FOR_GROUPS = 0o440
const FOR_OWNER = 0o400
const READ = 4

export const accessFor = (gids: Iterable<number>): FileAccess => [...new Set(gids)].sort((a, b) => a - b)

/** Access for everyone whom `a` or `b` admits. */
export const unionOf = (a: FileAccess, b: FileAccess): FileAccess =>
  a === EVERYONE || b === EVERYONE ? EVERYONE : accessFor([...a, ...b])

/** Access for groups that both admit. Users who are in one group of each are left out, because no ACL can express that. */
export function intersectionOf(a: FileAccess, b: FileAccess): FileAccess {
  if (a === EVERYONE) return b
  return b === EVERYONE ? a : a.filter(gid => b.includes(gid))
}

export const isSameAccess = (a: FileAccess, b: FileAccess): boolean => String(a) === String(b)

/** True if `outer` admits everyone whom `inner` admits. */
export const isWithin = (inner: FileAccess, outer: FileAccess): boolean =>
  outer === EVERYONE || (inner !== EVERYONE && inner.every(gid => outer.includes(gid)))

/** `everyone`, `group vasp or gid 4242`, `its owner alone`. */
export function showAccess(access: FileAccess): string {
  if (access === EVERYONE) return 'everyone'
  return access.length === 0 ? 'its owner alone' : access.map(showGid).join(' or ')
}

function showGid(gid: number): string {
  const name = groupName(gid)
  return name === undefined ? `gid ${gid}` : `group ${name}`
}

export interface FoundAccess {
  access: FileAccess
  /** Users whom an ACL names. Strata writes no such entries. */
  users: readonly number[]
  status: FileStatus
}

/** @param fd may be an O_PATH descriptor, so nobody needs read access to ask who has it */
export function readAccess(fd: number): FoundAccess {
  const status = fstatAt(fd)
  const { mode, gid } = status
  if (mode & READ) return { access: EVERYONE, users: [], status }
  const acl = storedAcl(fd)
  if (acl === undefined) return { access: mode & (READ << 3) ? [gid] : [], users: [], status }
  const mask = acl.entries.find(({ tag }) => tag === 'mask')?.perm ?? READ
  const readers = acl.entries.filter(({ perm }) => perm & mask & READ)
  const idsOf = (tag: string) => readers.filter(entry => entry.tag === tag).map(({ id }) => id ?? gid)
  return { access: accessFor([...idsOf('group'), ...idsOf('group_obj')]), users: idsOf('user'), status }
}

/**
 * Makes the file writable by its owner alone and readable for `access`, then reads the result back. At no step is
 * access wider than both the old and the new one.
 * @param path for messages
 * @throws StrataError STORE_ACCESS if the file system cannot express it, or the file is another user's
 */
export function setAccess(fd: number, path: string, access: FileAccess): void {
  try {
    if (access === EVERYONE) setMode(fd, FOR_ALL)
    else if (access.length === 0) setMode(fd, FOR_OWNER)
    else admitGroups(fd, path, access)
  } catch (error) {
    if (error instanceof StrataError) throw error
    throw refuse(path, access, (error as Error).message, error)
  }
  const found = readAccess(fd)
  const isAsSet = isSameAccess(found.access, access) && found.users.length === 0
  if (isAsSet && (found.status.mode & 0o222) === 0) return
  throw refuse(path, access, `the file system made it readable by ${showAccess(found.access)} instead`)
}

/**
 * With an ACL, the group bits of the mode are its mask. They are cleared first, so that removing the ACL does not leave
 * them to the group.
 */
function setMode(fd: number, mode: number): void {
  if (storedAcl(fd) !== undefined) {
    chmodAt(fd, '', FOR_OWNER)
    removeXattr(fd, '', ACCESS_ATTRIBUTE)
  }
  chmodAt(fd, '', mode)
}

function admitGroups(fd: number, path: string, gids: readonly number[]): void {
  try {
    setXattr(fd, '', ACCESS_ATTRIBUTE, encodeAcl(aclFor(gids)))
  } catch (cause) {
    if (!isUnsupported(cause)) throw cause
    byOwningGroup(fd, path, gids, cause)
  }
}

const aclFor = (gids: readonly number[]): Acl =>
  aclOf([
    { tag: 'user_obj', perm: READ },
    { tag: 'group_obj', perm: 0 },
    ...gids.map(id => ({ tag: 'group' as const, id, perm: READ })),
    { tag: 'mask', perm: READ },
    { tag: 'other', perm: 0 }
  ])

/** Without ACLs, mode bits can admit one group: users may give a file to a group that they are in. */
function byOwningGroup(fd: number, path: string, gids: readonly number[], unsupported: unknown): void {
  if (gids.length > 1)
    throw refuse(path, gids, 'its file system has no POSIX ACLs, and mode bits admit one group', unsupported)
  chmodAt(fd, '', FOR_OWNER)
  const { uid } = fstatAt(fd)
  try {
    chownAt(fd, '', uid, gids[0])
  } catch (cause) {
    const fault = `its file system has no POSIX ACLs, and it cannot be given to the group: ${(cause as Error).message}`
    throw refuse(path, gids, fault, cause)
  }
  chmodAt(fd, '', FOR_GROUPS)
}

function storedAcl(fd: number): Acl | undefined {
  const bytes = storedAclBytes(fd, ACCESS_ATTRIBUTE)
  return bytes && decodeAcl(bytes)
}

const refuse = (path: string, access: FileAccess, fault: string, cause?: unknown): StrataError =>
  new StrataError('STORE_ACCESS', {
    message: `${path} cannot be made readable by ${showAccess(access)}: ${fault}`,
    facts: { file: path },
    hint: 'keep the store on a file system with POSIX ACLs; a file of another user is changed by that user, or root',
    cause
  })
