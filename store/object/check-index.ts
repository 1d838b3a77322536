/**
 * Checks that an index is consistent (spec/object.md#tables). Its hash only excludes accidents: its author may have
 * meant harm. After this check, merging and linking follow its numbers without further checks.
 */
import { decodeAcl, validateAttribute } from '../acl/index.ts'
import { StrataError } from '../values/index.ts'
import { checkTables, refuse } from './check-tables.ts'
import {
  FLAG_ANEW,
  FLAG_HOLLOW,
  FLAG_IMPLICIT,
  FLAG_OPAQUE,
  HASH_BYTES,
  Kind,
  type LayerIndex,
  NONE,
  stringAt,
  WHITEOUT
} from './layer-index.ts'
import { latin1 } from './string-table.ts'

const SLASH = 0x2f
const DOT = 0x2e
/** In bytes: the limit of symbolic links in archives (spec/tar.md#members). */
const LONGEST_TARGET = 65_535

/** @throws RangeError that says which table is wrong, and where */
export function checkIndex(index: LayerIndex): void {
  checkLengths(index)
  checkTree(index)
  checkValues(index)
  checkNames(index)
  checkReferences(index)
  checkTables(index, index.profile, index.dataBytes)
}

const INODE_COLUMNS = [
  ...(['flags', 'mode', 'uid', 'gid', 'mtimeSeconds', 'mtimeNanoseconds'] as const),
  ...(['payload', 'entryCount', 'attributes', 'acl'] as const)
] as const
const CONTENT_COLUMNS = [
  'contentStart',
  'contentFirstBlock',
  'contentFragment',
  'contentFragmentOffset'
] as const

function checkLengths(index: LayerIndex): void {
  const { kind, entryInode, contentSize, fragmentStart, attributeName, aclAccess } = index
  if (kind.length === 0 || kind[0] !== Kind.directory) refuse('inode 0 is not a directory')
  const checkRows = (columns: readonly (keyof LayerIndex)[], length: number) => {
    for (const name of columns)
      if ((index[name] as Uint8Array).length !== length)
        refuse(`column ${name} has ${(index[name] as Uint8Array).length} rows, wanted ${length}`)
  }
  checkRows(INODE_COLUMNS, kind.length)
  checkRows(['entryNameStart', 'entryNameLength'], entryInode.length)
  checkRows(CONTENT_COLUMNS, contentSize.length)
  checkRows(['contentHash'], HASH_BYTES * contentSize.length)
  checkRows(['listingHash'], HASH_BYTES * index.directoryInode.length)
  checkRows(['fragmentStored', 'fragmentBytes'], fragmentStart.length)
  checkRows(['attributeValue'], attributeName.length)
  checkRows(['aclDefault'], aclAccess.length)
}

/**
 * Walks the tree and checks that numbers and listings follow in order. So no directory can contain itself or have two
 * names.
 */
function checkTree({ kind, payload, entryCount, entryInode, directoryInode }: LayerIndex): void {
  let entry = 0
  let next = 1
  let directories = 0
  for (let inode = 0; inode < kind.length; inode++) {
    if (kind[inode] < Kind.directory || kind[inode] > Kind.hardlink)
      refuse(`inode ${inode} is of kind ${kind[inode]}`)
    if (kind[inode] !== Kind.directory) continue
    if (directoryInode[directories++] !== inode) refuse(`inode ${inode} is not among the directories`)
    if (inode >= next) refuse(`no entry before inode ${inode} leads to it`)
    if (payload[inode] !== entry) refuse(`the entries of inode ${inode} begin at ${payload[inode]}`)
    const end = entry + entryCount[inode]
    if (end > entryInode.length) refuse(`the entries of inode ${inode} end at ${end}`)
    for (; entry < end; entry++) {
      const child = entryInode[entry]
      if (child === next && next < kind.length) next++
      else if (child !== WHITEOUT && (child >= next || kind[child] === Kind.directory))
        refuse(`entry ${entry} leads to inode ${child}`)
    }
  }
  if (next !== kind.length || entry !== entryInode.length || directories !== directoryInode.length)
    refuse('some inodes or entries are in no directory')
}

