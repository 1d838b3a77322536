/** What `compose run` starts, and how each runtime is told (spec/runtimes.md). */

import type { KeptUse } from '../cache/index.ts'

import type { TreePart } from './place-mount-points.ts'

export interface Bind {
  /** Absolute, on the host. */
  source: string
  /** Absolute, in the tree. */
  target: string
  isReadOnly: boolean
}

/** What is run: an image file, or a directory that is a root. */
export interface RunRoot {
  kind: 'image' | 'directory'
  /** Absolute. */
  path: string
  /** Where it lies in the user's cache. */
  kept?: KeptUse
}

export interface RunRequest {
  root: RunRoot
  /** Program and arguments; none: the runscript. */
  command: string[]
  binds: Bind[]
  /** All that the program is to see. */
  environment: Record<string, string>
  /** What of it is neither the host's nor the modules'. */
  added: Record<string, string>
  /** Where the root is to be put together: from what, in this order. */
  parts?: TreePart[]
  /** In the tree. */
  workingFolder?: string
  /** Options for the runtime that it gets as they are. */
  options: string[]
}

/** A program to start on the host. */
export interface CommandLine {
  program: string
  args: string[]
  /** Of the runtime itself: nothing in it comes from an image. */
  environment: NodeJS.ProcessEnv
  /**
   * Who is sent signals. `told`: the child that it names in a JSON document on descriptor 3, as bwrap does. `child`: the
   * process that it started first, if there is one. Default: itself.
   */
  signals?: 'told' | 'child'
}

export interface Runtime {
  name: RuntimeName
  /** What it is started as: the first of these that is found. */
  programs: string[]
  /** Whether it starts an image file itself; `fuse`: where FUSE can be used. */
  takesImages: 'always' | 'fuse' | 'never'
  /** Whether it sees what is mounted just before it starts. */
  seesMounts: boolean
  /**
   * How a place is made that the tree lacks: by itself from parts, from empty folders that it is given, over the tree, or
   * without us.
   */
  makesPlaces: 'parts' | 'skeleton' | 'overlay' | 'itself'
  /** What it mounts itself, before all that is bound. */
  ownPoints: { path: string; isFile: boolean }[]
  /** What of a bind it cannot do, as the end of a sentence. */
  unableTo?(bind: Bind): string | undefined
  /**
   * @param program absolute path
   * @throws StrataError USAGE for what it cannot do
   */
  commandLine(program: string, request: RunRequest, host: NodeJS.ProcessEnv): CommandLine
}

/** In the order of preference. */
export const RUNTIME_NAMES = ['apptainer', 'ch-run', 'bwrap', 'podman'] as const
export type RuntimeName = (typeof RUNTIME_NAMES)[number]

export const RUNSCRIPT = '/.singularity.d/runscript'

/** What is started where the runtime itself does not know runscripts. */
export const commandOf = ({ command }: RunRequest): string[] => (command.length > 0 ? command : [RUNSCRIPT])
