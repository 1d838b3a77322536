/** Packages and programs of this host as a source of one layer; root is not needed (spec/sources.md#host). */

import { type Attributes, AttributeTally } from '../../../store/acl/index.ts'
import {
  countBytes,
  type LayerInput,
  type ModuleSource,
  type SkippedPath,
  type SourceOptions
} from '../../../store/import/index.ts'
import { LONGEST_LINE, type Origin, originName, type PackageVersion } from '../../../store/module/index.ts'
import type { Repository } from '../../../store/repository/index.ts'
import { writeMembers } from '../../../store/tar/index.ts'
import {
  dropUndefined,
  type PathBytes,
  pathFromText,
  StrataError,
  showPath
} from '../../../store/values/index.ts'
import { pathsOfBases } from './base-paths.ts'
import { DpkgDatabase, hasDpkg } from './dpkg.ts'
import { hostMembers } from './host-members.ts'
import { HostTree } from './host-tree.ts'
import { leaveOut, withoutPrivileges } from './leave-out.ts'
import { LibraryFinder } from './libraries.ts'
import type { PackageDatabase } from './package-database.ts'
import { packagesBehind } from './packages-behind.ts'
import { RpmDatabase, rpmFolder } from './rpm-database.ts'
import { takeIncluded } from './take-included.ts'
import { type ListedFiles, takeListed } from './take-listed.ts'
import { type TakenPackages, takePackages } from './take-packages.ts'
import { takeProgram } from './take-program.ts'
import { notesOfLeftOut, takeTraced } from './take-traced.ts'
import { traceCommand } from './trace.ts'

export interface HostRequest {
  packages: string[]
  /** Also take the packages that these depend on. */
  withDependencies: boolean
  /** Modules whose files are left out, as the user typed them. */
  bases: string[]
  /** Absolute paths. */
  programs: string[]
  /** Patterns of data files. */
  include: string[]
  /** Files that a list names. */
  listed?: ListedFiles
  /** A command that is run to see which further programs and files it opens. */
  trace?: string[]
  /** Patterns of paths to leave out. */
  exclude?: string[]
  /** Folder that is used as the host's root; default `/`. */
  root?: string
}

const NAME = 'this host'

/** @throws StrataError PACKAGE_MISSING, PATH_MISSING, USAGE, IO; from the layer also SOURCE_CHANGED */
export async function openHostSource(
  store: Repository,
  request: HostRequest,
  { onProgress }: Pick<SourceOptions, 'onProgress'>
): Promise<ModuleSource> {
  const isInBase = await pathsOfBases(store, request.bases)
  const tree = new HostTree(request.root ?? '/')
  try {
    const found = takeAll(tree, request, isInBase)
    const { taken } = found
    const skipped: SkippedPath[] = [...missingFiles(taken), ...found.unreadable]
    const notes = allNotes(tree, found, isInBase)
    const layer = layerOf(tree, found, {
      onProgress,
      onSkip: path => skipped.push(path),
      onNote: note => notes.push(note)
    })
    const described = dropUndefined({
      summary: taken.packages[0]?.summary?.slice(0, LONGEST_LINE) || undefined
    })
    return { described, layers: [layer], skipped, notes, close: () => tree.close() }
  } catch (error) {
    tree.close()
    throw error
  }
}

/** Everything that the request asks for; the paths are noted in the tree. */
interface TakenFiles {
  database: PackageDatabase | undefined
  taken: TakenPackages
  programs: PathBytes[]
  isTraced: boolean
  /** Listed files that are private, and files that a traced command only asked about and that cannot be read. */
  unreadable: SkippedPath[]
  /** Libraries that a base already has. */
  inBase: ReadonlySet<PathBytes>
  /** Notes about paths that were left out. */
  excluded: string[]
  origin: Origin
}

function takeAll(tree: HostTree, request: HostRequest, isInBase: (path: PathBytes) => boolean): TakenFiles {
  const database = databaseOf(request.root ?? '/')
  const taken = packagesOf(tree, database, request, isInBase)
  const libraries = new LibraryFinder(tree, isInBase)
  const traced = request.trace === undefined ? undefined : traceCommand(request.trace)
  const started = (traced?.programs ?? []).filter(program => {
    const real = tree.resolve(pathFromText(program), { followLast: true })
    return real !== undefined && !isInBase(real)
  })
  const programs = [...new Set([...request.programs, ...started])].map(program =>
    takeProgram(tree, libraries, program)
  )
  const unreadable = traced === undefined ? [] : takeTraced(tree, libraries, traced, isInBase)
  takeIncluded(tree, libraries, request.include)
  const list = request.listed && takeListed(tree, libraries, request.listed, isInBase)
  unreadable.push(...(list?.skipped ?? []))
  const missing = traced === undefined ? [] : notesOfLeftOut(tree, traced)
  const excluded = [...missing, ...(list?.notes ?? []), ...leaveOut(tree, request.exclude ?? [])] // the tree is final from here on
  const origin = originOf(tree, database, { ...request, programs: namesOf(request, traced?.command) }, taken)
  const isTraced = traced !== undefined
  return { database, taken, programs, isTraced, unreadable, inBase: libraries.inBase, excluded, origin }
}

