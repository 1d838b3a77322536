/**
 * Checks that a sandbox's record is consistent (spec/sandbox.md#record). Its hash only detects accidental changes,
 * but the author of the directory may be hostile. Later code follows the record's numbers without checking them.
 */
import { decodeAcl } from '../../store/acl/index.ts'
import { isBehind, Kind, latin1, nameCheck } from '../../store/object/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { decodeAttributeSet, encodeAttributeSet } from './attribute-set.ts'
import { recordString, type SandboxRecord } from './sandbox-record.ts'

const HASH_BYTES = 32

const INODE_COLUMNS = [
  ...(['flags', 'mode', 'uid', 'gid', 'mtimeSeconds', 'mtimeNanoseconds', 'size', 'payload'] as const),
  ...(['attributes', 'access', 'default', 'appliedMode', 'appliedMtimeSeconds'] as const),
  ...(['appliedMtimeNanoseconds', 'appliedAttributes', 'appliedAccess', 'appliedDefault'] as const),
  ...(['directoryFirst', 'directoryCount'] as const)
]
const STRING_COLUMNS = [
  ...(['attributes', 'access', 'default'] as const),
  ...(['appliedAttributes', 'appliedAccess', 'appliedDefault'] as const)
]

/** @throws RangeError naming the table and the place */
export function checkRecord(record: SandboxRecord): void {
  checkLengths(record)
  checkTree(record)
  checkNames(record)
  checkStrings(record)
  checkInodes(record)
  checkSets(record)
}

function refuse(what: string): never {
  throw new RangeError(`it contradicts itself: ${what}`)
}

function checkLengths(record: SandboxRecord): void {
  const { kind, entryInode, contentHash } = record
  if (kind.length === 0 || kind[0] !== Kind.directory) refuse('inode 0 is not a directory')
  const same = (columns: readonly (keyof SandboxRecord)[], length: number) => {
    for (const name of columns)
      if ((record[name] as Uint8Array).length !== length)
        refuse(`column ${name} has ${(record[name] as Uint8Array).length} rows, wanted ${length}`)
  }
  same(INODE_COLUMNS, kind.length)
  same(['entryNameStart', 'entryNameLength'], entryInode.length)
  if (contentHash.length % HASH_BYTES !== 0) refuse(`hashes of ${contentHash.length} bytes`)
}

/** Directories share no entries, and none has two names, so none contains itself. */
function checkTree({ kind, directoryFirst, directoryCount, entryInode }: SandboxRecord): void {
  const isNamed = new Uint8Array(kind.length)
  isNamed[0] = 1
  let held = 0
  for (let inode = 0; inode < kind.length; inode++) {
    if (kind[inode] < Kind.directory || kind[inode] > Kind.socket)
      refuse(`inode ${inode} is of kind ${kind[inode]}`)
    if (kind[inode] !== Kind.directory) continue
    const end = directoryFirst[inode] + directoryCount[inode]
    held += directoryCount[inode]
    if (end > entryInode.length || held > entryInode.length)
      refuse(`the entries of inode ${inode} end at ${end}`)
    for (let entry = directoryFirst[inode]; entry < end; entry++) {
      const child = entryInode[entry]
      const isWrong = child >= kind.length || (kind[child] === Kind.directory && isNamed[child] === 1)
      if (isWrong) refuse(`entry ${entry} leads to inode ${child}`)
      isNamed[child] = 1
    }
  }
  if (entryInode.some(inode => inode >= kind.length)) refuse('an entry leads to an inode that is not there')
}

/** Each name is a possible file name, and sorts after the one before it. */
function checkNames(record: SandboxRecord): void {
  const { kind, directoryFirst, directoryCount, entryNameStart, entryNameLength, names } = record
  const isName = nameCheck(names)
  for (let inode = 0; inode < kind.length; inode++) {
    if (kind[inode] !== Kind.directory) continue
    let [start, end] = [0, 0]
    const first = directoryFirst[inode]
    for (let entry = first; entry < first + directoryCount[inode]; entry++) {
      const [startBefore, endBefore] = [start, end]
      start = entryNameStart[entry]
      end = start + entryNameLength[entry]
      if (end > names.length || !isName(start, end)) refuse(`entry ${entry} has no name`)
      if (entry > first && !isBehind(names, startBefore, endBefore, start, end))
        refuse(`the name of entry ${entry} is out of order`)
    }
  }
}

function checkStrings({ stringStart, stringPool }: SandboxRecord): void {
  for (let i = 0; i < stringStart.length; i++)
    if (stringStart[i] > stringPool.length || (i > 0 && stringStart[i] < stringStart[i - 1]))
      refuse(`string ${i} begins at ${stringStart[i]}`)
}

/** Each different string is checked once, because thousands of files share them. */
function checkSets(record: SandboxRecord): void {
  const used = (columns: readonly (typeof STRING_COLUMNS)[number][]) =>
    new Set(columns.flatMap(column => [...new Set(record[column])]))
  for (const string of used(['attributes', 'appliedAttributes'])) {
    const bytes = recordString(record, string)
    if (bytes !== undefined && !isAttributeSet(bytes)) refuse(`string ${string} is not an attribute set`)
  }
  for (const string of used(['access', 'default', 'appliedAccess', 'appliedDefault'])) {
    const bytes = recordString(record, string)
    if (bytes !== undefined && !isAcl(bytes)) refuse(`string ${string} is not an ACL`)
  }
}

function isAttributeSet(bytes: Uint8Array): boolean {
  try {
    return encodeAttributeSet(decodeAttributeSet(bytes)) === latin1(bytes)
  } catch (error) {
    if (error instanceof RangeError) return false // the set is cut off
    throw error
  }
}

function isAcl(bytes: Uint8Array): boolean {
  try {
    decodeAcl(bytes)
    return true
  } catch (error) {
    if (error instanceof StrataError) return false
    throw error
  }
}

const MODE_BITS = 0o7777

const isTime = (seconds: number, nanoseconds: number): boolean =>
  Number.isSafeInteger(seconds) && nanoseconds < 1_000_000_000

function checkInodes(record: SandboxRecord): void {
  const { kind, payload, size, contentHash, stringStart } = record
  const strings = Math.max(0, stringStart.length - 1)
  for (const column of STRING_COLUMNS)
    if (record[column].some(string => string > strings)) refuse(`column ${column} names a missing string`)
  for (let inode = 0; inode < kind.length; inode++) {
    if (record.mode[inode] > MODE_BITS || record.appliedMode[inode] > MODE_BITS)
      refuse(`inode ${inode} has mode ${record.mode[inode].toString(8)}`)
    if (!isTime(record.mtimeSeconds[inode], record.mtimeNanoseconds[inode]))
      refuse(`inode ${inode} was changed at ${record.mtimeSeconds[inode]} s`)
    const isFile = kind[inode] === Kind.file
    if (isFile && payload[inode] >= contentHash.length / HASH_BYTES) refuse(`inode ${inode} has no hash`)
    if (isFile && !(Number.isSafeInteger(size[inode]) && size[inode] >= 0))
      refuse(`inode ${inode} has ${size[inode]} bytes`)
    const isLink = kind[inode] === Kind.symlink
    if (isLink && (payload[inode] === 0 || payload[inode] > strings)) refuse(`inode ${inode} has no target`)
  }
}
