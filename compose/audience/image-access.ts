/**
 * Access to the image file (spec/audience.md#file). Users who can read the file can read every byte in it, whatever
 * the modes inside. The builder owns the file and always can; the builder was able to read the layers, too.
 */
import { fchmodSync, fchownSync, fstatSync } from 'node:fs'
import { setXattr } from '../../native/index.ts'
import {
  ACCESS_ATTRIBUTE,
  type Acl,
  aclOf,
  encodeAcl,
  formatAclLine,
  isUnsupported,
  removeStoredAcl,
  storedAclBytes
} from '../../store/acl/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { type Audience, groupsOf, showAudience } from './audience.ts'

export interface FileAccess {
  /** Permission bits as stat(2) shows them; with an ACL, the group's are its mask. */
  mode: number
  acl?: Acl
}

const FOR_ALL = 0o644
const FOR_OWNER = 0o600
const FOR_GROUP = 0o640
const READ = 4
const READ_WRITE = 6

/** @param ownerUid owner of the file: a user who owns it needs no ACL, and neither does root */
export function imageFileAccess(audience: Audience, ownerUid: number): FileAccess {
  switch (audience.kind) {
    case 'everyone':
      return { mode: FOR_ALL }
    case 'mounted':
      return { mode: FOR_OWNER }
    case 'group':
    case 'groups':
      return namedEntriesAccess(groupsOf(audience).map(({ gid }) => ({ tag: 'group', id: gid, perm: READ })))
    case 'user':
      return audience.uid === ownerUid || audience.uid === 0
        ? { mode: FOR_OWNER }
        : namedEntriesAccess([{ tag: 'user', id: audience.uid, perm: READ }])
  }
}

/** The owning group gets no rights, because which group it is depends on the builder and the directory. */
const namedEntriesAccess = (entries: Acl['entries']): FileAccess => ({
  mode: FOR_GROUP,
  acl: aclOf([
    { tag: 'user_obj', perm: READ_WRITE },
    ...entries,
    { tag: 'group_obj', perm: 0 },
    { tag: 'mask', perm: READ },
    { tag: 'other', perm: 0 }
  ])
})

/**
 * Gives a finished image its access, before it has its name. No step is wider than the last, whatever the umask and
 * the directory's default ACL. The result is read back.
 * @param fd open for writing, 0600 as ImageFile makes it
 * @param options.isProgram users who can read it can also start it
 * @throws StrataError IMAGE_ACCESS if the file system cannot store the access, or has another one afterwards
 */
export function applyImageAccess(fd: number, audience: Audience, { isProgram = false } = {}): FileAccess {
  const given = (access: FileAccess) => (isProgram ? withExecute(access) : access)
  const access = given(imageFileAccess(audience, fstatSync(fd).uid))
  if (access.acl === undefined) return applyMode(fd, audience, access)
  try {
    setXattr(fd, '', ACCESS_ATTRIBUTE, encodeAcl(access.acl))
  } catch (cause) {
    if (!isUnsupported(cause))
      throw refuse(audience, `its ACL cannot be set: ${(cause as Error).message}`, cause)
    return applyMode(fd, audience, given(byOwningGroup(fd, audience, cause)))
  }
  return verifyAccess(fd, audience, access)
}

/** Adds x to each r: a folder can be entered, a program started. */
export const withExecute = ({ mode, acl }: FileAccess): FileAccess => ({
  mode: mode | ((mode & 0o444) >> 2),
  acl: acl && {
    entries: acl.entries.map(entry => ({ ...entry, perm: entry.perm | ((entry.perm & READ) >> 2) }))
  }
})

/** Without ACLs, mode bits can admit one group, and users may give a file to a group that they are in. */
function byOwningGroup(fd: number, audience: Audience, unsupported: unknown): FileAccess {
  if (audience.kind !== 'group') throw refuse(audience, 'its file system has no POSIX ACLs', unsupported)
  try {
    fchownSync(fd, fstatSync(fd).uid, audience.gid)
  } catch (cause) {
    throw refuse(
      audience,
      `its file system has no POSIX ACLs, and the file cannot be given to the group: ${(cause as Error).message}`,
      cause
    )
  }
  const { gid } = fstatSync(fd)
  if (gid !== audience.gid) throw refuse(audience, `it was given to gid ${audience.gid} but has gid ${gid}`)
  return { mode: FOR_GROUP }
}

function applyMode(fd: number, audience: Audience, access: FileAccess): FileAccess {
  try {
    // A default ACL of the directory may have left entries, which would count again as soon as the mask has rights.
    removeStoredAcl(fd, ACCESS_ATTRIBUTE)
  } catch (cause) {
    throw refuse(audience, `its inherited ACL cannot be removed: ${(cause as Error).message}`, cause)
  }
  try {
    fchmodSync(fd, access.mode)
  } catch (cause) {
    throw refuse(audience, `its mode cannot be set: ${(cause as Error).message}`, cause)
  }
  return verifyAccess(fd, audience, access)
}

function verifyAccess(fd: number, audience: Audience, access: FileAccess): FileAccess {
  const fault = accessFault(fd, access)
  if (fault === undefined) return access
  throw refuse(audience, fault)
}

/**
 * Reads the access back.
 * @param bits bits of the mode to compare
 * @returns the first difference, if any
 */
export function accessFault(fd: number, { mode, acl }: FileAccess, bits = 0o7777): string | undefined {
  const foundMode = fstatSync(fd).mode & bits
  if (foundMode !== mode) return `it has mode ${octal(foundMode)}, wanted ${octal(mode)}`
  const found = storedAclBytes(fd, ACCESS_ATTRIBUTE)
  if (acl === undefined) return found === undefined ? undefined : 'it has an ACL, wanted none'
  if (found?.equals(encodeAcl(acl)) === true) return undefined
  return `its ACL was not stored as set, wanted ${formatAclLine(acl)}`
}

const octal = (mode: number): string => mode.toString(8).padStart(4, '0')

const refuse = (audience: Audience, fault: string, cause?: unknown): StrataError =>
  new StrataError('IMAGE_ACCESS', {
    message: `an image for ${showAudience(audience)} cannot be made here: ${fault}`,
    facts: { audience: showAudience(audience) },
    hint: 'build it on a file system with POSIX ACLs, or --for me',
    cause
  })