const LINK_COLUMNS = [
  ...(['mode', 'uid', 'gid', 'mtimeSeconds'] as const),
  ...(['mtimeNanoseconds', 'attributes', 'acl'] as const)
]
const MODE_BITS = 0o7777
const FLAGS = FLAG_IMPLICIT | FLAG_OPAQUE | FLAG_ANEW | FLAG_HOLLOW
const NANOSECONDS = 1_000_000_000
/** (uid_t) -1 and (gid_t) -1 are not the number of any user or group. */
const NOBODY = 0xffff_ffff

/** Checks values that writers of images, tarballs and sandboxes copy into fields of their own without a check. */
function checkValues({ kind, flags, mode, uid, gid, mtimeSeconds, mtimeNanoseconds }: LayerIndex): void {
  for (let inode = 0; inode < kind.length; inode++) {
    if (mode[inode] > MODE_BITS) refuse(`inode ${inode} has mode ${mode[inode].toString(8)}`)
    if (flags[inode] > FLAGS || (flags[inode] !== 0 && kind[inode] !== Kind.directory))
      refuse(`inode ${inode} has flags ${flags[inode]}`)
    if (uid[inode] === NOBODY || gid[inode] === NOBODY) refuse(`inode ${inode} belongs to nobody`)
    if (!Number.isSafeInteger(mtimeSeconds[inode]) || mtimeNanoseconds[inode] >= NANOSECONDS)
      refuse(`inode ${inode} has time ${mtimeSeconds[inode]}.${mtimeNanoseconds[inode]}`)
  }
}

/** Checks that each name is possible for a file and sorts after the one before it. */
function checkNames({ kind, payload, entryCount, entryNameStart, entryNameLength, names }: LayerIndex): void {
  const isName = nameCheck(names)
  for (let inode = 0; inode < kind.length; inode++) {
    if (kind[inode] !== Kind.directory) continue
    let start = 0
    let end = 0
    for (let entry = payload[inode]; entry < payload[inode] + entryCount[inode]; entry++) {
      const startBefore = start
      const endBefore = end
      start = entryNameStart[entry]
      end = start + entryNameLength[entry]
      if (end > names.length || !isName(start, end)) refuse(`entry ${entry} has no name`)
      const isFirst = entry === payload[inode]
      if (!isFirst && !isBehind(names, startBefore, endBefore, start, end))
        refuse(`the name of entry ${entry} is out of order`)
    }
  }
}

/**
 * True if bytes [start, end) sort after those [startBefore, endBefore). It makes no views, because it is called very
 * often.
 */
export function isBehind(
  names: Uint8Array,
  startBefore: number,
  endBefore: number,
  start: number,
  end: number
): boolean {
  const common = Math.min(endBefore - startBefore, end - start)
  for (let i = 0; i < common; i++) {
    const order = names[start + i] - names[startBefore + i]
    if (order !== 0) return order > 0
  }
  return end - start > endBefore - startBefore
}

/** Tests whether bytes [start, end) of a pool are a possible file name. */
export function nameCheck(names: Uint8Array): (start: number, end: number) => boolean {
  // The C library looks through the whole pool first. Names are tested by themselves only if it holds a forbidden byte.
  const pool = Buffer.from(names.buffer, names.byteOffset, names.length)
  const isClean = !pool.includes(0) && !pool.includes(SLASH)
  return (start, end) => {
    if (!isClean)
      for (let at = start; at < end; at++) if (names[at] === 0 || names[at] === SLASH) return false
    const isDots = end - start <= 2 && names[start] === DOT && names[end - 1] === DOT
    return end > start && !isDots
  }
}

