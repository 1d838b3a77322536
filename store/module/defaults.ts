import { type ModuleName, versionFault } from './name.ts'
import {
  type ListedNotes,
  listNotes,
  type Named,
  type NoteArea,
  readNote,
  removeNote,
  writeNote
} from './name-note.ts'

/**
 * Default versions, for names without a version: `refs/defaults/<category>/<name>` holds a line with the version
 * (spec/resolve.md#defaults). Like a `.modulerc` of Lmod, it belongs to the store that holds it.
 */
const DEFAULTS: NoteArea<string> = {
  folder: 'refs/defaults',
  parse: line => (versionFault(line) === undefined ? line : undefined),
  wanted: 'a version'
}

/**
 * @param root of the store
 * @returns undefined if none is set; the version may have been unpublished since
 * @throws StrataError MANIFEST_INVALID, IO
 */
export const readDefault = (root: string, named: Named): string | undefined => readNote(root, DEFAULTS, named)

/** All defaults of a store. A file that cannot be read is a fault beside the list. */
export const listDefaults = (root: string): ListedNotes<string> => listNotes(root, DEFAULTS)

export const writeDefault = (root: string, name: ModuleName): Promise<void> =>
  writeNote(root, DEFAULTS.folder, name, name.version)

/** @returns true if there was one */
export const removeDefault = (root: string, named: Named): Promise<boolean> =>
  removeNote(root, DEFAULTS.folder, named)
