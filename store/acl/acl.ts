import { MAX_ID } from '../accounts/index.ts'
import { detailsAt, type Place, StrataError } from '../values/index.ts'

/**
 * POSIX.1e access control lists (withdrawn draft 17), as Linux keeps them. Users and groups are always numbers, because
 * a name can mean another person on another host.
 */

export type AclTag = 'user_obj' | 'user' | 'group_obj' | 'group' | 'mask' | 'other'

export interface AclEntry {
  tag: AclTag
  /** uid of `user`, gid of `group`, 0..2^32-2; absent on the other tags. */
  id?: number
  /** r = 4, w = 2, x = 1. */
  perm: number
}

/** Entries in the kernel's order: user_obj, users by id, group_obj, groups by id, mask, other. */
export interface Acl {
  entries: AclEntry[]
}

export type ModeClass = 'user' | 'group' | 'other'

const ORDER: readonly AclTag[] = ['user_obj', 'user', 'group_obj', 'group', 'mask', 'other']

/** Number of entries that fit into an attribute of 65536 bytes (Linux's XATTR_SIZE_MAX): header 4, entry 8. */
export const MAX_ENTRIES = 8191

export const isNamed = (tag: AclTag): tag is 'user' | 'group' => tag === 'user' || tag === 'group'

/** Negative, 0 or positive, in the kernel's order of entries; 0 if both are about the same user, group or class. */
export function compareEntries(a: AclEntry, b: AclEntry): number {
  return ORDER.indexOf(a.tag) - ORDER.indexOf(b.tag) || (a.id ?? 0) - (b.id ?? 0)
}

/** Puts entries into the kernel's order, without checking them (see validateAcl). */
export const aclOf = (entries: Iterable<AclEntry>): Acl => ({ entries: [...entries].sort(compareEntries) })

/** For messages: `user:1000`, `mask`. */
export function entryName({ tag, id }: AclEntry): string {
  return isNamed(tag) ? `${tag}:${id}` : tag === 'user_obj' ? 'user:' : tag === 'group_obj' ? 'group:' : tag
}

/**
 * Checks an ACL by the rules of the kernel and libacl.
 * @param where named in the message when given
 * @param section which of a path's two ACLs it is, for the message
 * @throws StrataError ACL_INVALID: an entry is missing, stands twice or out of order; an id or a permission is out of
 * range; there is no mask although a user or a group is named
 */
export function validateAcl(acl: Acl, where?: Place, section: 'access' | 'default' = 'access'): void {
  const fault = faultOf(acl.entries)
  if (fault === undefined) return
  const entry = section === 'default' ? 'a default:mask:: entry' : 'a mask:: entry'
  throw invalidAcl(fault.message, where, { section, hint: fault.needsMask ? `add ${entry}` : undefined })
}

interface Fault {
  message: string
  needsMask?: true
}

function faultOf(entries: AclEntry[]): Fault | undefined {
  if (entries.length > MAX_ENTRIES)
    return { message: `${entries.length} entries, Linux stores at most ${MAX_ENTRIES}` }
  for (const [i, entry] of entries.entries()) {
    const fault = entryFault(entry)
    if (fault !== undefined) return { message: fault }
    const order = i === 0 ? -1 : compareEntries(entries[i - 1], entry)
    if (order === 0) return { message: `two entries for ${entryName(entry)}` }
    if (order > 0) return { message: `${entryName(entry)} stands after ${entryName(entries[i - 1])}` }
  }
  return missingEntry(entries)
}

function entryFault({ tag, id, perm }: AclEntry): string | undefined {
  if (!ORDER.includes(tag)) return `unknown entry type ${JSON.stringify(tag)}`
  if (!(Number.isInteger(perm) && perm >= 0 && perm <= 7)) return `permissions ${perm}, expected 0 to 7`
  if (!isNamed(tag)) return id === undefined ? undefined : `an id (${id}) on the ${tag} entry`
  if (id === undefined) return `a ${tag} entry without id`
  if (!(Number.isInteger(id) && id >= 0 && id <= MAX_ID)) return `${tag} id ${id}, expected 0 to ${MAX_ID}`
}

function missingEntry(entries: AclEntry[]): Fault | undefined {
  const tags = new Set(entries.map(entry => entry.tag))
  for (const [tag, text] of [
    ['user_obj', 'user::'],
    ['group_obj', 'group::'],
    ['other', 'other::']
  ] as const)
    if (!tags.has(tag)) return { message: `no ${text} entry` }
  if (!tags.has('mask') && (tags.has('user') || tags.has('group'))) {
    // setfacl would compute one: the union of all groups' rights. A stored ACL must state its mask.
    return { message: 'users or groups are named, but there is no mask entry', needsMask: true }
  }
}

