import { closeSync, openSync } from 'node:fs'
import { constants, fstatAt } from '../../native/index.ts'
import { AttributeTally } from '../../store/acl/index.ts'
import { DirectorySource } from '../../store/directory/index.ts'
import { type PrivilegedPath, privilegesOf } from '../../store/import/index.ts'
import { Kind, NONE } from '../../store/object/index.ts'
import type { Timestamp } from '../../store/tar/index.ts'
import { type PathBytes, pathFromText, StrataError, showPath } from '../../store/values/index.ts'
import { type CapturedLayer, capturedLayer } from './captured-tar.ts'
import { isTimeAloneEdited } from './edited-metadata.ts'
import { type Candidate, type Edits, findEdits } from './find-edits.ts'
import { readSandboxFiles, type SandboxFiles } from './sandbox-files.ts'
import { type Applied, FLAG_GENERATED, type SandboxRecord } from './sandbox-record.ts'
import { spreadEdits } from './spread-edits.ts'
import { clampTimes, newestTime, scrub, type Tidying } from './tidy-edits.ts'
import { recordedDirectory, wholeTree } from './whole-tree.ts'

export interface ReadSandboxOptions {
  /** Hash every file; otherwise a file with unchanged size and modification time counts as unchanged. */
  checkContents?: boolean
  /** `captured` holds the whole tree, not only the changes to the layers below. */
  whole?: boolean
  /** Modes of paths that have others on disk, because their user could not read them. */
  modes?: ReadonlyMap<PathBytes, number>
  /** For a sandbox in which commands were captured. */
  tidying?: Tidying
  /** Called now and then with the number of paths compared since the last call. */
  onProgress?: (paths: number) => void
}

export interface SandboxEdits {
  /** The lock that `writeSandbox` was given; it names the layers below. */
  lock: Buffer
  /** Digest of the tree that was written, which the tree of the lock must match. */
  treeDigest: Buffer
  /** When the tree was complete. */
  since: Timestamp
  applied: Applied
  /** Numbers of paths that are new or have another kind; that changed; that are gone. */
  added: number
  changed: number
  deleted: number
  /** Sockets, which are left out. */
  skipped: { path: PathBytes; reason: string }[]
  /** Attributes of the file system itself, which no layer gets. */
  leftOut: AttributeTally
  /** Deleted paths that were generated, so every build makes them again. */
  regenerated: PathBytes[]
  /** Files that lost stored set-id bits or capabilities because their content changed. */
  unprivileged: PathBytes[]
  /** Edited files with set-id bits or capabilities, and devices, which the captured layer will contain. */
  privileged: PrivilegedPath[]
  /** A layer without any. */
  nothing: CapturedLayer
  /** The layer of changes, with the role `captured`; undefined for an unchanged sandbox. */
  captured?: CapturedLayer
  /** The changes as a module of their own. Undefined with `whole`. */
  capturedBeside?: (directories: DirectoriesBeside) => CapturedBeside
}

/** Rules for directories of a sandbox whose edits become a module of their own. */
export interface DirectoriesBeside {
  /** True for directories of other modules, which the new module does not take over. */
  isOthers: (path: PathBytes) => boolean
  /** Unedited directories that the module holds all the same, because its lower layers have other attributes. */
  restated: PathBytes[]
}

export interface CapturedBeside {
  /** Undefined if nothing is left. */
  captured?: CapturedLayer
  /** Directories of other modules whose owner, mode, ACL or attributes were changed; no layer holds these changes. */
  unchangeable: PathBytes[]
}

const PATHS_PER_CALL = 1024

/**
 * Finds the edits of a sandbox since it was written (spec/sandbox.md#edits). The same sandbox gives the same bytes.
 * @throws StrataError SANDBOX_INVALID (not a sandbox, damaged record, a mount in it), SOURCE_CHANGED, IO,
 * ATTRIBUTE_INVALID (an ACL that is not POSIX)
 */
export function readSandbox(directory: string, options: ReadSandboxOptions = {}): SandboxEdits {
  const name = showPath(pathFromText(directory))
  const source = new DirectorySource(name)
  const top = openTop(directory, name)
  try {
    const { record, lock, seen, since } = readSandboxFiles(top, name)
    const { edits, ...passed } = compare(top, source, { record, seen }, options)
    if (record.applied === 'capture') passed.skipped.push(...tidy(edits, record, since, options.tidying))
    spreadEdits(edits.candidates)
    const reopen = reopenerOf(top, directory, source)
    return {
      lock,
      treeDigest: record.treeDigest,
      since,
      applied: record.applied,
      ...passed,
      ...summary(edits),
      nothing: capturedLayer(reopen, source, [], []),
      ...(options.whole
        ? { captured: capturedLayer(reopen, source, wholeTree(edits.candidates, record), []) }
        : {
            captured: capture(edits, reopen, source),
            capturedBeside: directories => captureBeside(edits, record, directories, reopen, source)
          })
    }
  } finally {
    closeSync(top)
  }
}

const SCRUBBED = 'a log, a cache or a temporary file, which would differ each time (--no-scrub)'

