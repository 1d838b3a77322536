/** The input of a run, and the interface of runtimes (spec/runtimes.md). */

import type { OpenFile } from '../../store/disk/index.ts'
import type { KeptUse } from '../cache/index.ts'
import type { ImageForm } from '../inspect/index.ts'

import type { TreePart } from './place-mount-points.ts'

export interface Bind {
  /** Absolute path on the host. */
  source: string
  /** Absolute path in the tree. */
  target: string
  isReadOnly: boolean
  /** True if a run goes on, with a note, where the tree has no place for it. */
  mayBeLeftOut?: boolean
}

/** The root of a run: an image file or a directory. */
export interface RunRoot {
  kind: 'image' | 'directory'
  /** Absolute. */
  path: string
  /** The image file that was looked at. Its name may lead to another one by the time that a runtime opens it. */
  held?: HeldImage
  /** Its entry in the user's cache. */
  kept?: KeptUse
}

export interface HeldImage {
  file: OpenFile
  /** The bytes of the SquashFS image in it. */
  startInFile: number
  lengthBytes: number
  form: ImageForm
  /** True if a policy had to accept it. Then no runtime may open the file again by its name. */
  isJudged: boolean
}

export interface RunRequest {
  root: RunRoot
  /** Program and arguments; if empty, the runscript. */
  command: string[]
  binds: Bind[]
  /** All variables of the program. */
  environment: Record<string, string>
  /** The variables that come from the user, not from the host or the modules. */
  added: Record<string, string>
  /** Where programs may write anywhere: the folder that keeps the changes; else they are forgotten. */
  changes?: { folder?: string }
  /** The name under which ranks of a job share namespaces. */
  join?: string
  /** Parts from which the root is put together, in this order, if it has to be. */
  parts?: TreePart[]
  /** Path in the tree. */
  workingFolder?: string
  /** True if the program may start in / instead. */
  mayStartElsewhere?: boolean
  /** Options that the runtime gets unchanged. */
  options: string[]
  /** If this process becomes the runtime. */
  inPlace?: InPlace
}

/** What our launcher needs to know of the process that became it. */
export interface InPlace {
  /** Descriptor of a file with our words and variables, by which it starts us again if it cannot start the program. */
  caller: number
  isQuiet: boolean
  /** The file in the user's cache by which the image counts as used. */
  usedFile?: string
}

/** A program to start on the host. */
export interface CommandLine {
  program: string
  args: string[]
  /** Environment of the runtime itself; nothing in it comes from an image. */
  environment: NodeJS.ProcessEnv
  /**
   * The process that signals are sent to. `told`: the child that the runtime names in a JSON document on descriptor
   * 3, as bwrap does. `child`: the process that it started first, if there is one. Default: the runtime.
   */
  signals?: 'told' | 'child'
  /** True if the runtime and the program would go on after `compose` was killed. */
  outlivesCaller?: boolean
  /** Descriptors of ours that a runtime that reports gets as 4, 5 and so on. */
  passed?: number[]
  /** Descriptors of our caller that it gets, too, under their numbers. All others are closed. */
  inherited?: number[]
  /** Where its output goes, if not to our standard output. */
  outputTo?: 'stderr'
  /** True if the program must not get the files that standard output and error lead to, but pipes to them, and no folder as input. */
  isKeptFromFiles?: boolean
  /** True if a file on standard input is not for it either: then it reads nothing. */
  isWithoutInputFile?: boolean
  /** True if the runtime tells on descriptor 3 what it cannot do, as our launcher does (read-report.ts). */
  reports?: boolean
}

export interface Runtime {
  name: RuntimeName
  /** Names of its program; the first one that is found in PATH is used. */
  programs: string[]
  /** Its program, if it comes with Strata. */
  ownProgram?: string
  /**
   * True if it starts image files itself; `fuse`: only if FUSE can be used; `squashfuse`: by FUSE and a program, and by
   * the kernel for root.
   */
  takesImages: 'always' | 'fuse' | 'squashfuse' | 'never'
  /** True if it starts an open file that it is given. */
  takesHeldFiles?: boolean
  /** True if it starts SIF files. */
  takesSif?: boolean
  /** True if it sees file systems that are mounted just before it starts. */
  seesMounts: boolean
  /**
   * The way to make a missing place in the tree: by the runtime from parts, from empty folders that it is given, by
   * an overlay, by the runtime, which leaves out what has none, or by the runtime alone, which chooses mounts, too.
   */
  makesPlaces: 'parts' | 'skeleton' | 'overlay' | 'ours' | 'itself'
  /** True if programs can be let write anywhere. */
  canWrite?: boolean
  /** True if this process can become it (become-launcher.ts). */
  isBecome?: boolean
  /** True if ranks of a job can share namespaces. */
  canJoin?: boolean
  /** Places that it mounts itself, before all binds. */
  ownPoints: { path: string; isFile: boolean }[]
  /** Its options for devices, if it has some: then it mounts their parts, and we do not. @param names of CDI */
  deviceOptions?(names: string[], isGpuWanted: boolean): string[]
  /** The reason why it cannot do a bind, as the end of a sentence. */
  unableTo?(bind: Bind): string | undefined
  /**
   * @param program absolute path
   * @throws StrataError USAGE for a request that the runtime cannot fulfil
   */
  commandLine(program: string, request: RunRequest, host: NodeJS.ProcessEnv): CommandLine
}

/** In the order of preference. */
export const RUNTIME_NAMES = ['strata', 'apptainer', 'ch-run', 'bwrap', 'podman'] as const
export type RuntimeName = (typeof RUNTIME_NAMES)[number]

export const RUNSCRIPT = '/.singularity.d/runscript'

/** The command for runtimes that do not know runscripts. */
export const commandOf = ({ command }: RunRequest): string[] => (command.length > 0 ? command : [RUNSCRIPT])
