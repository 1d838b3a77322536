/**
 * Finds the shared libraries that a program needs, as the dynamic loader does (ld.so(8)), without running the program
 * or the loader. So neither need be trusted, or be for this processor. LD_LIBRARY_PATH and LD_PRELOAD of the user are
 * ignored.
 */
import { closeSync } from 'node:fs'
import { type PathBytes, StrataError, showPath, trimLast } from '../../../store/values/index.ts'
import { type Elf, isSameKind, readElf } from './elf.ts'
import type { HostTree } from './host-tree.ts'
import { readLoaderCache, readLoaderFolders } from './loader-cache.ts'

/** Debian's library folders for a processor, by EM_ number and word size. */
const MULTIARCH = new Map([
  ['62-64', 'x86_64-linux-gnu'],
  ['62-32', 'x86_64-linux-gnux32'],
  ['3-32', 'i386-linux-gnu'],
  ['183-64', 'aarch64-linux-gnu'],
  ['40-32', 'arm-linux-gnueabihf'],
  ['21-64', 'powerpc64le-linux-gnu'],
  ['22-64', 's390x-linux-gnu'],
  ['243-64', 'riscv64-linux-gnu']
])

/** A file that the loader opens. */
interface Loaded {
  elf: Elf
  /** Folder of the name under which the file was found, for $ORIGIN. */
  origin: PathBytes
  /** The file that needed it first; undefined for the program. */
  parent?: Loaded
  /** The name that a user would use. */
  name: PathBytes
}

export class LibraryFinder {
  readonly #tree: HostTree
  readonly #cache: Map<PathBytes, PathBytes[]>
  readonly #folders: PathBytes[]
  readonly #elves = new Map<PathBytes, Elf | undefined>()
  readonly #isInBase: (path: PathBytes) => boolean
  /** Paths without links that were not taken, because the base has them. */
  readonly inBase = new Set<PathBytes>()

  constructor(tree: HostTree, isInBase: (path: PathBytes) => boolean) {
    this.#tree = tree
    this.#isInBase = isInBase
    this.#cache = readLoaderCache(tree)
    this.#folders = this.#cache.size > 0 ? [] : readLoaderFolders(tree)
  }

