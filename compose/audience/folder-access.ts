/** Access to a folder, which decides the audience of everything in it (spec/audience.md#folder). */
import { fchmodSync, fchownSync, fstatSync } from 'node:fs'
import { setXattr } from '../../native/index.ts'
import {
  ACCESS_ATTRIBUTE,
  type Acl,
  DEFAULT_ATTRIBUTE,
  encodeAcl,
  isUnsupported,
  removeStoredAcl
} from '../../store/acl/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { type Audience, showAudience } from './audience.ts'
import { accessFault, type FileAccess, imageFileAccess, withExecute } from './image-access.ts'

const FOR_GROUP = 0o750
const PERMISSIONS = 0o777

/** Like `imageFileAccess` for a file, but with the right to enter beside each right to read. */
export const folderAccess = (audience: Audience, ownerUid: number): FileAccess =>
  withExecute(imageFileAccess(audience, ownerUid))

/**
 * Gives a finished folder its access. Files in it may be readable by all, because the folder guards them. The access
 * is read back, except the set-gid bit, which the folder may inherit.
 * @param fd of a folder that nobody else can enter yet
 * @throws StrataError IMAGE_ACCESS if the file system cannot store the access, or has another one afterwards
 */
export function applyFolderAccess(fd: number, audience: Audience): void {
  const { uid } = fstatSync(fd)
  const access = folderAccess(audience, uid)
  try {
    for (const inherited of [ACCESS_ATTRIBUTE, DEFAULT_ATTRIBUTE] as const) removeStoredAcl(fd, inherited)
    const fault = accessFault(fd, setAccess(fd, audience, uid, access), PERMISSIONS)
    if (fault !== undefined) throw refuse(audience, fault)
  } catch (cause) {
    if (cause instanceof StrataError) throw cause
    throw refuse(audience, (cause as Error).message, cause)
  }
}

/** @returns the access that is expected when it is read back */
function setAccess(fd: number, audience: Audience, uid: number, access: FileAccess): FileAccess {
  if (access.acl === undefined) fchmodSync(fd, access.mode)
  else if (!setAcl(fd, access.acl)) return giveToGroup(fd, audience, uid)
  return access
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
function giveToGroup(fd: number, audience: Audience, uid: number): FileAccess {
  if (audience.kind !== 'group') throw refuse(audience, 'its file system has no POSIX ACLs')
  fchownSync(fd, uid, audience.gid)
  if (fstatSync(fd).gid !== audience.gid) throw refuse(audience, 'it could not be given to the group')
  fchmodSync(fd, FOR_GROUP)
  return { mode: FOR_GROUP }
}

const refuse = (audience: Audience, fault: string, cause?: unknown): StrataError =>
  new StrataError('IMAGE_ACCESS', {
    message: `a folder for ${showAudience(audience)} cannot be made here: ${fault}`,
    facts: { audience: showAudience(audience) },
    hint: 'build it on a file system with POSIX ACLs, or --for me',
    cause
  })
