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
 * Which version a name without one stands for: `refs/defaults/<category>/<name>`, a line with the version
 * (spec/resolve.md#defaults). Like a `.modulerc` of Lmod, it belongs to the store that it lies in.
 */
const DEFAULTS: NoteArea<string> = {
  folder: 'refs/defaults',
  parse: line => (versionFault(line) === undefined ? line : undefined),
  wanted: 'a version'
}

/**
 * @param root of the store
 * @returns undefined when none is set; the version need not be published any more
 * @throws StrataError MANIFEST_INVALID, IO
 */
export const readDefault = (root: string, named: Named): string | undefined => readNote(root, DEFAULTS, named)

/** All of a store. What cannot be read is a fault beside them. */
export const listDefaults = (root: string): ListedNotes<string> => listNotes(root, DEFAULTS)

export const writeDefault = (root: string, name: ModuleName): Promise<void> =>
  writeNote(root, DEFAULTS.folder, name, name.version)

/** @returns whether there was one */
export const removeDefault = (root: string, named: Named): Promise<boolean> =>
  removeNote(root, DEFAULTS.folder, named)
