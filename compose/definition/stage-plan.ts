/** What a stage of a definition or of a Dockerfile asks for, before anything of it runs. */
import type { ImportSettings, ModuleRecord } from '../../store/module/index.ts'
import type { CacheBounds } from '../cache/index.ts'
import type { Bind } from '../run/index.ts'
import type { HostAccess } from './host-script.ts'
import type { BaseOptions, StageBase } from './imported-base.ts'
import type { MoreOfHost } from './sspec-files.ts'
import type { Step } from './step.ts'

export interface DefinitionRequest extends Omit<BaseOptions, 'work'> {
  file: string
  /** Values of variables. */
  values: ReadonlyMap<string, string>
  binds: Bind[]
  hasNetwork: boolean
  /** What %pre and %setup may do to this host; undefined: they may not run. */
  hostScripts?: HostAccess
  runsTests: boolean
  /** Real path of the folder outside of which %files and bases of the host take nothing. */
  filesWithin?: string
  /** Files of the host that flags name beside those of an SSPEC file. */
  host?: MoreOfHost
  /** Take set-id files and the like of the host. */
  allowPrivileged: boolean
  /** Keep the trees if a step fails. */
  isKept: boolean
  workFolder: string
  epoch?: number
  /** False to run all steps again. */
  usesCache: boolean
  /** Run steps again that may see what changes outside. */
  isUpdate: boolean
  cacheBounds: CacheBounds
  isOutputOfOthers: boolean
  onProgress(what: string, bytes: number): void
}

export interface StageRecipe {
  /** By which later stages copy from it. */
  names: string[]
  /** For messages. */
  what: string
  /** @param work a folder for files of this build */
  open(work: string): Promise<StageBase>
  plan(around: Surroundings): StagePlan
}

export interface StagePlan {
  steps: Step[]
  settings(taken: Taken): StageSettings
}

export type StageSettings = Pick<ImportSettings, 'environment' | 'labels'> &
  Pick<Partial<ImportSettings>, 'help' | 'runscript' | 'replaces' | 'summary'>

/** What scripts wrote down for the module, as files that are then removed. */
export interface Taken {
  environment: string
  labels: string
}

/** A stage whose tree others copy from. */
export interface OtherStage {
  /** What its tree depends on; undefined if that is not known. */
  key?: string
  tree(): Promise<string>
}

export interface Surroundings {
  asked: DefinitionRequest
  /** A folder for files of this build. */
  work: string
  /** Stages before, by name. */
  others: ReadonlyMap<string, OtherStage>
  taken: Taken
  recordsOf(tree: string): Promise<ModuleRecord[]>
  epochOf(tree: string): number
}

/** What a program may see of the outside, for the key of its step. What lies there counts as unchanged. */
export const outsideOf = ({ hasNetwork, binds }: DefinitionRequest): unknown[] => [
  hasNetwork,
  binds.map(({ source, target, isReadOnly }) => [source, target, isReadOnly === true])
]
