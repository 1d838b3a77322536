import type { Store, StoreRoot } from '../files/index.ts'
import { StrataError } from '../values/index.ts'
import { formatModuleRequest, type ModuleRequest, parseModuleRequest } from './name.ts'
import {
  type ListedNotes,
  listNotes,
  type Named,
  type NoteArea,
  readNote,
  removeNote,
  writeNote
} from './name-note.ts'
import type { RangedRequest } from './requirement.ts'

/**
 * Other names for modules: `refs/aliases/<category>/<name>`, a line with what the name stands for (spec/resolve.md#aliases).
 * An alias serves who types it. What is published never depends on one: requirements of records name modules, and a
 * stack notes what the alias stood for.
 */
const ALIASES: NoteArea<ModuleRequest> = {
  folder: 'refs/aliases',
  parse(line) {
    try {
      return parseModuleRequest(line)
    } catch {
      return undefined
    }
  },
  wanted: 'the name of a module'
}

/** What the first store says that has such an alias. @throws StrataError MANIFEST_INVALID, IO */
export function findAlias({ searched }: Store, named: Named): ModuleRequest | undefined {
  for (const { root } of searched) {
    const target = readNote(root, ALIASES, named)
    if (target !== undefined) return target
  }
  return undefined
}

/** All of a store. What cannot be read is a fault beside them. */
export const listAliases = (root: string): ListedNotes<ModuleRequest> => listNotes(root, ALIASES)

/** @returns whether there was one */
export const removeAlias = (root: string, named: Named): Promise<boolean> =>
  removeNote(root, ALIASES.folder, named)

/** @throws StrataError USAGE for an alias with a version, or of itself */
export async function writeAlias(
  root: StoreRoot,
  alias: ModuleRequest,
  target: ModuleRequest
): Promise<void> {
  const fault =
    alias.version !== undefined
      ? 'has a version: a name of its own is wanted'
      : alias.category === target.category && alias.name === target.name
        ? 'stands for itself'
        : undefined
  if (fault !== undefined)
    throw new StrataError('USAGE', { message: `alias ${formatModuleRequest(alias)} ${fault}` })
  await writeNote(root.root, ALIASES.folder, alias, formatModuleRequest(target))
}

/**
 * What a request stands for: itself unless its name is an alias, of the first store that has it. A version that was
 * typed behind an alias without one goes with it. An alias of an alias stands for nothing.
 * @param isPublished whether there are modules of a name: they are not hidden by an alias
 */
export function withoutAlias(
  store: Store,
  request: RangedRequest,
  isPublished: (named: Named) => boolean
): RangedRequest {
  const target = isPublished(request) ? undefined : findAlias(store, request)
  if (target === undefined) return request
  const { version, constraints } = request
  return {
    ...target,
    ...(version !== undefined && target.version === undefined && { version }),
    ...(constraints && { constraints })
  }
}
