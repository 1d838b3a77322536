import type { ModuleRecord } from '../../store/module/index.ts'
import { USUAL_PATH } from '../oci/index.ts'
import { composeEnvironment } from '../runtime-files/index.ts'
import type { RunRequest } from './runtime.ts'

/**
 * Environment of a program in the tree, the same in every runtime (spec/runtimes.md#environment): variables of the
 * host, without those about the host's own programs and libraries; then those of the modules; then those of the user.
 * @param records bottom to top
 */
export function insideEnvironment(
  records: Pick<ModuleRecord, 'environment'>[],
  host: NodeJS.ProcessEnv,
  added: Record<string, string>
): Record<string, string> {
  return { ...composeEnvironment(records, { ...hostEnvironment(host), PATH: USUAL_PATH }), ...added }
}

/**
 * Environment of the runtime itself. It is a program of the host, so an LD_PRELOAD or TMPDIR of an image must not
 * reach it (spec/runtimes.md#environment).
 */
export const hostEnvironment = (host: NodeJS.ProcessEnv): Record<string, string> =>
  Object.fromEntries(
    Object.entries(host).filter(
      (variable): variable is [string, string] => variable[1] !== undefined && !isOfHost(variable[0])
    )
  )

export interface EnvironmentDifference {
  set: [name: string, value: string][]
  unset: string[]
}

/**
 * The changes that a runtime has to make to the environment it was started with. Only these go to its command line,
 * which every user of the host can read, so values of the host stay private.
 */
export function environmentDifference(
  started: Record<string, string>,
  { environment, added }: Pick<RunRequest, 'environment' | 'added'>
): EnvironmentDifference {
  return {
    set: Object.entries(environment).filter(
      ([name, value]) => Object.hasOwn(added, name) || started[name] !== value
    ),
    unset: Object.keys(started).filter(name => !Object.hasOwn(environment, name))
  }
}

/**
 * ld.so(8): these name files of the host, or ways to load them. Functions that bash exports call programs of the
 * host.
 */
const isOfHost = (name: string): boolean => name.startsWith('LD_') || name.startsWith('BASH_FUNC_')
