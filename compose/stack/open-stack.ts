/** A stack that is open for editing: its text, its modules, and the versions of its lock. */

import { readFileSync } from 'node:fs'
import { formatModuleName, parseModuleName } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError, systemWords } from '../../store/values/index.ts'
import { keyOf, type Preferred, type ResolvedModule, resolveStack } from '../resolve/index.ts'
import type { ChosenModule } from './chosen-module.ts'
import { type Lock, parseLock } from './lock-file.ts'
import { type ParsedStack, parseStackText, readStack } from './stack-file.ts'

export interface OpenStack extends ParsedStack {
  file: string
  /** Undefined if the file does not exist yet. */
  original: string | undefined
  lock: Lock | undefined
  /** The error of a lock file that exists but cannot be used. */
  lockFault?: StrataError
  /** Version of each name in the lock. */
  locked: Preferred
}

/** `stack.yaml` has `stack.lock` beside it. */
export const lockFileOf = (stackFile: string): string => stackFile.replace(/(\.ya?ml)?$/, '.lock')

/** @throws StrataError STACK_INVALID with line and column */
export async function openStack(file: string): Promise<OpenStack> {
  const original = readIfThere(file)
  const parsed = await parseStackText(original ?? 'modules: []\n', file)
  return { ...parsed, ...openLock(file), file, original }
}

export function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new StrataError('IO', { message: `${file} cannot be read: ${systemWords(cause as Error)}`, cause })
  }
}

/** A lock that cannot be read counts as none, because the next edit writes it again. */
function openLock(stackFile: string): Pick<OpenStack, 'lock' | 'lockFault' | 'locked'> {
  const file = lockFileOf(stackFile)
  const text = readIfThere(file)
  if (text === undefined) return { lock: undefined, locked: new Map() }
  try {
    const lock = parseLock(text, file)
    return { lock, locked: versionsOf(lock.modules) }
  } catch (error) {
    if (!(error instanceof StrataError)) throw error
    return { lock: undefined, lockFault: error, locked: new Map() }
  }
}

const versionsOf = (modules: ChosenModule[]): Preferred =>
  new Map(
    modules.flatMap(({ name }) => {
      if (name === undefined) return []
      const parsed = parseModuleName(name)
      return [[keyOf(parsed), parsed.version] as const]
    })
  )

/**
 * Resolves the stack of a file. Versions of its lock are kept as long as they fit.
 * @throws StrataError IO if there is no such file; STACK_INVALID; as {@link resolveStack}
 */
export async function resolveStackFile(
  store: Repository,
  file: string
): Promise<{ modules: ResolvedModule[]; audience?: string }> {
  const { modules, audience } = await readStack(file)
  const { locked } = openLock(file)
  return { modules: await resolveStack(store, modules, { preferred: locked }), audience }
}

/** Resolves an open stack, which may be empty. @throws StrataError as {@link resolveStack} */
export const resolveOpenStack = (
  store: Repository,
  { modules, locked }: OpenStack
): Promise<ResolvedModule[]> => resolveStack(store, modules, { preferred: locked })

export const chosenOf = ({ name, id, record }: ResolvedModule): ChosenModule => ({
  name: formatModuleName(name),
  record: id,
  layers: record.layers
})
