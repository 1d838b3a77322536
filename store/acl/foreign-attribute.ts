/**
 * Attribute names to which a file system gives a meaning of its own (spec/attributes.md). They say how that file system
 * stores a file, or repeat something that a layer has already. On another file system they would be wrong, and some
 * would be obeyed: XFS takes `trusted.SGI_ACL_FILE` for the file's ACL, whoever wrote it. So layers leave them out, and
 * nothing applies them.
 */
import type { PathBytes } from '../values/index.ts'
import { nfs4AclBits } from './nfs4-acl.ts'

/**
 * `double`: the mode or the ACL, which are kept, say the same.
 * `storage`: it is true on that file system alone.
 * `rights`: it decides who may do what, so that a file without it may be open to more users.
 */
export type ForeignMeaning = 'double' | 'storage' | 'rights'

export interface ForeignAttribute {
  fileSystem: string
  meaning: ForeignMeaning
  /** A description, in words that follow the name. */
  what: string
}

type Row = [pattern: RegExp, fileSystem: string, meaning: ForeignMeaning, what: string]

// The first matching row counts.
const ROWS: Row[] = [
  [/^trusted\.SGI_ACL_(FILE|DEFAULT)$/, 'XFS', 'double', 'an ACL, which XFS shows to root a second time'],
  [/^trusted\.SGI_/, 'XFS', 'storage', 'a name that XFS keeps for itself'],
  [/^btrfs\./, 'btrfs', 'storage', 'how btrfs stores the file'],
  [/^system\.advise$/, 'F2FS', 'storage', 'how F2FS stores the file'],
  [
    /^(lustre\.|trusted\.(lov|lma|lmv|dmv|default_lmv|link|som|hsm|fid|lfsck_\w+)$)/,
    'Lustre',
    'storage',
    "where Lustre's servers keep the file"
  ],
  [/^system\.nfs4_(acl|dacl)$/, 'NFSv4', 'rights', 'an NFSv4 ACL'],
  [/^system\.nfs4_sacl$/, 'NFSv4', 'storage', 'what an NFSv4 server logs'],
  [/^ceph\./, 'CephFS', 'storage', 'where Ceph keeps the file'],
  [
    /^(glusterfs\.|trusted\.(gfid$|gfid2path\.|pgfid\.|glusterfs\.|afr\.|ec\.|bit-rot\.))/,
    'GlusterFS',
    'storage',
    "what GlusterFS's servers note about the file"
  ],
  [/^(gpfs|dmapi)\./, 'Spectrum Scale', 'storage', 'how Spectrum Scale stores the file'],
  [/^(user|system)\.pvfs2\./, 'OrangeFS', 'storage', 'how OrangeFS stores the file'],
  [/^afs\.(acl|yfs\.acl\w*)$/, 'AFS', 'rights', 'an AFS ACL'],
  [/^afs\./, 'AFS', 'storage', 'where AFS keeps the file'],
  [/^user\.cifs\./, 'SMB', 'storage', 'DOS attributes and times on an SMB server'],
  [
    /^system\.(dos_attrib|ntfs_(attrib|attrib_be|crtime|dos_name|ea|efsinfo|object_id|reparse_data|times))$/,
    'NTFS',
    'storage',
    'how NTFS stores the file'
  ],
  [/^(trusted|user)\.overlay\./, 'overlayfs', 'storage', 'how overlayfs puts layers together'],
  [
    /^user\.(fuseoverlayfs\.|containers\.override_)/,
    'fuse-overlayfs',
    'storage',
    'what fuse-overlayfs shows in place of the file'
  ],
  [/^user\.virtfs\./, '9p', 'storage', "what a virtual machine's host shows in place of the file"],
  [/^user\.strata\.terms$/, 'Strata', 'storage', "for whom the source is, which the module's record says"],
  [/^user\.ecryptfs$/, 'eCryptfs', 'storage', 'how eCryptfs stores the file'],
  // All other names of the kernel, such as system.richacl, system.ntfs_security, system.cifs_acl, change who may do what.
  [/^system\./, 'its file system', 'rights', 'an attribute that the file system makes up'],
  [/^(?!user\.|trusted\.|security\.)/, 'another system', 'storage', 'outside of what Linux can store']
]

/** Names of all file systems once, in the order of the table. */
export const FILE_SYSTEMS: readonly string[] = [...new Set(ROWS.map(([, fileSystem]) => fileSystem))]

// The answers are kept: one name may stand on a million files, and looking it up takes 1 us.
const known = new Map<PathBytes, ForeignAttribute | undefined>()
const MOST_KNOWN = 1000

/** Undefined for attributes that a layer keeps. Callers do not ask about the two POSIX ACLs, which are kept as ACLs. */
export function foreignAttribute(name: PathBytes): ForeignAttribute | undefined {
  if (known.has(name)) return known.get(name)
  const row = ROWS.find(([pattern]) => pattern.test(name))
  const found = row && { fileSystem: row[1], meaning: row[2], what: row[3] }
  if (known.size === MOST_KNOWN) known.clear() // an archive can have as many names as it likes
  known.set(name, found)
  return found
}

/**
 * True if an attribute that decides about rights says the same as the mode bits. NFSv4 servers make up such an ACL for
 * every file without one.
 */
export function repeatsMode(name: PathBytes, value: Uint8Array, mode: number): boolean {
  if (name !== 'system.nfs4_acl' && name !== 'system.nfs4_dacl') return false
  return nfs4AclBits(value, { hasFlags: name === 'system.nfs4_dacl' }) === (mode & 0o777)
}

/**
 * Attributes that security modules write on every file of their host. Layers keep them, and a host with the same module
 * obeys them.
 */
export const HOST_LABELS: ReadonlySet<PathBytes> = new Set([
  'security.selinux',
  'security.ima',
  'security.evm',
  'security.SMACK64'
])
