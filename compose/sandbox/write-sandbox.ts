import { closeSync } from 'node:fs'
import { fstatAt, type NativeError, setXattr } from '../../native/index.ts'
import { ACCESS_ATTRIBUTE, encodeAcl, minimalAcl } from '../../store/acl/index.ts'
import { type DataSource, Kind } from '../../store/object/index.ts'
import type { Timestamp } from '../../store/tar/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { type Audience, EVERYONE } from '../audience/index.ts'
import { findPath, type MergedTree, treeDigest, withoutGaps } from '../merge/index.ts'
import { SandboxTarget } from './new-sandbox.ts'
import { countNotApplied, type NotApplied, planApplied } from './plan-applied.ts'
import {
  COMPOSE_FOLDER,
  makeSandboxFolder,
  markUnfinished,
  SANDBOX_FOLDER,
  UNFINISHED,
  writeSandboxFiles
} from './sandbox-files.ts'
import { type Applied, FLAG_NOT_WRITTEN, isExact } from './sandbox-record.ts'
import { encodeSeenTree } from './seen-metadata.ts'
import { type StoredTruth, storedTruth } from './stored-truth.ts'
import { limitTop } from './top-access.ts'
import { TreeWriter } from './tree-writer.ts'
import { explainFailure } from './write-failure.ts'

export interface SandboxOptions {
  /** Record owners, set-id bits, ACLs, attributes and devices, and do not apply them. */
  recordOnly?: boolean
  /** Apply everything exactly. Default: true if the effective user is root. */
  asRoot?: boolean
  /** For commands that are to be captured. */
  forCapture?: boolean
  /**
   * A lock or a layer hash list from which the tree can be made again. It is kept as it is, and `readSandbox` returns
   * it.
   */
  lock: string | Uint8Array
  /** Users who may enter the sandbox; by default everybody whom the tree's root admits. */
  audience?: Audience
  /** Digest of the tree of the lock, if the written tree differs from it, as an image holds times in whole seconds. */
  treeDigest?: Buffer
  /** The tree that edits are told from; default: the one that is written. */
  recorded?: { tree: MergedTree; since: Timestamp }
  /** Called with the number of file bytes that were written; they add up to those of the tree. */
  onProgress?: (bytes: number) => void
  /** Bytes that are written before a thread starts to write as well. */
  bytesWithoutThread?: number
}

export interface SandboxReport {
  applied: Applied
  /** Number of names, and of the inodes that they lead to. */
  entries: number
  inodes: number
  /** Bytes of all files, holes included. */
  fileBytes: number
  /** Number of inodes with metadata that is only recorded, by category. */
  notApplied: NotApplied
}

/**
 * Writes a merged tree as a directory (spec/sandbox.md). It is complete or absent: a failure restores the target. A
 * kill leaves a directory without record, which only its user can enter, and which the next build empties.
 * @param sources data of each layer of the tree, in its order
 * @param target a directory that is empty or does not exist
 * @throws StrataError SANDBOX_EXISTS, SANDBOX_FILESYSTEM (it cannot keep an owner, ACL, attribute, device), CONFLICT
 * (the tree holds `.compose/sandbox`), OBJECT_CORRUPT, IO
 */
export async function writeSandbox(
  tree: MergedTree,
  sources: DataSource[],
  target: string,
  options: SandboxOptions
): Promise<SandboxReport> {
  if (sources.length !== tree.layers.length)
    throw new TypeError(`${tree.layers.length} layers, but data for ${sources.length}`)
  refuseOwnFolder(tree)
  const asRoot = options.asRoot ?? process.geteuid!() === 0
  const applied = options.forCapture
    ? 'capture'
    : options.recordOnly
      ? 'record-only'
      : asRoot
        ? 'root'
        : 'user'
  const directory = SandboxTarget.open(target)
  try {
    return await writeInto(directory, { tree: withoutGaps(tree), sources, applied }, options)
  } catch (error) {
    discard(directory, error as Error)
    throw error
  } finally {
    directory.close()
  }
}

function discard(directory: SandboxTarget, failure: Error): void {
  try {
    directory.discard()
  } catch (error) {
    throw new StrataError('IO', {
      message: `${failure.message}; the unfinished ${directory.name} cannot be removed either: ${(error as Error).message}`,
      facts: { sandbox: directory.name },
      hint: `rm -rf ${directory.name}`,
      cause: failure
    })
  }
}

interface Plan {
  tree: MergedTree
  sources: DataSource[]
  applied: Applied
}