function tidy(
  edits: Edits,
  record: SandboxRecord,
  since: Timestamp,
  { scrubs, epoch, keepsTimes }: Tidying = { scrubs: true }
): SandboxEdits['skipped'] {
  const left = scrubs ? scrub(edits) : []
  if (!keepsTimes) clampTimes(edits, since, epoch ?? newestTime(record))
  return left.map(path => ({ path, reason: SCRUBBED }))
}

interface Comparison extends Pick<SandboxEdits, 'skipped' | 'leftOut'> {
  edits: Edits
}

function compare(
  top: number,
  source: DirectorySource,
  { record, seen }: Pick<SandboxFiles, 'record' | 'seen'>,
  { checkContents = false, whole = false, modes, onProgress = () => {} }: ReadSandboxOptions
): Comparison {
  const skipped: SandboxEdits['skipped'] = []
  const leftOut = new AttributeTally()
  let paths = 0
  const edits = findEdits(top, source, record, {
    seen,
    modes,
    checkContents,
    whole,
    onSkip: (path, reason) => skipped.push({ path, reason }),
    onLeftOut: (name, { what }, path) => leftOut.add(name, what, path),
    onPath: () => {
      if (++paths % PATHS_PER_CALL === 0) onProgress(PATHS_PER_CALL)
    }
  })
  onProgress(paths % PATHS_PER_CALL)
  return { edits, skipped, leftOut }
}

/** Contents are read later, from the directory that was compared. @returns opens it again, or throws SOURCE_CHANGED */
function reopenerOf(top: number, directory: string, source: DirectorySource): () => number {
  const { ino, dev } = fstatAt(top)
  return () => {
    const again = openTop(directory, showPath(pathFromText(directory)))
    const status = fstatAt(again)
    if (status.ino === ino && status.dev === dev) return again
    closeSync(again)
    throw source.changed('', 'another directory took its name')
  }
}

function summary({ candidates, deleted, regenerated, unprivileged }: Edits) {
  const edited = candidates.filter(({ isEdited }) => isEdited)
  const added = edited.filter(({ inode }) => inode === NONE).length
  const changed = edited.length - added
  const privileged = edited.flatMap(privilegedOf)
  return { added, changed, deleted: deleted.length, regenerated, unprivileged, privileged }
}

function privilegedOf({ path, kind, metadata: { mode, attributes } }: Candidate): PrivilegedPath[] {
  const whys = privilegesOf(kind, mode, attributes)
  return whys.length === 0 ? [] : [{ path, why: whys.join(', ') }]
}

function capture(
  { candidates, deleted }: Pick<Edits, 'candidates' | 'deleted'>,
  reopen: () => number,
  source: DirectorySource,
  unedited: Candidate[] = []
) {
  const edited = candidates.filter(({ isEdited }) => isEdited)
  if (edited.length + deleted.length === 0) return undefined
  return capturedLayer(reopen, source, [...edited, ...unedited], deleted)
}

function captureBeside(
  { candidates, deleted }: Edits,
  record: SandboxRecord,
  { isOthers, restated }: DirectoriesBeside,
  reopen: () => number,
  source: DirectorySource
): CapturedBeside {
  const ofOthers = candidates.filter(
    ({ path, inode, isEdited }) =>
      isEdited && inode !== NONE && !(record.flags[inode] & FLAG_GENERATED) && isOthers(path)
  )
  const foreign = ofOthers.filter(({ kind }) => kind === Kind.directory)
  const left = new Set([...foreign, ...touched(ofOthers, candidates, record)])
  const own = candidates.filter(candidate => !left.has(candidate))
  const isNamed = new Set(own.filter(({ isEdited }) => isEdited).map(({ path }) => path))
  const unedited = restated
    .filter(path => !isNamed.has(path))
    .flatMap(path => recordedDirectory(record, path))
  const captured = capture({ candidates: own, deleted }, reopen, source, unedited)
  return {
    captured,
    unchangeable: foreign
      .filter(({ inode, metadata }) => !isTimeAloneEdited(record, inode, metadata))
      .map(({ path }) => path)
  }
}

/**
 * Files of which the time alone is new. A merge takes such a file from the lower module, because both are the same. All
 * names of an inode go together.
 */
function touched(ofOthers: Candidate[], candidates: Candidate[], record: SandboxRecord): Candidate[] {
  const isTouched = ({ kind, inode, hasNewContent, metadata }: Candidate) =>
    kind !== Kind.directory && !hasNewContent && isTimeAloneEdited(record, inode, metadata)
  const found = new Set(ofOthers.filter(isTouched))
  const changed = new Set(
    candidates.filter(each => each.isEdited && !found.has(each)).map(({ status }) => status.ino)
  )
  return [...found].filter(({ status }) => !changed.has(status.ino))
}

/** Newest time in the tree of a sandbox as it was written. @throws StrataError SANDBOX_INVALID, IO */
export function epochOf(directory: string): number {
  const name = showPath(pathFromText(directory))
  const top = openTop(directory, name)
  try {
    return newestTime(readSandboxFiles(top, name).record)
  } finally {
    closeSync(top)
  }
}

function openTop(directory: string, name: string): number {
  try {
    return openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  } catch (cause) {
    throw new StrataError('IO', {
      message: `sandbox ${name} cannot be opened: ${(cause as Error).message}`,
      facts: { sandbox: name },
      cause
    })
  }
}
