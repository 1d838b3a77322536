import { closeSync } from 'node:fs'
import { fstatAt, type NativeError, setXattr } from '../../native/index.ts'
import { ACCESS_ATTRIBUTE, encodeAcl, minimalAcl } from '../../store/acl/index.ts'
import { type DataSource, Kind } from '../../store/object/index.ts'
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
import { type Applied, FLAG_NOT_WRITTEN } from './sandbox-record.ts'
import { type StoredTruth, storedTruth } from './stored-truth.ts'
import { limitTop } from './top-access.ts'
import { TreeWriter } from './tree-writer.ts'
import { explainFailure } from './write-failure.ts'

export interface SandboxOptions {
  /** Neither owners nor set-id bits, ACLs, attributes or devices are applied: all of it stays in the record. */
  recordOnly?: boolean
  /** Apply everything exactly. Default: whether the effective user is root. */
  asRoot?: boolean
  /** What makes the tree again, a lock or a layer hash list: kept as it is, and given back by `readSandbox`. */
  lock: string | Uint8Array
  /** Who may enter it; by default everybody whom the tree's top admits. */
  audience?: Audience
  /** Of the tree that the lock leads to, where that is not quite the one that is written: an image keeps whole seconds. */
  treeDigest?: Buffer
  /** Called with file bytes that are in their place; they add up to the tree's. */
  onProgress?: (bytes: number) => void
}

export interface SandboxReport {
  applied: Applied
  /** Names written, and inodes that they lead to. */
  entries: number
  inodes: number
  /** Of all files, holes included. */
  fileBytes: number
  /** Inodes whose truth is in the record alone, by category. */
  notApplied: NotApplied
}

/**
 * Write a merged tree as a directory (spec/sandbox.md). Whole or absent: a failure leaves the target as it was found,
 * a kill leaves a directory without record, which nobody but its user can enter, and the next build empties.
 * @param sources data of each layer of the tree, in its order
 * @param target a directory that is empty, or not there
 * @throws StrataError SANDBOX_EXISTS, SANDBOX_FILESYSTEM (it cannot keep an owner, ACL, attribute, device), CONFLICT
 *   (the tree holds `.compose/sandbox`), OBJECT_CORRUPT, IO
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
  const applied = options.recordOnly ? 'record-only' : asRoot ? 'root' : 'user'
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
      message: `${failure.message}; and what was written to ${directory.name} cannot be removed: ${(error as Error).message}`,
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
  { lock, audience = EVERYONE, treeDigest: locked, onProgress = () => {} }: SandboxOptions
): Promise<SandboxReport> {
  // The group is the process's, or (mount option grpid) that of the directory.
  const { uid, gid } = explained(name, () => markUnfinished(fd))
  const truth = storedTruth(tree)
  planApplied(truth, applied, gid) // what is applied to whom is settled
  const isLimited = audience.kind !== 'everyone'
  const hasAcls = applied !== 'record-only' && (needsAcls(truth) || isLimited) && probeAcls(fd)
  if (needsAcls(truth) && !hasAcls) throw withoutAcls(name)
  if (isLimited) {
    const before = applied === 'root' ? { uid: truth.tables.uid[0], gid: truth.tables.gid[0] } : { uid, gid }
    limitTop(truth, audience, { owner: { uid, gid }, before, hasAcls })
  }
  const writing = { tree, truth, sources, applied, keepsTopOwner: isLimited, onBytes: onProgress }
  const writer = new TreeWriter(writing, fd, name)
  await writer.write()
  const folder = explained(name, () => makeSandboxFolder(fd))
  try {
    writer.settleTop() // no name is made after this line but below .compose
    const record = {
      ...truth.tables,
      ...truth.strings.encode(),
      applied,
      treeDigest: locked ?? treeDigest(tree)
    }
    explained(name, () => writeSandboxFiles(folder, Buffer.from(lock), record))
  } finally {
    closeSync(folder)
  }
  const isOwn = (own: number, group: number) => applied === 'root' || (own === uid && group === gid)
  return { applied, ...sizes(tree, truth), notApplied: countNotApplied(truth, isOwn) }
}

function explained<T>(target: string, work: () => T): T {
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
    hint: `import ${name} again without it`
  })
}

const needsAcls = ({ tables }: StoredTruth): boolean =>
  tables.appliedAccess.some(acl => acl !== 0) || tables.appliedDefault.some(acl => acl !== 0)

/** Asked before gigabytes are written in vain. */
function probeAcls(fd: number): boolean {
  try {
    // No more than the mode says: the kernel keeps nothing of it.
    setXattr(fd, '', ACCESS_ATTRIBUTE, encodeAcl(minimalAcl(fstatAt(fd).mode)))
    return true
  } catch (error) {
    if (['EOPNOTSUPP', 'ENOTSUP'].includes((error as NativeError).code)) return false
    throw error
  }
}

const withoutAcls = (name: string): StrataError =>
  new StrataError('SANDBOX_FILESYSTEM', {
    message: `the file system of ${name} has no ACLs, which this tree has`,
    facts: { sandbox: name },
    hint: '--record-only keeps them in .compose alone; or take a directory on another file system'
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