async function writeInto(
  { fd, name }: SandboxTarget,
  { tree, sources, applied }: Plan,
  {
    lock,
    audience = EVERYONE,
    treeDigest: locked,
    recorded,
    onProgress = () => {},
    bytesWithoutThread
  }: SandboxOptions
): Promise<SandboxReport> {
  // The group is that of the process, or with the mount option grpid that of the directory.
  const { uid, gid } = explainErrors(name, () => markUnfinished(fd))
  const truth = storedTruth(tree)
  planApplied(truth, applied, gid) // decides what is applied
  const isLimited = audience.kind !== 'everyone'
  const isKeptBeside = applied === 'record-only' || applied === 'capture'
  const hasAcls = !isKeptBeside && (needsAcls(truth) || isLimited) && probeAcls(fd)
  if (needsAcls(truth) && !isKeptBeside && !hasAcls) throw withoutAcls(name)
  if (isLimited && applied !== 'capture') {
    const before = applied === 'root' ? { uid: truth.tables.uid[0], gid: truth.tables.gid[0] } : { uid, gid }
    limitTop(truth, audience, { owner: { uid, gid }, before, hasAcls })
  }
  const writing = {
    ...{ tree, truth, sources, applied, keepsTopOwner: isLimited },
    ...{ onBytes: onProgress, bytesWithoutThread }
  }
  const writer = new TreeWriter(writing, fd, name)
  await writer.write()
  const folder = explainErrors(name, () => makeSandboxFolder(fd))
  try {
    writer.settleTop() // no name is made after this line, except below .compose
    const known = recorded === undefined ? truth : recordedTruth(recorded.tree, applied, gid)
    const record = {
      ...known.tables,
      ...known.strings.encode(),
      applied,
      treeDigest: locked ?? treeDigest(recorded?.tree ?? tree)
    }
    const seen = applied === 'capture' ? encodeSeenTree(tree, truth) : undefined
    explainErrors(name, () => writeSandboxFiles(folder, Buffer.from(lock), record, seen, recorded?.since))
  } finally {
    closeSync(folder)
  }
  const isOwn = (own: number, group: number) => isExact({ applied }) || (own === uid && group === gid)
  return { applied, ...sizes(tree, truth), notApplied: countNotApplied(truth, isOwn) }
}

function recordedTruth(tree: MergedTree, applied: Applied, gid: number): StoredTruth {
  const truth = storedTruth(withoutGaps(tree))
  planApplied(truth, applied, gid)
  return truth
}

function explainErrors<T>(target: string, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    throw explainFailure(cause, { target, path: SANDBOX_FOLDER, layer: '' })
  }
}

function refuseOwnFolder(tree: MergedTree): void {
  const folder = findPath(tree, COMPOSE_FOLDER)
  const taken =
    folder !== undefined && folder.kind !== Kind.directory
      ? folder
      : (findPath(tree, SANDBOX_FOLDER) ?? findPath(tree, UNFINISHED))
  if (taken === undefined) return
  const { name } = tree.layers[taken.layer]
  throw new StrataError('CONFLICT', {
    message: `${name} brings /${taken.path}, where a sandbox keeps its record`,
    facts: { module: name, path: `/${taken.path}` },
    hint: `import ${name} again without this path`
  })
}

const needsAcls = ({ tables }: StoredTruth): boolean =>
  tables.appliedAccess.some(acl => acl !== 0) || tables.appliedDefault.some(acl => acl !== 0)

/** Checked before gigabytes are written in vain. */
function probeAcls(fd: number): boolean {
  try {
    // The same rights as the mode, so the kernel stores no ACL.
    setXattr(fd, '', ACCESS_ATTRIBUTE, encodeAcl(minimalAcl(fstatAt(fd).mode)))
    return true
  } catch (error) {
    if (['EOPNOTSUPP', 'ENOTSUP'].includes((error as NativeError).code)) return false
    throw error
  }
}

const withoutAcls = (name: string): StrataError =>
  new StrataError('SANDBOX_FILESYSTEM', {
    message: `the file system of ${name} cannot hold ACLs, and this tree has some`,
    facts: { sandbox: name },
    hint: 'add --record-only, which records them in .compose; or use another file system'
  })

function sizes(
  tree: MergedTree,
  { tables }: StoredTruth
): Pick<SandboxReport, 'entries' | 'inodes' | 'fileBytes'> {
  const isWritten = (inode: number) => (tables.flags[inode] & FLAG_NOT_WRITTEN) === 0
  let entries = 0
  for (const inode of tree.entryInode) if (isWritten(inode)) entries++
  let inodes = 0
  let fileBytes = 0
  for (let inode = 0; inode < tables.kind.length; inode++) {
    if (isWritten(inode)) inodes++
    fileBytes += tables.size[inode]
  }
  return { entries, inodes, fileBytes }
}
