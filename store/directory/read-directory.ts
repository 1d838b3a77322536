/**
 * A directory as a layer source: a canonical tar of its files, with their attributes in a map beside it
 * (spec/canonical-tar.md).
 */
import { closeSync, openSync } from 'node:fs'
import { constants, fstatAt, readlinkAt } from '../../native/index.ts'
import { type Attributes, AttributeTally } from '../acl/index.ts'
import { type TarMember, writeMembers } from '../tar/index.ts'
import { type PathBytes, StrataError } from '../values/index.ts'
import { DirectorySource } from './directory-source.ts'
import { fileMember } from './file-member.ts'
import { KIND_OF_TYPE } from './kind-of-type.ts'
import { type OnSkip, readAttributes } from './read-attributes.ts'
import { entryOfStatus, FirstPaths } from './status-entry.ts'
import { type Found, walk } from './walk-directory.ts'

export interface DirectoryTar {
  /** Chunks of 512 KiB, the last one shorter; memory does not grow with the files' contents. Read it once. */
  tar: AsyncIterable<Uint8Array>
  /**
   * Attributes by path, ACLs among them as `system.posix_acl_*`; complete when `tar` has ended. Paths without
   * attributes are missing, and of several hard links only the first is there.
   */
  attributes: Map<PathBytes, Attributes>
  /** Attributes that file systems keep for themselves, which are in neither; complete when `tar` has ended. */
  leftOut: AttributeTally
}

/**
 * The same tree gives the same bytes, whatever the order of directories on disk, the umask, the locale or the user (as
 * far as they may read it; without CAP_SYS_ADMIN the kernel hides `trusted.` attributes). Sockets are left out and
 * reported, mounts inside are entered, and no link is followed but `directory` itself.
 *
 * While `tar` is read it throws StrataError: IO (missing, not a directory, unreadable), SOURCE_CHANGED (somebody wrote
 * to it meanwhile), ATTRIBUTE_INVALID (an ACL that is not POSIX).
 */
export function readDirectoryAsTar(directory: string, { onSkip }: { onSkip: OnSkip }): DirectoryTar {
  const attributes: DirectoryTar['attributes'] = new Map()
  const leftOut = new AttributeTally()
  const members = new DirectoryReader(directory, { attributes, leftOut }, onSkip).members()
  return { tar: writeMembers(members), attributes, leftOut }
}

const { O_DIRECTORY, O_RDONLY, S_IFMT } = constants

class DirectoryReader {
  readonly #source: DirectorySource
  readonly #found: Omit<DirectoryTar, 'tar'>
  readonly #onSkip: OnSkip
  readonly #firstPaths = new FirstPaths()

  constructor(directory: string, found: Omit<DirectoryTar, 'tar'>, onSkip: OnSkip) {
    this.#source = new DirectorySource(directory)
    this.#found = found
    this.#onSkip = onSkip
  }

  *members(): Generator<TarMember> {
    const top = openTop(this.#source.directory)
    try {
      for (const found of walk(top, this.#source)) yield* this.#member(found)
    } finally {
      closeSync(top)
    }
  }

  *#member(found: Found): Generator<TarMember> {
    const { path, fd, status } = found
    const kind = KIND_OF_TYPE.get(status.mode & S_IFMT)
    if (kind === undefined) {
      this.#onSkip(path, 'a socket exists only while its program runs')
      return
    }
    const link = this.#firstPaths.linkToKnown(path, kind, status)
    if (link !== undefined) {
      yield { entry: link }
      return
    }
    const attributes = readAttributes({ fd, path, mode: status.mode }, this.#source, (name, foreign) =>
      this.#found.leftOut.add(name, foreign.what, path)
    )
    if (attributes.size > 0) this.#found.attributes.set(path, attributes)
    const entry = entryOfStatus(path, kind, status)
    if (kind === 'file') yield fileMember(this.#source, found, entry)
    else if (kind === 'symlink') yield { entry: { ...entry, linkTarget: this.#linkTarget(found) } }
    else yield { entry }
    this.#source.checkUnchanged(
      path,
      status,
      this.#source.attempt(path, () => fstatAt(fd))
    )
  }

  #linkTarget({ path, fd }: Found): PathBytes {
    return this.#source.attempt(path, () => readlinkAt(fd, ''))
  }
}

function openTop(directory: string): number {
  try {
    return openSync(directory, O_RDONLY | O_DIRECTORY)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const found =
      code === 'ENOENT' ? 'does not exist' : code === 'ENOTDIR' ? 'is not a directory' : 'cannot be opened'
    throw new StrataError('IO', {
      message: `${directory} ${found}, wanted a readable directory`,
      facts: { directory, error: (cause as Error).message },
      cause
    })
  }
}