/** An ACL_INVALID error about the ACL at `where`. */
function invalidAcl(
  fault: string,
  where?: Place,
  { section = '', hint }: { section?: string; hint?: string } = {}
): StrataError {
  const message = `invalid ${section}${section && ' '}ACL: ${fault}`
  return new StrataError('ACL_INVALID', {
    ...(where === undefined ? { message } : detailsAt(where, message)),
    hint
  })
}

/**
 * True if the nine permission bits express the whole ACL. Such an access ACL need not be stored; a default ACL must be.
 */
export const isMinimal = (acl: Acl): boolean =>
  acl.entries.every(({ tag }) => !isNamed(tag) && tag !== 'mask')

/** The ACL that the permission bits alone stand for; set-id and sticky bits are ignored. */
export function minimalAcl(mode: number): Acl {
  return {
    entries: [
      { tag: 'user_obj', perm: (mode >> 6) & 7 },
      { tag: 'group_obj', perm: (mode >> 3) & 7 },
      { tag: 'other', perm: mode & 7 }
    ]
  }
}

/**
 * The nine permission bits that the kernel shows for a file with this access ACL: group bits are the mask's.
 * @param acl valid
 */
export function modeOf(acl: Acl): number {
  const permOf = (tag: AclTag) => acl.entries.find(entry => entry.tag === tag)?.perm
  return (permOf('user_obj')! << 6) | ((permOf('mask') ?? permOf('group_obj')!) << 3) | permOf('other')!
}

/** The first class whose bits in `mode` differ from those the kernel would show for this access ACL, if any. */
export function aclContradictsMode(acl: Acl, mode: number): ModeClass | undefined {
  return firstDifference(modeOf(acl), mode)
}

/** The first class whose permission bits differ, if any. */
export function firstDifference(a: number, b: number): ModeClass | undefined {
  const difference = (a ^ b) & 0o777
  if (difference & 0o700) return 'user'
  if (difference & 0o070) return 'group'
  return difference & 0o007 ? 'other' : undefined
}

/**
 * Attributes that hold ACLs; their value (Linux include/uapi/linux/posix_acl_xattr.h) is a u32 version, then for
 * each entry u16 tag, u16 permissions, u32 id, all little endian.
 */
export const ACCESS_ATTRIBUTE = 'system.posix_acl_access'
export const DEFAULT_ATTRIBUTE = 'system.posix_acl_default'

const VERSION = 2
const HEADER_BYTES = 4
const ENTRY_BYTES = 8
const NO_ID = 0xffff_ffff // id of the entries that have none

const TAG_BITS: Record<AclTag, number> = { user_obj: 1, user: 2, group_obj: 4, group: 8, mask: 16, other: 32 }
const TAG_OF_BITS = new Map(Object.entries(TAG_BITS).map(([tag, bits]) => [bits, tag as AclTag]))

/**
 * The bytes that the kernel would return for this ACL.
 * @throws StrataError ACL_INVALID
 */
export function encodeAcl(acl: Acl): Buffer {
  validateAcl(acl)
  const bytes = Buffer.alloc(HEADER_BYTES + acl.entries.length * ENTRY_BYTES)
  bytes.writeUInt32LE(VERSION, 0)
  for (const [i, { tag, id, perm }] of acl.entries.entries()) {
    const at = HEADER_BYTES + i * ENTRY_BYTES
    bytes.writeUInt16LE(TAG_BITS[tag], at)
    bytes.writeUInt16LE(perm, at + 2)
    bytes.writeUInt32LE(id ?? NO_ID, at + 4)
  }
  return bytes
}

/**
 * @param where named in messages when given
 * @throws StrataError ACL_INVALID: wrong size, version, tag, order or range, duplicates, missing entries. The kernel
 *   takes unsorted and repeated named entries too; no library writes them, and they have no canonical form
 */
export function decodeAcl(bytes: Uint8Array, where?: Place): Acl {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.length < HEADER_BYTES || (view.length - HEADER_BYTES) % ENTRY_BYTES !== 0)
    throw invalidAcl(`${view.length} bytes, expected ${HEADER_BYTES} and a multiple of ${ENTRY_BYTES}`, where)
  const version = view.readUInt32LE(0)
  if (version !== VERSION) throw invalidAcl(`version ${version} at byte 0, expected ${VERSION}`, where)
  const entries: AclEntry[] = []
  for (let at = HEADER_BYTES; at < view.length; at += ENTRY_BYTES) entries.push(decodeEntry(view, at, where))
  const acl = { entries }
  validateAcl(acl, where)
  return acl
}

function decodeEntry(view: Buffer, at: number, where: Place | undefined): AclEntry {
  const bits = view.readUInt16LE(at)
  const tag = TAG_OF_BITS.get(bits)
  if (tag === undefined) throw invalidAcl(`tag ${bits} at byte ${at}, expected 1, 2, 4, 8, 16 or 32`, where)
  const perm = view.readUInt16LE(at + 2)
  // The kernel ignores the id of entries that name nobody, and so do we.
  return isNamed(tag) ? { tag, id: view.readUInt32LE(at + 4), perm } : { tag, perm }
}
