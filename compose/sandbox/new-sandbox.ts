/** The directory that becomes a sandbox. It is new or empty, and only its user can enter it until it is complete. */
import { closeSync, mkdirSync, openSync, rmdirSync } from 'node:fs'
import {
  chmodAt,
  chownAt,
  constants,
  type FileStatus,
  fstatAt,
  getXattr,
  type NativeError,
  readDirAt,
  removeXattr,
  setXattr
} from '../../native/index.ts'
import { ACCESS_ATTRIBUTE, DEFAULT_ATTRIBUTE } from '../../store/acl/index.ts'
import { OutputFolder, removeContents } from '../../store/disk/index.ts'
import {
  nameSystemError,
  pathFromText,
  StrataError,
  showPath,
  systemHint,
  whenStopped
} from '../../store/values/index.ts'
import { clearUnfinished } from './sandbox-files.ts'

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants
const PRIVATE = 0o700

/**
 * Descriptors that are held in reserve for removing a tree. If a tree could not be written because descriptors ran
 * out, removing it needs a few more than making it did.
 */
class Spare {
  readonly #fds: number[] = []

  constructor() {
    try {
      while (this.#fds.length < SPARE_DESCRIPTORS) this.#fds.push(openSync('/dev/null', O_RDONLY))
    } catch (error) {
      this.release()
      throw error
    }
  }

  release(): void {
    for (const fd of this.#fds.splice(0)) closeSync(fd)
  }
}

const SPARE_DESCRIPTORS = 4

export class SandboxTarget {
  /** Name for messages. */
  readonly name: string
  readonly fd: number
  readonly #above: OutputFolder
  /** State of the directory before; undefined for one that was made here. */
  readonly #before: Before | undefined
  readonly #spare: Spare
  #forget = () => {}

  private constructor(
    name: string,
    {
      fd,
      above,
      spare,
      before
    }: { fd: number; above: OutputFolder; spare: Spare; before: Before | undefined }
  ) {
    this.#above = above
    this.#spare = spare
    this.name = name
    this.fd = fd
    this.#before = before
  }

  /**
   * Makes the directory, or takes an empty one, or empties one of an interrupted build. It gets mode 0700 and no
   * ACLs, so that nobody else can enter and nothing is inherited.
   * @throws StrataError SANDBOX_EXISTS if it is not empty or not a directory, IO
   */
  static open(path: string): SandboxTarget {
    const name = showPath(pathFromText(path))
    return explainErrors(name, () => {
      const spare = new Spare()
      let isNew = false
      let fd: number | undefined
      let above: OutputFolder | undefined
      try {
        above = openAbove(path, name)
        isNew = makeDirectory(above.target)
        fd = openSync(above.target, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        const status = fstatAt(fd)
        // A directory that was just made belongs to us and is empty, unless it was swapped.
        if (isNew && status.uid !== process.geteuid!()) refuse(name, 'was replaced by another user', status)
        clearUnfinished(fd)
        refuseContents(fd, name)
        const before = isNew ? undefined : stateOf(fd, status)
        const target = new SandboxTarget(name, { fd, above, spare, before })
        target.#takeOver(status)
        target.#forget = whenStopped(() => target.discard())
        return target
      } catch (error) {
        spare.release()
        if (fd !== undefined) closeSync(fd)
        if (isNew) rmdirSync(above!.target)
        above?.close()
        throw error
      }
    })
  }

  #takeOver({ uid, gid }: FileStatus): void {
    if (process.geteuid!() === 0 && (uid !== 0 || gid !== 0)) chownAt(this.fd, '', 0, 0)
    for (const attribute of [DEFAULT_ATTRIBUTE, ACCESS_ATTRIBUTE]) removeIfThere(this.fd, attribute)
    chmodAt(this.fd, '', PRIVATE)
    // Other users may have written here after it was listed.
    refuseContents(this.fd, this.name)
  }

  /** Restores the directory to its earlier state: empty, or missing. */
  discard(): void {
    this.#spare.release()
    removeContents(this.fd)
    if (this.#before === undefined) rmdirSync(this.#above.target)
    else restore(this.fd, this.#before)
  }

  /** Closes the directory, and keeps its content. */
  close(): void {
    this.#forget()
    this.#spare.release()
    closeSync(this.fd)
    this.#above.close()
  }
}

interface Before {
  status: FileStatus
  acls: [attribute: string, value: Buffer][]
}

function makeDirectory(path: string): boolean {
  try {
    mkdirSync(path, PRIVATE)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function openAbove(path: string, name: string): OutputFolder {
  try {
    return new OutputFolder(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new StrataError('IO', {
      message: `${name} cannot be made: the directory above it does not exist`,
      facts: { sandbox: name },
      hint: `mkdir -p "$(dirname ${name})"`,
      cause: error
    })
  }
}

function refuseContents(fd: number, name: string): void {
  const { names } = readDirAt(fd)
  if (names.length === 0) return
  throw new StrataError('SANDBOX_EXISTS', {
    message: `${name} is not empty: it holds ${names.sort().slice(0, 3).map(showPath).join(', ')}`,
    facts: { sandbox: name, entries: names.length },
    hint: 'name a new or empty directory'
  })
}

function refuse(name: string, what: string, { uid }: FileStatus): never {
  throw new StrataError('SANDBOX_EXISTS', {
    message: `${name} ${what}: it belongs to uid ${uid}`,
    facts: { sandbox: name },
    hint: 'name a directory inside one that only you can write to'
  })
}

const stateOf = (fd: number, status: FileStatus): Before => ({
  status,
  acls: [ACCESS_ATTRIBUTE, DEFAULT_ATTRIBUTE].flatMap((attribute): Before['acls'] => {
    const value = readIfThere(fd, attribute)
    return value === undefined ? [] : [[attribute, value]]
  })
})

function restore(fd: number, { status, acls }: Before): void {
  const now = fstatAt(fd)
  if (now.uid !== status.uid || now.gid !== status.gid) chownAt(fd, '', status.uid, status.gid)
  for (const [attribute, value] of acls) setXattr(fd, '', attribute, value)
  chmodAt(fd, '', status.mode & 0o7777)
}

/** ENODATA: no such ACL. EOPNOTSUPP: a file system without ACLs. */
const NO_ACL = ['ENODATA', 'EOPNOTSUPP']

function readIfThere(fd: number, attribute: string): Buffer | undefined {
  try {
    return getXattr(fd, '', attribute)
  } catch (error) {
    if (NO_ACL.includes((error as NativeError).code)) return undefined
    throw error
  }
}

function removeIfThere(fd: number, attribute: string): void {
  try {
    removeXattr(fd, '', attribute)
  } catch (error) {
    if (!NO_ACL.includes((error as NativeError).code)) throw error
  }
}

function explainErrors<T>(name: string, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    const { code, message } = nameSystemError(cause as NodeJS.ErrnoException)
    if (cause instanceof StrataError || code === undefined) throw cause
    if (code === 'ENOTDIR' || code === 'ELOOP')
      throw new StrataError('SANDBOX_EXISTS', {
        message: `${name} already exists, and is not a directory`,
        facts: { sandbox: name },
        hint: 'name a new or empty directory',
        cause
      })
    throw new StrataError('IO', {
      message: `${name} cannot become a sandbox: ${message}`,
      facts: { sandbox: name, errno: code },
      hint: systemHint(code),
      cause
    })
  }
}
