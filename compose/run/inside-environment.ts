import type { ModuleRecord } from '../../store/module/record.ts'
import { composeEnvironment } from '../generated/index.ts'
import { USUAL_PATH } from '../oci/image-config.ts'

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
  const base = Object.entries(host).filter(
    (variable): variable is [string, string] => variable[1] !== undefined && !isOfHost(variable[0])
  )
  return { ...composeEnvironment(records, { ...Object.fromEntries(base), PATH: USUAL_PATH }), ...added }
}

/** ld.so(8): each names files, or ways to load them, of the host. Functions that bash exports call its programs. */
const isOfHost = (name: string): boolean => name.startsWith('LD_') || name.startsWith('BASH_FUNC_')