  /** @param real path without links @throws StrataError IO, SOURCE_INVALID */
  elf(real: PathBytes): Elf | undefined {
    if (!this.#elves.has(real)) this.#elves.set(real, this.#read(real))
    return this.#elves.get(real)
  }

  /**
   * Takes a file, unless the base has it.
   * @returns its path without links; undefined if it does not exist
   */
  takeFile(path: PathBytes): PathBytes | undefined {
    const real = this.#tree.resolve(path, { followLast: true })
    if (real === undefined || !this.#isInBase(real)) return this.#tree.take(path, { followLast: true })
    this.inBase.add(real)
    return real
  }

  /**
   * Takes the interpreter of a program, and all libraries that the program and its libraries need.
   * @param real path of the program or library, without links
   * @returns paths as the loader opens them, in its order
   * @throws StrataError PACKAGE_MISSING with each missing library, and the file that needs it
   */
  take(real: PathBytes): PathBytes[] {
    const elf = this.elf(real)
    if (elf === undefined) return []
    const program: Loaded = { elf, origin: folderOf(real), name: real }
    const found: PathBytes[] = []
    const known = new Set<PathBytes>()
    const missing: string[] = []
    if (elf.interpreter !== undefined) {
      found.push(elf.interpreter)
      const loader = this.takeFile(elf.interpreter)
      if (loader === undefined)
        missing.push(`${showPath(elf.interpreter)} (the loader of /${showPath(real)})`)
      else known.add(this.elf(loader)?.soname ?? baseName(elf.interpreter))
    }
    const queue: { name: PathBytes; by: Loaded }[] = elf.needed.map(name => ({ name, by: program }))
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { name, by } = next
      if (known.has(name)) continue
      known.add(name)
      const path = this.#find(name, by, program)
      if (path === undefined) {
        missing.push(`${showPath(name)} (needed by /${showPath(by.name)})`)
        continue
      }
      found.push(path)
      const library = this.takeFile(path)!
      const itsElf = this.elf(library)!
      if (itsElf.soname !== undefined) known.add(itsElf.soname)
      const loaded: Loaded = { elf: itsElf, origin: folderOf(path), parent: by, name: library }
      queue.push(...itsElf.needed.map(more => ({ name: more, by: loaded })))
    }
    if (missing.length > 0) throw this.#notFound(real, missing)
    return found
  }

  #find(name: PathBytes, by: Loaded, program: Loaded): PathBytes | undefined {
    const fits = (path: PathBytes) => this.#fits(path, program.elf)
    if (name.includes('/')) return [this.#expand(name, by)].find(fits)
    const inFolders = (folders: PathBytes[]) =>
      folders.map(folder => `${trimLast(folder, '/')}/${name}`).find(fits)
    const cached = () => (this.#cache.get(name) ?? []).filter(path => mayUseCached(path, by)).find(fits)
    return (
      inFolders(this.#namedFolders(by)) ??
      cached() ??
      inFolders(this.#folders) ??
      (by.elf.noDefaultLibraries ? undefined : inFolders(defaultFolders(by.elf)))
    )
  }

  /**
   * RUNPATH applies to the needs of the file itself. Without RUNPATH, the RPATHs of the file and of the files that
   * needed it apply.
   */
  #namedFolders(by: Loaded): PathBytes[] {
    const split = (list: PathBytes, of: Loaded) =>
      list
        .split(':')
        .filter(folder => folder !== '')
        .map(folder => this.#expand(folder, of))
    if (by.elf.runpath !== undefined) return split(by.elf.runpath, by)
    const folders: PathBytes[] = []
    for (let of: Loaded | undefined = by; of !== undefined; of = of.parent)
      if (of.elf.rpath !== undefined && of.elf.runpath === undefined) folders.push(...split(of.elf.rpath, of))
    return folders
  }

  #expand(text: PathBytes, { origin, elf }: Loaded): PathBytes {
    const tuple = MULTIARCH.get(`${elf.machine}-${elf.bits}`)
    const library =
      tuple !== undefined && this.#tree.resolve(`lib/${tuple}`, { followLast: true })
        ? `lib/${tuple}`
        : `lib${elf.bits === 64 ? '64' : ''}`
    const values: Record<string, string> = { ORIGIN: `/${origin}`, LIB: library }
    return text.replace(
      /\$(?:\{([A-Z]+)\}|([A-Z]+))/g,
      (whole, braced, bare) => values[braced ?? bare] ?? whole
    )
  }

  #fits(path: PathBytes, program: Elf): boolean {
    const real = this.#tree.resolve(path, { followLast: true })
    const elf = real === undefined ? undefined : this.elf(real)
    return elf !== undefined && isSameKind(elf, program)
  }

  #read(real: PathBytes): Elf | undefined {
    const status = this.#tree.status(real)
    if (status === undefined || !isRegular(status.mode)) return undefined
    const fd = this.#tree.openForReading(real)
    try {
      return readElf(fd)
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause
      throw new StrataError('SOURCE_INVALID', {
        message: `/${showPath(real)} is damaged: ${cause.message}`,
        facts: { path: showPath(real) },
        cause
      })
    } finally {
      closeSync(fd)
    }
  }

  #notFound(real: PathBytes, missing: string[]): StrataError {
    return new StrataError('PACKAGE_MISSING', {
      message: `/${showPath(real)} needs libraries that this host does not have where its loader looks`,
      facts: { libraries: missing },
      hint: 'install the packages that bring them, and ldconfig'
    })
  }
}

const S_IFMT = 0o170000
const S_IFREG = 0o100000
const isRegular = (mode: number): boolean => (mode & S_IFMT) === S_IFREG

const folderOf = (path: PathBytes): PathBytes => {
  const name = path.replace(/^\/+/, '')
  return name.slice(0, Math.max(0, name.lastIndexOf('/')))
}

const baseName = (path: PathBytes): PathBytes => path.slice(path.lastIndexOf('/') + 1)

/** For a file without default libraries, the cache counts only outside of the default folders. */
const mayUseCached = (path: PathBytes, { elf }: Loaded): boolean =>
  !elf.noDefaultLibraries || !defaultFolders(elf).includes(`/${folderOf(path)}`)

function defaultFolders({ machine, bits }: Elf): PathBytes[] {
  const tuple = MULTIARCH.get(`${machine}-${bits}`)
  const folders = [...(tuple === undefined ? [] : [`lib/${tuple}`]), ...(bits === 64 ? ['lib64'] : []), 'lib']
  return folders.flatMap(folder => [`/${folder}`, `/usr/${folder}`])
}
