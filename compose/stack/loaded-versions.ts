import { existsSync } from 'node:fs'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { keyOf, type Preferred, resolveStack, satisfies } from '../resolve/index.ts'
import { type OpenStack, openStack } from './open-stack.ts'

/**
 * The version of each loaded name, by `category/name`; empty if there is no stack file.
 * @throws StrataError STACK_INVALID with line and column; IO
 */
export async function loadedVersions(store: Repository, file: string): Promise<Preferred> {
  if (!existsSync(file)) return new Map()
  const stack = await openStack(file)
  return versionsOf(store, { ...stack, modules: stack.modules.map(request => store.resolveAlias(request)) })
}

/**
 * Versions of the lock, if it has all requests; otherwise the file was edited by hand, and is resolved.
 * @param stack without aliases
 */
export async function versionsOf(
  store: Repository,
  { locked, modules }: Pick<OpenStack, 'locked' | 'modules'>
): Promise<Preferred> {
  const isLocked = modules.every(request => {
    const version = locked.get(keyOf(request))
    return version !== undefined && satisfies({ ...request, version }, request)
  })
  if (isLocked) return locked
  try {
    const resolved = await resolveStack(store, modules, { preferred: locked })
    return new Map(resolved.map(({ name }) => [keyOf(name), name.version]))
  } catch (error) {
    if (error instanceof StrataError) return locked // the next edit may repair the stack
    throw error
  }
}
