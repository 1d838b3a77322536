/** NFSv4 ACLs as `system.nfs4_acl` holds them: the XDR of RFC 7530, 6.2.1 and RFC 8881, 6.2. */

const ALLOW = 0
const DENY = 1
/** The only flag that changes nothing here: it marks the name of a group. */
const IDENTIFIER_GROUP = 0x40
/** Bits of a mask that a mode has too. The write bit of a mode stands for two of them. */
const MASKS = [0x1, 0x2, 0x4, 0x20]
const MODE_BITS = [4, 2, 2, 1]

type Who = 'OWNER@' | 'GROUP@' | 'EVERYONE@'

interface Entry {
  isAllowed: boolean
  mask: number
  who: Who
}

/**
 * The nine mode bits that give exactly the reading, writing and executing rights of the ACL. Undefined if no bits do: a
 * user or group is named, an entry is inherited, the owner's rights depend on the group, or the bytes are not an ACL.
 * @param hasFlags true for `system.nfs4_dacl`, which has a u32 before the entries
 */
export function nfs4AclBits(value: Uint8Array, { hasFlags = false } = {}): number | undefined {
  const entries = decode(Buffer.from(value.buffer, value.byteOffset, value.length), hasFlags)
  if (entries === undefined) return undefined
  const owner = bitsOf(entries, ['OWNER@', 'EVERYONE@'])
  const ownerInGroup = bitsOf(entries, ['OWNER@', 'GROUP@', 'EVERYONE@'])
  const group = bitsOf(entries, ['GROUP@', 'EVERYONE@'])
  const other = bitsOf(entries, ['EVERYONE@'])
  if (owner === undefined || group === undefined || other === undefined || owner !== ownerInGroup)
    return undefined
  return (owner << 6) | (group << 3) | other
}

/** The first entry about a right decides it. */
function bitsOf(entries: Entry[], names: Who[]): number | undefined {
  const applying = entries.filter(({ who }) => names.includes(who))
  const isAllowed = MASKS.map(right => applying.find(({ mask }) => (mask & right) !== 0)?.isAllowed ?? false)
  const [, write, append] = isAllowed
  if (write !== append) return undefined
  return MODE_BITS.reduce((bits, bit, i) => (isAllowed[i] ? bits | bit : bits), 0)
}

function decode(bytes: Buffer, hasFlags: boolean): Entry[] | undefined {
  let at = hasFlags ? 4 : 0
  if (bytes.length < at + 4) return undefined
  const entries: Entry[] = []
  const count = bytes.readUInt32BE(at)
  at += 4
  for (let i = 0; i < count; i++) {
    if (bytes.length < at + 16) return undefined
    const [type, flags, mask, length] = [0, 4, 8, 12].map(offset => bytes.readUInt32BE(at + offset))
    at += 16
    if (bytes.length < at + length) return undefined
    const who = bytes.toString('latin1', at, at + length)
    at += (length + 3) & ~3
    if (type !== ALLOW && type !== DENY) continue // it logs, or raises an alarm
    if ((flags & ~IDENTIFIER_GROUP) !== 0 || !isWho(who)) return undefined
    entries.push({ isAllowed: type === ALLOW, mask, who })
  }
  return at === bytes.length ? entries : undefined
}

const isWho = (who: string): who is Who => who === 'OWNER@' || who === 'GROUP@' || who === 'EVERYONE@'
