/**
 * Computes the metadata of an edited path: as stored, with those changes that the user made to the applied metadata.
 */
import type { FileStatus } from '../../native/index.ts'
import {
  ACCESS_ATTRIBUTE,
  type Attributes,
  CAPABILITY_ATTRIBUTE,
  DEFAULT_ATTRIBUTE,
  decodeAcl,
  encodeAcl,
  foreignAttribute,
  HOST_LABELS
} from '../../store/acl/index.ts'
import { Kind } from '../../store/object/index.ts'
import type { Timestamp } from '../../store/tar/index.ts'
import { decodeAttributeSet } from './attribute-set.ts'
import { editedPermissions, type Permissions } from './edited-permissions.ts'
import { isExact, recordString, type SandboxRecord } from './sandbox-record.ts'
import { isTopOfRoot } from './top-access.ts'

/** Metadata that was found at a path. */
export interface Found {
  status: FileStatus
  /** Attributes, with ACLs. */
  attributes: Attributes
}

export interface EditedMetadata {
  mode: number
  uid: number
  gid: number
  mtime: Timestamp
  /** Attributes, with ACLs. */
  attributes: Attributes
}

const SET_IDS = 0o6000

/** True if everything except a file's bytes is still as it was applied. */
export function isAsApplied(record: SandboxRecord, inode: number, { status, attributes }: Found): boolean {
  return (
    isTimeAsApplied(record, inode, status) &&
    (record.kind[inode] === Kind.symlink || (status.mode & 0o7777) === record.appliedMode[inode]) &&
    isOwnerAsApplied(record, inode, status) &&
    sameAttributes(ownAttributes(record, inode, attributes), appliedAttributes(record, inode))
  )
}

const isOwnerAsApplied = (record: SandboxRecord, inode: number, status: FileStatus): boolean =>
  !isExact(record) ||
  (status.uid === record.uid[inode] && status.gid === record.gid[inode]) ||
  isTopOfRoot(record, inode, status)

export const isTimeAsApplied = (record: SandboxRecord, inode: number, status: FileStatus): boolean =>
  status.mtimeSeconds === record.appliedMtimeSeconds[inode] &&
  status.mtimeNanoseconds === record.appliedMtimeNanoseconds[inode]

/**
 * Metadata of a path that was written from `inode` and still has its kind.
 * @param hasNewContent the user changed its bytes: then set-id bits and capabilities that only the record has are
 * removed, as the kernel would do on write(2)
 */
export function editedMetadata(
  record: SandboxRecord,
  inode: number,
  found: Found,
  hasNewContent: boolean
): EditedMetadata {
  const isRoot = isExact(record)
  const { status } = found
  const hasNewOwner = isRoot && !isTopOfRoot(record, inode, status)
  const now = ownAttributes(record, inode, found.attributes)
  const before = appliedAttributes(record, inode)
  const stored = storedAttributes(record, inode)
  const loses = hasNewContent && !isRoot
  if (loses) stored.delete(CAPABILITY_ATTRIBUTE)
  const permissions =
    record.kind[inode] === Kind.symlink
      ? { mode: record.mode[inode] }
      : editedPermissions(
          permissionsOf(record.mode[inode] & (loses ? ~SET_IDS : 0o7777), stored),
          permissionsOf(record.appliedMode[inode], before),
          permissionsOf(status.mode & 0o7777, now)
        )
  return {
    mode: permissions.mode,
    uid: hasNewOwner ? status.uid : record.uid[inode],
    gid: hasNewOwner ? status.gid : record.gid[inode],
    mtime: isTimeAsApplied(record, inode, status)
      ? { seconds: record.mtimeSeconds[inode], nanoseconds: record.mtimeNanoseconds[inode] }
      : mtimeOf(status),
    attributes: withAcl(editedAttributes(stored, before, now), permissions)
  }
}

/** Metadata of a new path: as found, but owned by root if an ordinary user works on the tree. */
export function newMetadata(record: SandboxRecord, { status, attributes }: Found): EditedMetadata {
  const isRoot = isExact(record)
  return {
    mode: status.mode & 0o7777,
    uid: isRoot ? status.uid : 0,
    gid: isRoot ? status.gid : 0,
    mtime: mtimeOf(status),
    attributes: new Map(
      [...attributes].filter(([name]) => !HOST_LABELS.has(name) && (isRoot || !isPrivileged(name)))
    )
  }
}

