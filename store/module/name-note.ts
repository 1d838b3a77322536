import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { StrataError } from '../errors.ts'
import { syncFolder } from '../sync-folder.ts'
import { listFolder } from './list-folder.ts'
import { isFolder, readShortFile } from './short-file.ts'

/**
 * What a site says of a name: a file of one line, `refs/<area>/<category>/<name>`. Unlike refs these may change at
 * any time, and nothing published depends on them.
 */
export interface NoteArea<T> {
  /** Folder below the store. */
  folder: string
  /** What a line says; undefined for one that says nothing of the kind. */
  parse(line: string): T | undefined
  /** For messages. */
  wanted: string
}

export interface Named {
  category: string
  name: string
}

const notePath = (root: string, folder: string, { category, name }: Named): string =>
  join(root, folder, category, name)

const folders = (root: string, folder: string, { category }: Named): string[] => [
  join(root, 'refs'),
  join(root, folder),
  join(root, folder, category)
]

/**
 * @param root of the store
 * @returns undefined when there is none
 * @throws StrataError MANIFEST_INVALID naming a file that says something else, or a link where a folder should be; IO
 */
export function readNote<T>(
  root: string,
  { folder, parse, wanted }: NoteArea<T>,
  named: Named
): T | undefined {
  if (!folders(root, folder, named).every(isFolder)) return undefined
  const path = notePath(root, folder, named)
  const line = readShortFile(path)
  if (line === undefined) return undefined
  const value = line.endsWith('\n') ? parse(line.slice(0, -1)) : undefined
  if (value !== undefined) return value
  throw new StrataError('MANIFEST_INVALID', {
    message: `${path} is not one line with ${wanted}`,
    facts: { file: path },
    hint: 'move it away'
  })
}

export interface ListedNotes<T> {
  /** By category and name in byte order. */
  notes: (Named & { value: T })[]
  /** MANIFEST_INVALID and IO for each that cannot be read. */
  faults: StrataError[]
}

/** Every note of an area. Nothing that is wrong with one hides the others. */
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
  const top = join(root, area.folder)
  const isThere = tell(() => [join(root, 'refs'), top].every(isFolder))
  const categories = isThere ? tell(() => listFolder(top, 'folder', faults)) : []
  for (const category of categories ?? [])
    for (const name of tell(() => listFolder(join(top, category), 'file', faults)) ?? []) {
      const value = tell(() => readNote(root, area, { category, name }))
      if (value !== undefined) notes.push({ category, name, value })
    }
  return { notes, faults }
}

/** The new line is there whole, or the old one stays; when this returns, it survives a loss of power. */
export async function writeNote(root: string, folder: string, named: Named, line: string): Promise<void> {
  folders(root, folder, named).every(isFolder) // throws if one is a link
  const { TemporaryFile } = await import('../temporary-file.ts') // not for who only reads
  const file = await TemporaryFile.create(root)
  try {
    await file.handle.writeFile(`${line}\n`)
    await file.replace(notePath(root, folder, named))
  } finally {
    await file.discard()
  }
}

/** @returns whether there was one */
export async function removeNote(root: string, folder: string, named: Named): Promise<boolean> {
  if (!folders(root, folder, named).every(isFolder)) return false
  const path = notePath(root, folder, named)
  const wasThere = await rm(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false
      throw error
    }
  )
  if (!wasThere) return false
  await syncFolder(dirname(path))
  return true
}
