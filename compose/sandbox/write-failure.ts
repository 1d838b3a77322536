import type { NativeError } from '../../native/index.ts'
import {
  nameSystemError,
  type PathBytes,
  pathFromBuffer,
  StrataError,
  showPath,
  systemHint
} from '../../store/values/index.ts'
import { entryName, type MergedTree } from '../merge/index.ts'

/** The file system took a call and did not do it. */
export class NotKept extends Error {}

export interface FailurePlace {
  target: string
  path: PathBytes
  /** Name of the layer whose content was being read. */
  layer: string
}

const RECORD_ONLY =
  '--record-only keeps owners, ACLs, attributes and devices in .compose alone; or take another file system'

/** Calls that a file system refuses when it cannot hold what they make, by errno. */
const CANNOT_HOLD: Record<string, { codes: string[]; what: string }> = {
  setxattr: {
    codes: ['EOPNOTSUPP', 'ENOTSUP', 'EPERM', 'EINVAL', 'ENOSPC', 'E2BIG', 'ENODATA', 'ERANGE'],
    what: 'cannot keep its ACL or attributes'
  },
  fchownat: { codes: ['EPERM', 'EINVAL', 'EOVERFLOW'], what: 'does not take its owner' },
  mknodat: { codes: ['EPERM', 'EINVAL', 'EOPNOTSUPP'], what: 'does not take a device, fifo or socket' },
  fchmodat: { codes: ['EPERM', 'EINVAL', 'EOPNOTSUPP'], what: 'does not take its mode' },
  utimensat: { codes: ['EPERM', 'EINVAL'], what: 'does not take its time' },
  symlinkat: { codes: ['EPERM', 'EOPNOTSUPP', 'ENOSYS'], what: 'does not take symbolic links' },
  linkat: { codes: ['EPERM', 'EOPNOTSUPP', 'EMLINK', 'ENOSYS'], what: 'does not take (so many) hard links' }
}

/** An error of the writer as one that a user can act on. */
export function explainFailure(cause: unknown, { target, path, layer }: FailurePlace): unknown {
  if (cause instanceof StrataError) return cause
  const facts = { sandbox: target, path: showPath(path) || '.' }
  const name = `/${showPath(path)} in ${target}`
  if (cause instanceof NotKept)
    return new StrataError('SANDBOX_FILESYSTEM', {
      message: `the file system of ${target} does not keep what /${showPath(path)} is given: ${cause.message}`,
      facts,
      hint: RECORD_ONLY,
      cause
    })
  if (cause instanceof RangeError)
    return new StrataError('OBJECT_CORRUPT', {
      message: `the content of ${name} cannot be read from the data of ${layer}: ${cause.message}`,
      facts: { ...facts, layer },
      hint: 'compose fsck --repair',
      cause
    })
  const { code, syscall, message } = nameSystemError(cause as NativeError)
  if (code === undefined || syscall === undefined) return cause
  const refused = CANNOT_HOLD[syscall]
  if (refused?.codes.includes(code))
    return new StrataError('SANDBOX_FILESYSTEM', {
      message: `the file system of ${target} ${refused.what}: /${showPath(path)}: ${message}`,
      facts: { ...facts, errno: code },
      hint: RECORD_ONLY,
      cause
    })
  return new StrataError('IO', {
    message: `${name} cannot be written: ${message}`,
    facts: { ...facts, errno: code },
    hint: systemHint(code),
    cause
  })
}

/** A path of an inode: of several hard links the first. */
export function pathOfInode(tree: MergedTree, inode: number): PathBytes {
  const names: string[] = []
  for (let at = inode; at !== 0; ) {
    const entry = tree.entryInode.indexOf(at)
    names.push(pathFromBuffer(entryName(tree, entry)))
    at = directoryOf(tree, entry)
  }
  return names.reverse().join('/')
}

const directoryOf = (tree: MergedTree, entry: number): number =>
  tree.directories.find(
    directory =>
      entry >= tree.directoryFirst[directory] &&
      entry < tree.directoryFirst[directory] + tree.directoryCount[directory]
  )!