/** Metadata of a path that was not edited, or could not be written. */
export const storedMetadata = (record: SandboxRecord, inode: number): EditedMetadata => ({
  mode: record.mode[inode],
  uid: record.uid[inode],
  gid: record.gid[inode],
  mtime: { seconds: record.mtimeSeconds[inode], nanoseconds: record.mtimeNanoseconds[inode] },
  attributes: storedAttributes(record, inode)
})

/** True if the edit left everything as stored. */
export const isAsStored = (record: SandboxRecord, inode: number, metadata: EditedMetadata): boolean =>
  metadata.mtime.seconds === record.mtimeSeconds[inode] &&
  metadata.mtime.nanoseconds === record.mtimeNanoseconds[inode] &&
  isTimeAloneEdited(record, inode, metadata)

/** True if the edit changed only the time, as adding a file to a directory does. */
export const isTimeAloneEdited = (record: SandboxRecord, inode: number, metadata: EditedMetadata): boolean =>
  metadata.mode === record.mode[inode] &&
  metadata.uid === record.uid[inode] &&
  metadata.gid === record.gid[inode] &&
  sameAttributes(metadata.attributes, storedAttributes(record, inode))

const mtimeOf = (status: FileStatus): Timestamp => ({
  seconds: status.mtimeSeconds,
  nanoseconds: status.mtimeNanoseconds
})

function permissionsOf(mode: number, attributes: Attributes): Permissions {
  const access = attributes.get(ACCESS_ATTRIBUTE)
  return access === undefined ? { mode } : { mode, access: decodeAcl(access) }
}

function withAcl(attributes: Attributes, { access }: Permissions): Attributes {
  if (access === undefined) attributes.delete(ACCESS_ATTRIBUTE)
  else attributes.set(ACCESS_ATTRIBUTE, encodeAcl(access))
  return attributes
}

/**
 * For each attribute: the present value if it was changed, otherwise the stored one. A default ACL counts as one
 * attribute.
 */
function editedAttributes(stored: Attributes, before: Attributes, now: Attributes): Attributes {
  const edited: Attributes = new Map()
  for (const name of new Set([...stored.keys(), ...now.keys()])) {
    const [s, a, n] = [stored.get(name), before.get(name), now.get(name)]
    if (sameValue(a, n)) {
      if (s !== undefined) edited.set(name, s)
    } else if (n !== undefined) edited.set(name, n)
  }
  return edited
}

const isPrivileged = (name: string): boolean => name.startsWith('security.') || name.startsWith('trusted.')

/** Attributes that the user may have changed. */
function ownAttributes(record: SandboxRecord, inode: number, found: Attributes): Attributes {
  if (found.size === 0) return found
  const applied = decodeAttributeSet(recordString(record, record.appliedAttributes[inode]))
  return new Map(
    [...found].filter(([name]) => {
      // Every file gets one from the host, so it is no edit unless one was stored.
      if (HOST_LABELS.has(name)) return applied.has(name)
      return isExact(record) || !isPrivileged(name)
    })
  )
}

const NOTHING: Attributes = new Map()

function appliedAttributes(record: SandboxRecord, inode: number): Attributes {
  const { appliedAttributes: set, appliedAccess, appliedDefault } = record
  // Most inodes have none, so no map is made for them.
  if (set[inode] === 0 && appliedAccess[inode] === 0 && appliedDefault[inode] === 0) return NOTHING
  return attributesOf(record, withoutForeign(record, set[inode]), appliedAccess[inode], appliedDefault[inode])
}

const storedAttributes = (record: SandboxRecord, inode: number): Attributes =>
  attributesOf(
    record,
    decodeAttributeSet(recordString(record, record.attributes[inode])),
    record.access[inode],
    record.default[inode]
  )

/**
 * Attributes of the file system itself are ignored (store/directory/read-attributes.ts), also if they were applied
 * once.
 */
function withoutForeign(record: SandboxRecord, set: number): Attributes {
  const attributes = decodeAttributeSet(recordString(record, set))
  for (const name of attributes.keys()) if (foreignAttribute(name) !== undefined) attributes.delete(name)
  return attributes
}

function attributesOf(
  record: SandboxRecord,
  attributes: Attributes,
  access: number,
  defaults: number
): Attributes {
  const accessBytes = recordString(record, access)
  if (accessBytes !== undefined) attributes.set(ACCESS_ATTRIBUTE, accessBytes)
  const defaultBytes = recordString(record, defaults)
  if (defaultBytes !== undefined) attributes.set(DEFAULT_ATTRIBUTE, defaultBytes)
  return attributes
}

const sameAttributes = (a: Attributes, b: Attributes): boolean =>
  a.size === b.size && [...a].every(([name, value]) => sameValue(value, b.get(name)))

const sameValue = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0
