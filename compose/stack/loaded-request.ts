import { ambiguousName, matchShortName, shortNameOf } from '../../store/lookup/index.ts'
import { type RangedRequest, splitRange } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { keyOf } from '../resolve/index.ts'
import { openStack } from './open-stack.ts'

/**
 * Resolves the name of a module of the stack. A short name is first looked up in the stack, even if the module is not
 * published any more.
 * @throws StrataError STACK_INVALID; as parseTypedRequest
 */
export async function loadedRequest(store: Repository, file: string, word: string): Promise<RangedRequest> {
  const { module, constraints } = splitRange(word, 'module')
  const short = shortNameOf(module)
  if (short === undefined) return store.parseTypedRequest(word)
  const { modules, locked } = await openStack(file)
  const loaded = [...new Set([...modules.map(keyOf), ...locked.keys()])]
  const found = loaded.includes(module) ? [] : matchShortName(loaded, short)
  if (found.length > 1) throw ambiguousName(module, found)
  return found.length === 1 ? { ...found[0], constraints } : store.parseTypedRequest(word)
}
