import { existsSync } from 'node:fs'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { keyOf, type Preferred, resolveStack, satisfies } from '../resolve/index.ts'
import { type OpenStack, openStack } from './open-stack.ts'

/**
 * Version of each name that is loaded, by `category/name`: what is there before an edit, and what lists mark.
 * None when there is no such file.
 * @throws StrataError STACK_INVALID with line and column; IO
 */
export async function loadedVersions(store: Repository, file: string): Promise<Preferred> {
  if (!existsSync(file)) return new Map()
  const stack = await openStack(file)
  return versionsOf(store, { ...stack, modules: stack.modules.map(request => store.resolveAlias(request)) })
}

/**
 * Those of the lock, where it has all that is asked for; else the file was written by hand, and is resolved.
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
    if (error instanceof StrataError) return locked // an edit may be what mends it
    throw error
  }
}
