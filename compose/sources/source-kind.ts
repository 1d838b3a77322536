import type { Stats } from 'node:fs'
import type { Bound } from '../../store/access/index.ts'
import type { IdNames } from '../../store/accounts/index.ts'
import type { ModuleSource, SourceOptions } from '../../store/import/index.ts'
import type { ModuleName, Origin, PackageVersion } from '../../store/module/index.ts'
import type { OciChoice } from '../../store/oci/index.ts'
import type { RegistrySettings } from '../../store/registry/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import type { PathBytes } from '../../store/values/index.ts'
import type { Tidying } from '../sandbox/index.ts'
import type { HostRequest } from './host/index.ts'
import type { StoredChanges } from './stored-changes.ts'

/** A file or directory that the user named, with the facts that are needed to recognise it. */
export interface SourceFile {
  path: string
  status: Stats
  /** The first {@link START_BYTES} of a file, or all of it; empty if it is not a regular file. */
  start: Buffer
}

/**
 * Enough for the magic of every kind: that of SIF ends at byte 42, and the first member of an ar archive begins at
 * 68.
 */
export const START_BYTES = 4096

export interface OpenSourceOptions extends SourceOptions, OciChoice {
  /** Name of the module to publish. */
  name: ModuleName
  /** Import the whole tree of a sandbox, not only its changes. */
  flatten?: boolean
  /** Modules, as the user typed them, whose layers an image need not bring again. */
  base?: string[]
  /** Ids of users and groups of which a source has only names. */
  names: IdNames
  /** Files of this host, as the topmost source. */
  host?: HostRequest
  /** SOURCE is a sandbox: for whom its files are, as it was known before anybody could write into it. */
  bounds?: Bound[]
  /** SOURCE is a sandbox: modes of paths that have others there, because their user could not read them. */
  modes?: ReadonlyMap<PathBytes, number>
  /** SOURCE is the tree of a capture. */
  capture?: CapturedBy
  /** How registries are reached. */
  registry?: RegistrySettings
}

/** What a command did to the packages of a tree. */
export interface PackageDelta {
  /** New, or of another version. */
  packages: PackageVersion[]
  /** Those that are gone. */
  removed: PackageVersion[]
}

/** How the changes in a tree came about. */
export interface CapturedBy extends PackageDelta {
  /** The command, as a shell would read it. */
  command: string
  tidying: Tidying
  /** The changes, if they were captured before and there is no tree. */
  stored?: StoredChanges
  /** True if a layer without a change is fine, since settings or layers below it are new. */
  mayBeEmpty?: boolean
  /** Access of modules of other trees, from which files were copied into this one. */
  bounds?: Bound[]
  /** What the parts of the tree that have no name were made from. */
  baseOrigins?: Origin[]
}

/** A kind of source that `compose import` reads. The first kind that recognises a file opens it. */
export interface SourceKind {
  /** True if `--ref` and `--platform` apply to it. */
  hasChoice?: boolean
  /** True if `--base` applies to it. */
  hasBase?: boolean
  /** True if `--flatten` applies to it. */
  hasChanges?: boolean
  recognises(file: SourceFile): boolean | Promise<boolean>
  /** @throws StrataError if the file does not have the form of its kind */
  open(store: Repository, file: SourceFile, options: OpenSourceOptions): Promise<ModuleSource> | ModuleSource
}
