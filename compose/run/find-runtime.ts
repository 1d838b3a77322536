import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { StrataError } from '../../store/values/index.ts'
import { RUNTIME_NAMES, type Runtime } from './runtime.ts'
import { RUNTIMES } from './runtimes.ts'

export interface FoundRuntime {
  runtime: Runtime
  /** Absolute path. */
  program: string
}

/**
 * Finds the runtime of that name, or all that are installed, in the order of preference. Each is looked for when it is asked for,
 * because most runs take the first one.
 * @param host variables of the host; PATH is searched
 * @returns one at least
 * @throws StrataError USAGE for an unknown name, RUNTIME_MISSING
 */
export function* findRuntimes(
  name: string | undefined,
  host: NodeJS.ProcessEnv
): Generator<FoundRuntime, undefined> {
  const wanted = name === undefined ? RUNTIMES : RUNTIMES.filter(runtime => runtime.name === name)
  if (wanted.length === 0)
    throw new StrataError('USAGE', {
      message: `--runtime ${name} is unknown: wanted one of ${RUNTIME_NAMES.join(', ')}`
    })
  let isFound = false
  for (const runtime of wanted) {
    const program = programOf(runtime, host)
    if (program === undefined) continue
    isFound = true
    yield { runtime, program }
  }
  if (isFound) return undefined
  throw new StrataError('RUNTIME_MISSING', {
    message: `no container runtime is installed: looked for ${wanted.flatMap(({ programs }) => programs).join(', ')}`,
    facts: { PATH: host.PATH ?? '' },
    hint: name === undefined ? 'install one of them' : `leave --runtime out, to use another one`
  })
}

function programOf({ programs, ownProgram }: Runtime, host: NodeJS.ProcessEnv) {
  if (ownProgram !== undefined && can(ownProgram, constants.X_OK)) return ownProgram
  for (const name of programs) {
    const program = findProgram(name, host)
    if (program !== undefined) return program
  }
  return undefined
}

/** Absolute path of a program in PATH. */
export function findProgram(name: string, host: NodeJS.ProcessEnv): string | undefined {
  for (const folder of (host.PATH ?? '').split(delimiter)) {
    if (!folder.startsWith('/')) continue
    const path = join(folder, name)
    if (can(path, constants.X_OK)) return path
  }
  return undefined
}

/** True if the runtime can start image files itself on this host. */
export async function startsImages(
  { runtime, program }: FoundRuntime,
  host: NodeJS.ProcessEnv
): Promise<boolean> {
  if (runtime.takesImages === 'squashfuse')
    return isRoot() || (canUseFuse() && findSquashfuse(host) !== undefined)
  if (runtime.takesImages !== 'fuse') return runtime.takesImages === 'always'
  return canUseFuse() && (await succeeds(program, ['--feature=squash']))
}

const isRoot = (): boolean => process.getuid?.() === 0

/** Folders in which Apptainer keeps programs of its own. */
const APPTAINER_FOLDERS = ['/usr/libexec/apptainer/bin', '/usr/local/libexec/apptainer/bin']

/** The program that serves an image through FUSE. */
export function findSquashfuse(host: NodeJS.ProcessEnv): string | undefined {
  const folders = [host.PATH ?? '', ...APPTAINER_FOLDERS].join(delimiter)
  for (const name of ['squashfuse_ll', 'squashfuse']) {
    const program = findProgram(name, { PATH: folders })
    if (program !== undefined) return program
  }
  return undefined
}

export const canUseFuse = (): boolean => can('/dev/fuse', constants.R_OK | constants.W_OK)

/** Without the pool of threads: for 60 names in PATH, `compose run` would wait 30 ms for its answers. */
function can(path: string, mode: number): boolean {
  try {
    accessSync(path, mode)
    return true
  } catch {
    return false
  }
}

const succeeds = (program: string, args: string[]): Promise<boolean> =>
  new Promise(resolve => {
    execFile(program, args, { env: { ...process.env, USER: process.env.USER ?? 'nobody' } }, error =>
      resolve(error === null)
    )
  })