const namesOf = ({ programs, listed }: HostRequest, traced: string | undefined): string[] => {
  if (traced !== undefined) return [programs[0] ?? traced]
  return listed?.name === undefined ? programs : [listed.name]
}

function allNotes(
  tree: HostTree,
  { database, taken, programs, isTraced, inBase, excluded }: TakenFiles,
  isInBase: (path: PathBytes) => boolean
): string[] {
  const behind =
    programs.length > 0 && database !== undefined
      ? packagesBehind(tree, database, filesIn(tree), isInBase)
      : []
  return [...taken.notes, ...excluded, ...notesOf(isTraced ? [] : programs, inBase), ...behind]
}

interface LayerCalls extends Pick<SourceOptions, 'onProgress'> {
  onSkip: (path: SkippedPath) => void
  onNote: (note: string) => void
}

/** Files are read while the layer's bytes are asked for, so skipped paths and notes are added until then. */
function layerOf(tree: HostTree, { taken, origin }: TakenFiles, calls: LayerCalls): LayerInput {
  const attributes = new Map<PathBytes, Attributes>()
  const leftOut = new AttributeTally()
  const members = hostMembers(tree, {
    digestOf: path => taken.digests.get(path),
    onModified: path => calls.onNote(modifiedReason(path, taken)),
    onSkip: calls.onSkip,
    attributes,
    leftOut
  })
  return {
    name: NAME,
    chunks: countBytes(writeMembers(members, NAME), bytesRead =>
      calls.onProgress?.({ source: NAME, bytesRead })
    ),
    attributes,
    leftOut,
    origin: () => origin,
    explain: async (failure: unknown) => withoutPrivileges(failure)
  }
}

/** Returns undefined on a system without dpkg and rpm. */
function databaseOf(root: string): PackageDatabase | undefined {
  if (hasDpkg(root)) return new DpkgDatabase(root)
  const folder = rpmFolder(root)
  return folder === undefined ? undefined : new RpmDatabase(folder)
}

function packagesOf(
  tree: HostTree,
  database: PackageDatabase | undefined,
  { packages, withDependencies }: HostRequest,
  isInBase: (path: PathBytes) => boolean
): TakenPackages {
  if (packages.length === 0) return { packages: [], digests: new Map(), missing: [], notes: [] }
  if (database !== undefined)
    return takePackages(tree, database, { names: packages, withDependencies, isInBase })
  throw new StrataError('PACKAGE_MISSING', {
    message: 'this host has neither a dpkg nor an rpm database, so it knows no packages',
    facts: { packages },
    hint: '--host-program PATH (imports a program with its libraries)'
  })
}

const missingFiles = ({ missing }: TakenPackages): SkippedPath[] =>
  missing.map(({ path, owner }) => ({ path, reason: `${owner} lists it, but it is not on this host` }))

function modifiedReason(path: PathBytes, { digests }: TakenPackages): string {
  const { owner, isConfig } = digests.get(path)!
  return isConfig
    ? `/${showPath(path)}, a settings file of ${owner}, was changed on this host, and is taken as it is`
    : `/${showPath(path)} differs from the file of ${owner}: it was changed on this host`
}

function notesOf(programs: PathBytes[], inBase: ReadonlySet<PathBytes>): string[] {
  const paths = [...inBase].sort().map(path => `/${showPath(path)}`)
  return [
    ...(paths.length > 0 ? [`the base already has: ${paths.join(', ')}`] : []),
    ...(programs.length > 0
      ? [
          'files that a program opens while it runs (plug-ins, scripts, data) are not found this way: add them by --include'
        ]
      : [])
  ]
}

function originOf(
  tree: HostTree,
  database: PackageDatabase | undefined,
  { packages, programs, include, listed }: HostRequest,
  taken: TakenPackages
): Origin {
  const versions = new Map<string, PackageVersion>()
  const note = ({ key, name, version, architecture }: PackageVersion & { key: string }) =>
    versions.set(key, dropUndefined({ name, version, architecture }))
  for (const found of taken.packages) note(found)
  if (programs.length + include.length > 0 || listed !== undefined) {
    for (const owner of database?.owners(tree, filesIn(tree)).values() ?? []) note(owner)
  }
  const named = [...packages, ...programs]
  const name = named.length === 1 ? originName(named[0]) : undefined
  const list = [...versions.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, version]) => version)
  return {
    kind: programs.length > 0 || listed !== undefined ? 'program' : 'package',
    ...(name && { name }),
    ...(list.length > 0 && { packages: list })
  }
}

const filesIn = (tree: HostTree): PathBytes[] =>
  tree
    .taken()
    .flatMap(([path, { target, status }]) => (target === undefined && !isFolder(status.mode) ? [path] : []))

const isFolder = (mode: number): boolean => (mode & 0o170000) === 0o040000
