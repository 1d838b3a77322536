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

/** The file system accepted a call but did not do it. */
export class NotKept extends Error {}

export interface FailurePlace {
  target: string
  path: PathBytes
  /** Name of the layer whose content was read. */
  layer: string
}

const RECORD_ONLY =
  'add --record-only, which records owners, ACLs, attributes and devices in .compose; or use another file system'

/** Errors with which a file system refuses a call because it cannot hold the result. */
const CANNOT_HOLD: Record<string, { codes: string[]; what: string }> = {
  setxattr: {
    codes: ['EOPNOTSUPP', 'ENOTSUP', 'EPERM', 'EINVAL', 'ENOSPC', 'E2BIG', 'ENODATA', 'ERANGE'],
    what: 'cannot hold the ACL or attributes'
  },
  fchownat: { codes: ['EPERM', 'EINVAL', 'EOVERFLOW'], what: 'cannot set the owner' },
  mknodat: { codes: ['EPERM', 'EINVAL', 'EOPNOTSUPP'], what: 'cannot hold a device, fifo or socket' },
  fchmodat: { codes: ['EPERM', 'EINVAL', 'EOPNOTSUPP'], what: 'cannot set the mode' },
  utimensat: { codes: ['EPERM', 'EINVAL'], what: 'cannot set the time' },
  symlinkat: { codes: ['EPERM', 'EOPNOTSUPP', 'ENOSYS'], what: 'cannot hold symbolic links' },
  linkat: { codes: ['EPERM', 'EOPNOTSUPP', 'EMLINK', 'ENOSYS'], what: 'cannot hold (so many) hard links' }
}

/** Turns an error of the writer into one that a user can act on. */
export function explainFailure(cause: unknown, { target, path, layer }: FailurePlace): unknown {
  if (cause instanceof StrataError) return cause
  const facts = { sandbox: target, path: showPath(path) || '.' }
  const name = `/${showPath(path)} in ${target}`
  if (cause instanceof NotKept)
    return new StrataError('SANDBOX_FILESYSTEM', {
      message: `the file system of ${target} does not keep the metadata of /${showPath(path)}: ${cause.message}`,
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

/** A path of an inode; for hard links, the first one. */
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
