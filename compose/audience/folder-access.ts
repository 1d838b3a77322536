/** Who can enter a folder: the audience of what is in it (spec/audience.md#folder). */
import { fchmodSync, fchownSync, fstatSync } from 'node:fs'
import { type NativeError, removeXattr, setXattr } from '../../native/index.ts'
import { ACCESS_ATTRIBUTE, type Acl, DEFAULT_ATTRIBUTE, encodeAcl } from '../../store/acl/acl.ts'
import { StrataError } from '../../store/errors.ts'
import { type Audience, showAudience } from './audience.ts'
import { type FileAccess, imageFileAccess } from './image-access.ts'

/** As `imageFileAccess` says for a file, with the right to enter beside each right to read. */
export function folderAccess(audience: Audience, ownerUid: number): FileAccess {
  const { mode, acl } = imageFileAccess(audience, ownerUid)
  return {
    mode: mode | ((mode & 0o444) >> 2),
    acl: acl && { entries: acl.entries.map(entry => ({ ...entry, perm: searchable(entry.perm) })) }
  }
}

/** r is rx for a folder; w stays. */
const searchable = (perm: number): number => perm | ((perm & 4) >> 2)

/**
 * As `applyImageAccess` does for a file, with the right to enter beside each right to read. What is in the folder
 * may then be readable by all.
 * @param fd of a folder that nobody else can enter yet
 * @throws StrataError IMAGE_ACCESS
 */
export function applyFolderAccess(fd: number, audience: Audience): void {
  const { uid } = fstatSync(fd)
  const { mode, acl } = folderAccess(audience, uid)
  try {
    for (const inherited of [ACCESS_ATTRIBUTE, DEFAULT_ATTRIBUTE]) removeAttribute(fd, inherited)
    if (acl === undefined) fchmodSync(fd, mode)
    else if (!setAcl(fd, acl)) giveToGroup(fd, audience, uid)
  } catch (cause) {
    if (cause instanceof StrataError) throw cause
    throw refuse(audience, (cause as Error).message, cause)
  }
}

function setAcl(fd: number, acl: Acl): boolean {
  try {
    setXattr(fd, '', ACCESS_ATTRIBUTE, encodeAcl(acl))
    return true
  } catch (error) {
    if (isUnsupported(error)) return false
    throw error
  }
}

/** Without ACLs, mode bits can admit one group. */
function giveToGroup(fd: number, audience: Audience, uid: number): void {
  if (audience.kind !== 'group') throw refuse(audience, 'its file system has no POSIX ACLs')
  fchownSync(fd, uid, audience.gid)
  if (fstatSync(fd).gid !== audience.gid) throw refuse(audience, 'it could not be given to the group')
  fchmodSync(fd, 0o750)
}

function removeAttribute(fd: number, name: string): void {
  try {
    removeXattr(fd, '', name)
  } catch (error) {
    if ((error as NativeError).code !== 'ENODATA' && !isUnsupported(error)) throw error
  }
}

const isUnsupported = (error: unknown): boolean =>
  ['EOPNOTSUPP', 'ENOTSUP', 'ENOSYS'].includes((error as NativeError).code)

const refuse = (audience: Audience, fault: string, cause?: unknown): StrataError =>
  new StrataError('IMAGE_ACCESS', {
    message: `a folder for ${showAudience(audience)} cannot be made here: ${fault}`,
    facts: { audience: showAudience(audience) },
    hint: 'build it on a file system with POSIX ACLs, or --for me',
    cause
  })
