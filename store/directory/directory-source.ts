import type { FileStatus } from '../../native/index.ts'
import { type PathBytes, StrataError, showPath } from '../values/index.ts'

/** Errors of system calls that mean an entry was removed or replaced since its directory was listed. */
const GONE = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ESTALE', 'ENODATA', 'ERANGE'])

const HINTS: Record<string, string> = {
  EACCES:
    'run as a user who may read it, or leave it out: an unreadable file is never stored as an empty one',
  EPERM: 'run as a user who may read it, or leave it out of the directory',
  EMFILE: 'one descriptor is needed for each level of the tree: raise the limit with ulimit -n'
}

/** The directory that is read. Its errors name the directory and the path in it. */
export class DirectorySource {
  readonly directory: string

  constructor(directory: string) {
    this.directory = directory
  }

  /**
   * Runs `action` and returns its result.
   * @throws StrataError SOURCE_CHANGED or IO in place of a failed system call's error
   */
  attempt<T>(path: PathBytes, action: () => T): T {
    try {
      return action()
    } catch (cause) {
      throw this.#explain(path, cause)
    }
  }

  #explain(path: PathBytes, cause: unknown): unknown {
    const { code, message } = cause as NodeJS.ErrnoException
    if (cause instanceof StrataError || code === undefined) return cause
    if (GONE.has(code)) return this.changed(path, `${message} after its directory was listed`, cause)
    return new StrataError('IO', {
      message: `${this.name(path)} cannot be read: ${message}`,
      facts: this.facts(path),
      hint: HINTS[code],
      cause
    })
  }

  changed(path: PathBytes, how: string, cause?: unknown): StrataError {
    return new StrataError('SOURCE_CHANGED', {
      message: `${this.name(path)} changed while it was read: ${how}`,
      facts: this.facts(path),
      hint: 'import again when nothing writes to the directory, or import a copy or a snapshot of it',
      cause
    })
  }

  /**
   * Compares the fields that change whenever somebody writes to the file or to its metadata.
   * @throws StrataError SOURCE_CHANGED
   */
  checkUnchanged(path: PathBytes, before: FileStatus, after: FileStatus): void {
    if (before.size !== after.size)
      throw this.changed(path, `its size was ${before.size} and is ${after.size} bytes`)
    const sameMtime =
      before.mtimeSeconds === after.mtimeSeconds && before.mtimeNanoseconds === after.mtimeNanoseconds
    if (!sameMtime) throw this.changed(path, 'it has another mtime than before')
    const sameCtime =
      before.ctimeSeconds === after.ctimeSeconds && before.ctimeNanoseconds === after.ctimeNanoseconds
    if (!sameCtime)
      throw this.changed(
        path,
        'it has another ctime than before, so its owner, mode, links or attributes were set'
      )
  }

  name(path: PathBytes): string {
    return path === '' ? this.directory : `${showPath(path)} in ${this.directory}`
  }

  facts(path: PathBytes): Record<string, string> {
    return { directory: this.directory, path: path === '' ? '.' : showPath(path) }
  }
}
