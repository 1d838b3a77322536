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
 * Other names for modules. `refs/aliases/<category>/<name>` holds a line with the module's name
 * (spec/resolve.md#aliases). An alias helps users who type it. Published data never depends on one: requirements of
 * records name modules, and a stack notes the module for which the alias stood.
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

/** The target of an alias in the first store that has it. @throws StrataError MANIFEST_INVALID, IO */
export function findAlias({ searched }: Store, named: Named): ModuleRequest | undefined {
  for (const { root } of searched) {
    const target = readNote(root, ALIASES, named)
    if (target !== undefined) return target
  }
  return undefined
}

/** All aliases of a store. A file that cannot be read is a fault beside the list. */
export const listAliases = (root: string): ListedNotes<ModuleRequest> => listNotes(root, ALIASES)

/** @returns true if there was one */
export const removeAlias = (root: string, named: Named): Promise<boolean> =>
  removeNote(root, ALIASES.folder, named)

/** @throws StrataError USAGE for an alias that has a version, or that stands for itself */
export async function writeAlias(
  root: StoreRoot,
  alias: ModuleRequest,
  target: ModuleRequest
): Promise<void> {
  const fault =
    alias.version !== undefined
      ? 'has a version, wanted a name without one'
      : alias.category === target.category && alias.name === target.name
        ? 'stands for itself'
        : undefined
  if (fault !== undefined)
    throw new StrataError('USAGE', { message: `alias ${formatModuleRequest(alias)} ${fault}` })
  await writeNote(root.root, ALIASES.folder, alias, formatModuleRequest(target))
}

/**
 * Replaces an alias by its module, as the first store says that has the alias; other requests are returned unchanged.
 * If the alias has no version, the version that was typed is kept. An alias of an alias is not followed.
 * @param isPublished true if modules of a name exist; an alias does not hide them
 */
export function replaceAlias(
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
