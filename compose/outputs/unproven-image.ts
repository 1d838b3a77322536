/** Images of which nothing proves that they are those of their locks: they are judged like layers without a record. */
import { judgeParts, readTrust } from '../../store/policy/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError } from '../../store/values/index.ts'
import type { Lock } from '../stack/index.ts'

/**
 * Asks every policy, whatever its `when` says: a check that succeeds where `run` refuses would be believed.
 * @throws StrataError SIGNATURE_MISSING
 */
export async function assertUnprovenAccepted(
  store: Repository | undefined,
  path: string,
  { modules }: Pick<Lock, 'modules'>
): Promise<void> {
  const error = await refusalOf(store, `the tree of ${path}`, modules)
  if (error !== undefined) throw unproven(path, error)
}

/** The same for the files of a sandbox, which its owner can change at any time. @throws StrataError SIGNATURE_MISSING */
export async function assertSandboxAccepted(
  store: Repository | undefined,
  directory: string,
  { modules }: Pick<Lock, 'modules'>
): Promise<void> {
  const error = await refusalOf(store, `the files of ${directory}`, modules)
  if (error !== undefined) throw error
}

async function refusalOf(
  store: Repository | undefined,
  name: string,
  modules: Lock['modules']
): Promise<StrataError | undefined> {
  const whole = { name, layers: modules.flatMap(({ layers }) => layers) }
  const judged = await judgeParts(store, await readTrust(store?.searched ?? []), [whole])
  return judged.flatMap(({ verdicts }) => verdicts.flatMap(({ error }) => error ?? []))[0]
}

export const unproven = (path: string, error: StrataError): StrataError =>
  new StrataError(error.code, {
    message: `nothing proves that ${path} is the image of its lock`,
    facts: error.facts,
    hint: 'COMPOSE_PATH names stores with its layers; or build it again: compose cat IMAGE /.compose/lock > stack.lock',
    cause: error
  })