function checkReferences(index: LayerIndex): void {
  const { kind, payload, attributes, acl, contentSize, stringStart, stringPool } = index
  checkStarts('string', stringStart, stringPool.length)
  checkStarts('attribute set', index.attributeSetStart, index.attributeName.length)
  const strings = Math.max(0, stringStart.length - 1)
  const sets = Math.max(0, index.attributeSetStart.length - 1)
  for (let inode = 0; inode < kind.length; inode++) {
    const rows = kind[inode] === Kind.file ? contentSize.length : strings
    const isReference =
      kind[inode] === Kind.file || kind[inode] === Kind.symlink || kind[inode] === Kind.hardlink
    if (
      (isReference && payload[inode] >= rows) ||
      attributes[inode] > sets ||
      acl[inode] > index.aclAccess.length
    )
      refuse(`inode ${inode} names a row that its table lacks`)
  }
  for (const column of [index.attributeName, index.attributeValue])
    if (column.some(string => string >= strings)) refuse('an attribute names a missing string')
  for (const column of [index.aclAccess, index.aclDefault])
    if (column.some(string => string !== NONE && string >= strings)) refuse('an ACL names a missing string')
  checkMarks(index)
}

/** Checks each string once: ACLs by the kernel's rules, attributes by its limits, and targets of links. */
function checkMarks(index: LayerIndex): void {
  const { kind, payload, attributeSetStart, attributeName, attributeValue } = index
  const strings = Math.max(0, index.stringStart.length - 1)
  const once = (check: (string: number) => void) => {
    const seen = new Uint8Array(strings)
    return (string: number) => {
      if (seen[string]++ === 0) check(string)
      else seen[string] = 1
    }
  }
  const acl = once(string => {
    refuseErrors(`string ${string} as an ACL`, () => decodeAcl(stringAt(index, string)))
  })
  for (const column of [index.aclAccess, index.aclDefault])
    for (const string of column) if (string !== NONE) acl(string)
  const target = once(string => {
    const bytes = stringAt(index, string)
    if (bytes.length === 0 || bytes.length > LONGEST_TARGET || bytes.includes(0))
      refuse(`string ${string} cannot be the target of a link`)
  })
  for (let inode = 0; inode < kind.length; inode++) if (kind[inode] === Kind.symlink) target(payload[inode])
  checkLowerLinks(index)
  for (let set = 0; set + 1 < attributeSetStart.length; set++) {
    let before = ''
    for (let at = attributeSetStart[set]; at < attributeSetStart[set + 1]; at++) {
      const name = latin1(stringAt(index, attributeName[at]))
      refuseErrors(`attribute ${at}`, () => validateAttribute(name, stringAt(index, attributeValue[at])))
      if (name <= before) refuse(`attribute ${at} is out of order`)
      before = name
    }
  }
}

/** Checks that a hard link to a lower layer has only a path: all other fields belong to the file of the lower layer. */
function checkLowerLinks(index: LayerIndex): void {
  const { kind, payload, stringStart, stringPool } = index
  const isName = nameCheck(stringPool)
  for (let inode = kind.indexOf(Kind.hardlink); inode > 0; inode = kind.indexOf(Kind.hardlink, inode + 1)) {
    for (const column of LINK_COLUMNS)
      if (index[column][inode] !== 0) refuse(`inode ${inode} is a hard link, and has ${column}`)
    const end = stringStart[payload[inode] + 1]
    for (let start = stringStart[payload[inode]]; start <= end; ) {
      // Within the target alone: the next slash of the pool may lie megabytes behind it.
      const slash = stringPool.subarray(start, end).indexOf(SLASH)
      const nameEnd = slash < 0 ? end : start + slash
      if (!isName(start, nameEnd)) refuse(`inode ${inode} is a hard link to something that is not a path`)
      start = nameEnd + 1
    }
  }
}

function refuseErrors(what: string, check: () => unknown): void {
  try {
    check()
  } catch (cause) {
    if (!(cause instanceof StrataError)) throw cause
    refuse(`${what}: ${cause.message}`)
  }
}

function checkStarts(what: string, starts: Uint32Array, end: number): void {
  for (let i = 0; i < starts.length; i++)
    if (starts[i] > end || (i > 0 && starts[i] < starts[i - 1])) refuse(`${what} ${i} begins at ${starts[i]}`)
}
