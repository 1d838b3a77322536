import type { ModuleRecord } from '../../store/module/index.ts'
import { USUAL_PATH } from '../oci/index.ts'
import { composeEnvironment } from '../runtime-files/index.ts'
import type { RunRequest } from './runtime.ts'

/**
 * What a program in the tree sees, the same in every runtime (spec/runtimes.md#environment): the host's variables, but
 * none that say where the host's own programs and libraries are; then what the modules say; then what was asked for.
 * @param records bottom to top
 */
export function insideEnvironment(
  records: Pick<ModuleRecord, 'environment'>[],
  host: NodeJS.ProcessEnv,
  added: Record<string, string>
): Record<string, string> {
  return { ...composeEnvironment(records, { ...handedOn(host), PATH: USUAL_PATH }), ...added }
}

/**
 * What a runtime itself is started with: variables of the host alone. It is a program of the host, so what an image says
 * of LD_PRELOAD or TMPDIR must not reach it (spec/runtimes.md#environment).
 */
export const handedOn = (host: NodeJS.ProcessEnv): Record<string, string> =>
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
 * What a runtime has to change in the environment that it was started with. Only this is put on its command line, which
 * every user of the host can read: what the host's variables hold stays out of it.
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

/** ld.so(8): each names files, or ways to load them, of the host. Functions that bash exports call its programs. */
const isOfHost = (name: string): boolean => name.startsWith('LD_') || name.startsWith('BASH_FUNC_')
