import { closeSync, openSync } from 'node:fs'
import { constants, fstatAt } from '../../native/index.ts'
import { AttributeTally } from '../../store/acl/index.ts'
import { DirectorySource } from '../../store/directory/index.ts'
import { type PrivilegedPath, privilegesOf } from '../../store/import/index.ts'
import { Kind, NONE } from '../../store/object/index.ts'
import { type PathBytes, pathFromText, StrataError, showPath } from '../../store/values/index.ts'
import { type CapturedLayer, capturedLayer } from './captured-tar.ts'
import { isTimeAloneEdited } from './edited-metadata.ts'
import { type Candidate, type Edits, findEdits } from './find-edits.ts'
import { readSandboxFiles } from './sandbox-files.ts'
import { type Applied, FLAG_GENERATED, type SandboxRecord } from './sandbox-record.ts'
import { spreadEdits } from './spread-edits.ts'
import { recordedDirectory, wholeTree } from './whole-tree.ts'

export interface ReadSandboxOptions {
  /** Hash every file; else one whose size and modification time are unchanged is taken as unchanged. */
  checkContents?: boolean
  /** `captured` is the whole tree, not what lies on top of the layers below. */
  whole?: boolean
  /** Called now and then with the paths compared since the last call. */
  onProgress?: (paths: number) => void
}

export interface SandboxEdits {
  /** What `writeSandbox` was given: it names the layers below. */
  lock: Buffer
  /** Of the tree that was written: what the lock leads to must have the same. */
  treeDigest: Buffer
  applied: Applied
  /** Paths that the tree did not have, or had as something else; that changed; that are gone. */
  added: number
  changed: number
  deleted: number
  /** Sockets. */
  skipped: { path: PathBytes; reason: string }[]
  /** Attributes of the file system's own, which no layer gets. */
  leftOut: AttributeTally
  /** Deleted paths that were generated, and are made again by every build. */
  regenerated: PathBytes[]
  /** Files whose new content lost the set-id bits or capabilities that the stored one has. */
  unprivileged: PathBytes[]
  /** Edited files that give whoever runs them rights, and devices: the captured layer brings them. */
  privileged: PrivilegedPath[]
  /** What lies on top of the lock's layers now, in the role `captured`; undefined for an untouched sandbox. */
  captured?: CapturedLayer
  /** The same for a module of its own. Undefined with `whole`. */
  capturedBeside?: (directories: DirectoriesBeside) => CapturedBeside
}

/** How the directories of a sandbox stand where its edits become a module of their own. */
export interface DirectoriesBeside {
  /** Tells directories of other modules: the new module does not take them over. */
  isOthers: (path: PathBytes) => boolean
  /** Directories of the tree to write into the module though nobody edited them, because its lower layers say otherwise. */
  restated: PathBytes[]
}

export interface CapturedBeside {
  /** Undefined where nothing is left. */
  captured?: CapturedLayer
  /** Directories of others whose owner, mode, ACL or attributes were changed: that is in no layer. */
  unchangeable: PathBytes[]
}

const PATHS_PER_CALL = 1024

/**
 * What the user did in a sandbox since it was written (spec/sandbox.md#edits). The same sandbox gives the same bytes.
 * @throws StrataError SANDBOX_INVALID (no sandbox, damaged record, a mount in it), SOURCE_CHANGED, IO,
 *   ATTRIBUTE_INVALID (an ACL that is not POSIX)
 */
export function readSandbox(directory: string, options: ReadSandboxOptions = {}): SandboxEdits {
  const { checkContents = false, whole = false, onProgress = () => {} } = options
  const name = showPath(pathFromText(directory))
  const source = new DirectorySource(name)
  const top = openTop(directory, name)
  const skipped: SandboxEdits['skipped'] = []
  const leftOut = new AttributeTally()
  let paths = 0
  try {
    const { record, lock } = readSandboxFiles(top, name)
    const edits = findEdits(top, source, record, {
      checkContents,
      whole,
      onSkip: (path, reason) => skipped.push({ path, reason }),
      onLeftOut: (name, { what }, path) => leftOut.add(name, what, path),
      onPath: () => {
        if (++paths % PATHS_PER_CALL === 0) onProgress(PATHS_PER_CALL)
      }
    })
    onProgress(paths % PATHS_PER_CALL)
    spreadEdits(edits.candidates)
    const { ino, dev } = fstatAt(top)
    const reopen = () => {
      const again = openTop(directory, name)
      const status = fstatAt(again)
      if (status.ino === ino && status.dev === dev) return again
      closeSync(again)
      throw source.changed('', 'another directory took its name')
    }
    return {
      lock,
      treeDigest: record.treeDigest,
      applied: record.applied,
      skipped,
      leftOut,
      ...summary(edits),
      ...(whole
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
  const foreign = candidates.filter(
    ({ path, kind, inode, isEdited }) =>
      isEdited &&
      kind === Kind.directory &&
      inode !== NONE &&
      !(record.flags[inode] & FLAG_GENERATED) &&
      isOthers(path)
  )
  const left = new Set(foreign)
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
