/**
 * Takes files of this host that a list names, which somebody else may have written (spec/definitions.md#sspec). So files that
 * not everybody on this host can read are left out, unless the user names them.
 */
import { constants } from '../../../native/index.ts'
import type { SkippedPath } from '../../../store/import/index.ts'
import { type PathBytes, pathFromText, StrataError, showPath } from '../../../store/values/index.ts'
import { type HostTree, isDirectory } from './host-tree.ts'
import type { LibraryFinder } from './libraries.ts'
import { takeNeeds } from './take-program.ts'

export interface ListedFile {
  /** Absolute; for a folder, all below it is taken. */
  path: string
  /** False to leave it out if it is private. */
  mustBeThere: boolean
}

export interface ListedFiles {
  /** What the module is named after in its origin. */
  name?: string
  files: ListedFile[]
  /** Also take libraries and interpreters of the files, and of packages. */
  takesNeeds: boolean
  takesLocales: boolean
}

export interface TakenList {
  skipped: SkippedPath[]
  notes: string[]
}

const { S_IFMT, S_IFREG } = constants
const OTHERS_READ = 0o4
const OTHERS_ENTER = 0o1
const OF_KERNEL = /^(?:proc|sys|dev)(?:\/|$)/

/** @throws StrataError SOURCE_INVALID for a private file that must be there; IO */
export function takeListed(
  tree: HostTree,
  libraries: LibraryFinder,
  listed: ListedFiles,
  isInBase: (path: PathBytes) => boolean
): TakenList {
  const taking = new ListTaking(tree, libraries, isInBase)
  if (listed.takesNeeds) for (const path of regularFilesIn(tree)) taking.needs(path)
  for (const { path, mustBeThere } of listed.files) {
    const found = taking.take(pathFromText(path).replace(/^\/+/, ''), listed.takesNeeds)
    if (mustBeThere && found !== undefined) throw refused(path, found)
  }
  if (!listed.takesLocales) {
    const dropped = tree.drop(path => isLocale(path) && tree.isFile(path))
    taking.notes.push(`left out by NoLocale: ${dropped}`)
  }
  return taking
}

const regularFilesIn = (tree: HostTree): PathBytes[] =>
  tree.taken().flatMap(([path, { status }]) => ((status.mode & S_IFMT) === S_IFREG ? [path] : []))

const refused = (path: string, { reason }: SkippedPath): StrataError =>
  new StrataError('SOURCE_INVALID', {
    message: `${path} cannot be taken: ${reason}`,
    facts: { path },
    hint: `--include ${path} takes it all the same`
  })

const isLocale = (path: PathBytes): boolean =>
  path.slice(path.lastIndexOf('/') + 1).includes('locale') || /\/LC_MESSAGES\/[^/]*\.mo$/.test(path)

class ListTaking implements TakenList {
  readonly skipped: SkippedPath[] = []
  readonly notes: string[] = []
  readonly #tree: HostTree
  readonly #libraries: LibraryFinder
  readonly #isInBase: (path: PathBytes) => boolean
  /** Folders without links, and whether everybody can enter them. */
  readonly #open = new Map<PathBytes, boolean>([['', true]])

  constructor(tree: HostTree, libraries: LibraryFinder, isInBase: (path: PathBytes) => boolean) {
    this.#tree = tree
    this.#libraries = libraries
    this.#isInBase = isInBase
  }

  /** @returns why the path itself was left out */
  take(path: PathBytes, takesNeeds: boolean): SkippedPath | undefined {
    const reason = this.#takeOne(path, takesNeeds)
    if (reason !== undefined) {
      this.skipped.push({ path, reason })
      return this.skipped.at(-1)
    }
    // A path is taken by the name that was listed, and read by the one without links.
    const real = this.#tree.resolve(path, { followLast: true })
    const waiting = real === undefined ? [] : [{ path, real }]
    for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
      const { path, real } = folder
      for (const name of this.#namesIn(real)) {
        const below = { path: `${path}/${name}`, real: `${real}/${name}` }
        const reason = this.#takeOne(below.path, takesNeeds)
        if (reason === undefined) waiting.push(below)
        else this.skipped.push({ path: below.path, reason })
      }
    }
    return undefined
  }

  /** @param real path without links */
  needs(real: PathBytes): void {
    try {
      takeNeeds(this.#tree, this.#libraries, real)
    } catch (error) {
      if (!(error instanceof StrataError)) throw error
      const missing = (error.facts.libraries as string[] | undefined) ?? []
      this.notes.push([error.message, ...missing].join(', '))
    }
  }

  #takeOne(path: PathBytes, takesNeeds: boolean): string | undefined {
    const real = this.#tree.resolve(path, { followLast: true })
    if (real === undefined) {
      this.#tree.take(path, { followLast: false })
      return undefined
    }
    if (OF_KERNEL.test(real)) return 'it belongs to the kernel of this host'
    if (!this.#isOpen(real) && !this.#tree.isTaken(real))
      return `not everybody on this host can read it; --include ${showPath(`/${path}`)} takes it`
    if (this.#isInBase(real)) return undefined
    this.#tree.take(path, { followLast: true })
    if (takesNeeds && this.#tree.isFile(real)) this.needs(real)
    return undefined
  }

  #isOpen(real: PathBytes): boolean {
    const status = this.#tree.status(real)
    if (status === undefined || !this.#canEnter(folderOf(real))) return false
    return isDirectory({ status }) ? this.#canEnter(real) : (status.mode & OTHERS_READ) !== 0
  }

  #canEnter(folder: PathBytes): boolean {
    const known = this.#open.get(folder)
    if (known !== undefined) return known
    const mode = this.#tree.status(folder)?.mode ?? 0
    const isOpen = (mode & OTHERS_ENTER) !== 0 && this.#canEnter(folderOf(folder))
    this.#open.set(folder, isOpen)
    return isOpen
  }

  /** None for what is no folder itself. */
  #namesIn(real: PathBytes): PathBytes[] {
    const status = this.#tree.status(real)
    if (status === undefined || !isDirectory({ status })) return []
    if ((status.mode & OTHERS_READ) !== 0) return this.#tree.names(real)
    this.skipped.push({
      path: real,
      reason: 'not everybody on this host can list it, so its files were left out'
    })
    return []
  }
}

const folderOf = (path: PathBytes): PathBytes => path.slice(0, Math.max(0, path.lastIndexOf('/')))
