import { parentOf, type StorePath, storeFolder } from '../files/index.ts'
import { StrataError, typedPath } from '../values/index.ts'
import { listFolder } from './list-folder.ts'
import { readShortFile } from './short-file.ts'

/**
 * Notes of a site about names: files of one line, `refs/<area>/<category>/<name>`. Unlike refs they may change at any
 * time, and no published data depends on them.
 */
export interface NoteArea<T> {
  /** Folder below the store. */
  folder: string
  /** Parses a line; undefined if it is not valid. */
  parse(line: string): T | undefined
  /** For messages. */
  wanted: string
}

export interface Named {
  category: string
  name: string
}

const notePath = (folder: StorePath, { category, name }: Named): StorePath => `${folder}/${category}/${name}`

/**
 * @param root of the store
 * @returns undefined if there is none
 * @throws StrataError MANIFEST_INVALID that names a file with other content; STORE_FOLDER, IO
 */
export function readNote<T>(
  root: string,
  { folder, parse, wanted }: NoteArea<T>,
  named: Named
): T | undefined {
  const path = notePath(folder, named)
  const line = readShortFile(root, path)
  if (line === undefined) return undefined
  const value = line.endsWith('\n') ? parse(line.slice(0, -1)) : undefined
  if (value !== undefined) return value
  const shown = storeFolder(root).displayPath(path)
  throw new StrataError('MANIFEST_INVALID', {
    message: `${shown} is not one line with ${wanted}`,
    facts: { file: shown },
    hint: `mv ${typedPath(shown)} ~`
  })
}

export interface ListedNotes<T> {
  /** By category and name in byte order. */
  notes: (Named & { value: T })[]
  /** MANIFEST_INVALID and IO for each note that cannot be read. */
  faults: StrataError[]
}

/** All notes of an area. A faulty note does not hide the others. */
export function listNotes<T>(root: string, area: NoteArea<T>): ListedNotes<T> {
  const faults: StrataError[] = []
  const notes: ListedNotes<T>['notes'] = []
  const tell = <R>(read: () => R): R | undefined => {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof StrataError)) throw error
      faults.push(error)
    }
  }
  for (const category of tell(() => listFolder(root, area.folder, 'folder', faults)) ?? [])
    for (const name of tell(() => listFolder(root, `${area.folder}/${category}`, 'file', faults)) ?? []) {
      const value = tell(() => readNote(root, area, { category, name }))
      if (value !== undefined) notes.push({ category, name, value })
    }
  return { notes, faults }
}

/** Afterwards the new line is there as a whole, or the old one stays. When this returns, it survives a loss of power. */
export async function writeNote(root: string, folder: string, named: Named, line: string): Promise<void> {
  const { TemporaryFile } = await import('../files/temporary-file.ts') // commands that only read need not load it
  const file = TemporaryFile.create(root)
  try {
    await file.handle.writeFile(`${line}\n`)
    await file.replace(notePath(folder, named))
  } finally {
    await file.discard()
  }
}

/** @returns true if there was one */
export async function removeNote(root: string, folder: string, named: Named): Promise<boolean> {
  const path = notePath(folder, named)
  const store = storeFolder(root)
  if (!store.remove(path)) return false
  await store.sync(parentOf(path))
  return true
}
