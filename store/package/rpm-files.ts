/** The files that the header of an .rpm lists. Their metadata comes from here, and that of the payload is ignored. */
import { constants } from '../../native/index.ts'
import { KIND_OF_TYPE } from '../directory/index.ts'
import type { EntryKind } from '../tar/index.ts'
import { type PathBytes, showPath } from '../values/index.ts'
import type { RpmHeader } from './rpm-header.ts'

/** Tags of the header that are about files (rpm's include/rpm/rpmtag.h). */
const TAG = {
  sizes: 1028,
  modes: 1030,
  rdevs: 1033,
  mtimes: 1034,
  digests: 1035,
  linkTargets: 1036,
  flags: 1037,
  users: 1039,
  groups: 1040,
  devices: 1095,
  inodes: 1096,
  directoryIndexes: 1116,
  baseNames: 1117,
  directoryNames: 1118,
  longSizes: 5008,
  capabilities: 5010,
  digestAlgorithm: 5011
}
const OLD_FILE_NAMES = 1027

const GHOST = 1 << 6
const CONFIG = 1 << 0

/** Hash names of PGP's numbers (RFC 4880, 9.4), in the words of node:crypto. */
const DIGEST_NAMES = new Map([
  [1, 'md5'],
  [2, 'sha1'],
  [8, 'sha256'],
  [9, 'sha384'],
  [10, 'sha512'],
  [11, 'sha224']
])
const MD5 = 1

export interface RpmFile {
  /** Relative to the root; '' is the root. */
  path: PathBytes
  /** Undefined for a socket. */
  kind?: EntryKind
  mode: number
  user: PathBytes
  group: PathBytes
  mtimeSeconds: number
  sizeBytes: number
  linkTarget: PathBytes
  deviceMajor: number
  deviceMinor: number
  /** Hash of a regular file's bytes: hash name and hexadecimal digits. */
  digest?: { algorithm: string; hex: string }
  capabilities: string
  /** Made when the package is installed: the payload does not hold it. */
  isGhost: boolean
  isConfig: boolean
  /** Numbers of all files that are hard links to this one's inode, in header order; empty if it has one name. */
  links: number[]
}

/** Files in header order. @throws StrataError SOURCE_INVALID */
export function rpmFiles(header: RpmHeader): RpmFile[] {
  if (header.has(OLD_FILE_NAMES)) header.refuse('file names in the form of rpm 3, wanted that of rpm 4')
  const baseNames = header.strings(TAG.baseNames)
  const count = baseNames.length
  const directories = header.strings(TAG.directoryNames)
  const columns = readColumns(header, count)
  const links = hardLinks(columns, count)
  return baseNames.map((baseName, i): RpmFile => {
    const directory = directories[columns.directoryIndexes[i]]
    const path = `${directory}${baseName}`
    if (directory === undefined || !path.startsWith('/'))
      header.refuse(`file ${i}, ${showPath(path)}, has no absolute path`)
    const hex = columns.digests[i]
    return {
      path: path.slice(1),
      kind: KIND_OF_TYPE.get(columns.modes[i] & constants.S_IFMT),
      mode: columns.modes[i] & 0o7777,
      user: columns.users[i],
      group: columns.groups[i],
      mtimeSeconds: columns.mtimes[i],
      sizeBytes: columns.sizes[i],
      linkTarget: columns.linkTargets[i],
      // Sixteen bits: major above minor.
      deviceMajor: columns.rdevs[i] >> 8,
      deviceMinor: columns.rdevs[i] & 0xff,
      ...(hex !== '' && { digest: { algorithm: columns.digestName, hex: hex.toLowerCase() } }),
      capabilities: columns.capabilities[i],
      isGhost: (columns.flags[i] & GHOST) !== 0,
      isConfig: (columns.flags[i] & CONFIG) !== 0,
      links: links[i]
    }
  })
}

function readColumns(header: RpmHeader, count: number) {
  const numbers = (tag: number): number[] => checkCount(header, tag, header.numbers(tag), count)
  const strings = (tag: number): string[] => checkCount(header, tag, header.strings(tag), count)
  // rpm itself accepts headers without these: nFPM writes no devices, and few packages need inodes for them.
  const numbersOrNone = (tag: number): number[] => (header.has(tag) ? numbers(tag) : Array(count).fill(0))
  const stringsOrNone = (tag: number): string[] => (header.has(tag) ? strings(tag) : Array(count).fill(''))
  const [algorithm = MD5] = header.numbers(TAG.digestAlgorithm)
  const digestName = DIGEST_NAMES.get(algorithm)
  if (digestName === undefined)
    header.refuse(`files are hashed with algorithm ${algorithm}, which is not known`)
  return {
    directoryIndexes: numbers(TAG.directoryIndexes),
    sizes: numbers(header.has(TAG.longSizes) ? TAG.longSizes : TAG.sizes),
    modes: numbers(TAG.modes),
    rdevs: numbersOrNone(TAG.rdevs),
    mtimes: numbersOrNone(TAG.mtimes),
    digests: stringsOrNone(TAG.digests),
    linkTargets: stringsOrNone(TAG.linkTargets),
    flags: numbersOrNone(TAG.flags),
    users: strings(TAG.users),
    groups: strings(TAG.groups),
    devices: numbersOrNone(TAG.devices),
    // Without inodes, no file has a second name.
    inodes: header.has(TAG.inodes) ? numbers(TAG.inodes) : Array.from({ length: count }, (_, i) => i),
    capabilities: stringsOrNone(TAG.capabilities),
    digestName
  }
}

function checkCount<T>(header: RpmHeader, tag: number, values: T[], count: number): T[] {
  if (values.length !== count) header.refuse(`tag ${tag} has ${values.length} values for ${count} files`)
  return values
}

function hardLinks(
  { modes, flags, devices, inodes }: ReturnType<typeof readColumns>,
  count: number
): number[][] {
  const sets = new Map<string, number[]>()
  const links: number[][] = Array.from({ length: count }, () => [])
  for (let i = 0; i < count; i++) {
    if ((modes[i] & constants.S_IFMT) !== constants.S_IFREG || flags[i] & GHOST) continue
    const key = `${devices[i]}:${inodes[i]}`
    const set = sets.get(key) ?? []
    sets.set(key, set)
    set.push(i)
    links[i] = set
  }
  return links.map(set => (set.length > 1 ? set : []))
}
