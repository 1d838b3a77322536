import { execFile } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
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
 * Finds the runtime of that name, or all that are installed, in the order of preference.
 * @param host variables of the host; PATH is searched
 * @returns one at least
 * @throws StrataError USAGE for an unknown name, RUNTIME_MISSING
 */
export async function findRuntimes(
  name: string | undefined,
  host: NodeJS.ProcessEnv
): Promise<FoundRuntime[]> {
  const wanted = name === undefined ? RUNTIMES : RUNTIMES.filter(runtime => runtime.name === name)
  if (wanted.length === 0)
    throw new StrataError('USAGE', {
      message: `--runtime ${name} is unknown: wanted one of ${RUNTIME_NAMES.join(', ')}`
    })
  const found: FoundRuntime[] = []
  for (const runtime of wanted) {
    const program = await programOf(runtime, host)
    if (program !== undefined) found.push({ runtime, program })
  }
  if (found.length > 0) return found
  throw new StrataError('RUNTIME_MISSING', {
    message: `no container runtime is installed: looked for ${wanted.flatMap(({ programs }) => programs).join(', ')}`,
    facts: { PATH: host.PATH ?? '' },
    hint: name === undefined ? 'install one of them' : `leave --runtime out, to use another one`
  })
}

async function programOf({ programs, ownProgram }: Runtime, host: NodeJS.ProcessEnv) {
  if (ownProgram !== undefined && (await can(ownProgram, constants.X_OK))) return ownProgram
  for (const name of programs) {
    const program = await findProgram(name, host)
    if (program !== undefined) return program
  }
  return undefined
}

/** Absolute path of a program in PATH. */
export async function findProgram(name: string, host: NodeJS.ProcessEnv): Promise<string | undefined> {
  for (const folder of (host.PATH ?? '').split(delimiter)) {
    if (!folder.startsWith('/')) continue
    const path = join(folder, name)
    if (await can(path, constants.X_OK)) return path
  }
  return undefined
}

/** True if the runtime can start image files itself on this host. */
export async function startsImages(
  { runtime, program }: FoundRuntime,
  host: NodeJS.ProcessEnv
): Promise<boolean> {
  if (runtime.takesImages === 'squashfuse')
    return isRoot() || ((await canUseFuse()) && (await findSquashfuse(host)) !== undefined)
  if (runtime.takesImages !== 'fuse') return runtime.takesImages === 'always'
  return (await canUseFuse()) && (await succeeds(program, ['--feature=squash']))
}

const isRoot = (): boolean => process.getuid?.() === 0

/** Folders in which Apptainer keeps programs of its own. */
const APPTAINER_FOLDERS = ['/usr/libexec/apptainer/bin', '/usr/local/libexec/apptainer/bin']

/** The program that serves an image through FUSE. */
export async function findSquashfuse(host: NodeJS.ProcessEnv): Promise<string | undefined> {
  const folders = [host.PATH ?? '', ...APPTAINER_FOLDERS].join(delimiter)
  for (const name of ['squashfuse_ll', 'squashfuse']) {
    const program = await findProgram(name, { PATH: folders })
    if (program !== undefined) return program
  }
  return undefined
}

export const canUseFuse = (): Promise<boolean> => can('/dev/fuse', constants.R_OK | constants.W_OK)

const can = (path: string, mode: number): Promise<boolean> =>
  access(path, mode).then(
    () => true,
    () => false
  )

const succeeds = (program: string, args: string[]): Promise<boolean> =>
  new Promise(resolve => {
    execFile(program, args, { env: { ...process.env, USER: process.env.USER ?? 'nobody' } }, error =>
      resolve(error === null)
    )
  })
