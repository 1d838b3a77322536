/** The whole tree of a sandbox, path by path: its files, and devices that only root could have made. */
import type { FileStatus } from '../../native/index.ts'
import { Kind } from '../../store/object/index.ts'
import { type PathBytes, pathFromBuffer } from '../../store/values/index.ts'
import { storedMetadata } from './edited-metadata.ts'
import type { Candidate } from './find-edits.ts'
import { FLAG_GENERATED, FLAG_NOT_WRITTEN, recordName, type SandboxRecord } from './sandbox-record.ts'

/**
 * Leaves out generated paths, unless they were edited.
 * @param candidates every path of the sandbox
 */
export function wholeTree(candidates: Candidate[], record: SandboxRecord): Candidate[] {
  const kept = candidates.filter(({ inode, isEdited }) => isEdited || !(record.flags[inode] & FLAG_GENERATED))
  return [...kept, ...notWritten(candidates, record)]
}

/** Devices of the record, in directories that still exist. */
function notWritten(candidates: Candidate[], record: SandboxRecord): Candidate[] {
  if (!record.flags.some(flags => flags & FLAG_NOT_WRITTEN)) return []
  const inodes = new Map(candidates.map(({ path, inode }) => [path, inode]))
  const found: Candidate[] = []
  const open: { path: PathBytes; inode: number }[] = [{ path: '', inode: 0 }]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const first = record.directoryFirst[at.inode]
    for (let entry = first; entry < first + record.directoryCount[at.inode]; entry++) {
      const name = pathFromBuffer(recordName(record, entry))
      const path = at.path === '' ? name : `${at.path}/${name}`
      const inode = record.entryInode[entry]
      const flags = record.flags[inode]
      if (record.kind[inode] === Kind.directory) {
        if (inodes.get(path) === inode) open.push({ path, inode })
      } else if (flags & FLAG_NOT_WRITTEN && !(flags & FLAG_GENERATED) && !inodes.has(path))
        found.push(recordedCandidate(record, path, inode))
    }
  }
  return found
}

/** A directory of the tree as it was written; none where the record has no directory of that path. */
export function recordedDirectory(record: SandboxRecord, path: PathBytes): Candidate[] {
  let inode = 0
  for (const name of path === '' ? [] : path.split('/')) {
    const first = record.directoryFirst[inode]
    const entries = Array.from({ length: record.directoryCount[inode] }, (_, i) => first + i)
    const entry = entries.find(at => pathFromBuffer(recordName(record, at)) === name)
    if (entry === undefined || record.kind[record.entryInode[entry]] !== Kind.directory) return []
    inode = record.entryInode[entry]
  }
  return [recordedCandidate(record, path, inode)]
}

/** The status is that of a device, of which nothing is asked where `path` is a directory. */
const recordedCandidate = (record: SandboxRecord, path: PathBytes, inode: number): Candidate => ({
  path,
  kind: record.kind[inode],
  status: deviceStatus(record, inode),
  metadata: storedMetadata(record, inode),
  target: '',
  inode,
  isEdited: false,
  hasNewContent: false
})

/** A status for a device that no file system has. Its inode number is unused, so that it tells hard links. */
function deviceStatus({ payload }: SandboxRecord, inode: number): FileStatus {
  const device = payload[inode]
  return {
    mode: 0,
    uid: 0,
    gid: 0,
    size: 0,
    nlink: 1,
    ino: -1n - BigInt(inode),
    dev: 0n,
    // The inverse of `deviceNumber`.
    rdevMajor: (device >>> 8) & 0xfff,
    rdevMinor: (device & 0xff) | ((device >>> 12) & 0xfff00),
    mtimeSeconds: 0,
    mtimeNanoseconds: 0,
    ctimeSeconds: 0,
    ctimeNanoseconds: 0,
    blocks: 0
  }
}
