import type { Stats } from 'node:fs'
import type { IdNames } from '../../store/accounts/index.ts'
import type { ModuleSource, SourceOptions } from '../../store/import/index.ts'
import type { ModuleName } from '../../store/module/index.ts'
import type { OciChoice } from '../../store/oci/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import type { HostRequest } from './host/index.ts'

/** A file or directory that the user named, as far as was needed to look what it is. */
export interface SourceFile {
  path: string
  status: Stats
  /** The first {@link START_BYTES} of a file, or all of it; empty for what is no regular file. */
  start: Buffer
}

/** Enough for the magic of every kind: that of SIF ends at 42, the first member of an ar archive at 68. */
export const START_BYTES = 4096

export interface OpenSourceOptions extends SourceOptions, OciChoice {
  /** What is to be published. */
  name: ModuleName
  /** The whole tree of a sandbox, in place of what was changed in it. */
  flatten?: boolean
  /** Modules, as the user typed them, whose layers an image need not bring once more. */
  base?: string[]
  /** Ids of users and groups that a source knows by name only. */
  names: IdNames
  /** What is taken from this host, as the topmost source. */
  host?: HostRequest
}

/** One thing that `compose import` reads. The first that recognises a file opens it. */
export interface SourceKind {
  /** Whether `--ref` and `--platform` say something about it. */
  hasChoice?: boolean
  /** Whether `--base` does. */
  hasBase?: boolean
  /** Whether `--flatten` does. */
  hasChanges?: boolean
  recognises(file: SourceFile): boolean | Promise<boolean>
  /** @throws StrataError when the file is not as its kind should be */
  open(store: Repository, file: SourceFile, options: OpenSourceOptions): Promise<ModuleSource> | ModuleSource
}
