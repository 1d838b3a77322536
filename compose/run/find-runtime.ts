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
 * Finds the runtime of that name, or the first one that is installed.
 * @param host variables of the host; PATH is searched
 * @throws StrataError USAGE for an unknown name, RUNTIME_MISSING
 */
export async function findRuntime(name: string | undefined, host: NodeJS.ProcessEnv): Promise<FoundRuntime> {
  const wanted = name === undefined ? RUNTIMES : RUNTIMES.filter(runtime => runtime.name === name)
  if (wanted.length === 0)
    throw new StrataError('USAGE', {
      message: `--runtime ${name} is unknown: wanted one of ${RUNTIME_NAMES.join(', ')}`
    })
  for (const runtime of wanted)
    for (const programName of runtime.programs) {
      const program = await findProgram(programName, host)
      if (program !== undefined) return { runtime, program }
    }
  throw new StrataError('RUNTIME_MISSING', {
    message: `no container runtime is installed: looked for ${wanted.flatMap(({ programs }) => programs).join(', ')}`,
    facts: { PATH: host.PATH ?? '' },
    hint: name === undefined ? 'install one of them' : `leave --runtime out, to use another one`
  })
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
export async function startsImages({ runtime, program }: FoundRuntime): Promise<boolean> {
  if (runtime.takesImages !== 'fuse') return runtime.takesImages === 'always'
  return (await canUseFuse()) && (await succeeds(program, ['--feature=squash']))
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
