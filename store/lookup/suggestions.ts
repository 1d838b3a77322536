/** The error for a name that no store has: Lmod's words, and similar names. */
import { foldersBelow, namesBelow, type Store, type StorePath } from '../files/index.ts'
import { MODULES, nameFault, nearNames } from '../module/index.ts'
import { StrataError } from '../values/index.ts'

const SUGGESTIONS = 5

/** @param others modules of that name, which are suggested if there are any */
export function unknownError(store: Store, asked: string, others: string[] = []): StrataError {
  const close = others.length > 0 ? others.slice(0, SUGGESTIONS) : nearest(store, asked)
  return new StrataError('MODULE_UNKNOWN', {
    message: `The following module(s) are unknown: "${asked}"`,
    facts: close.length > 0 ? { 'did you mean': close } : { stores: store.searched.map(({ root }) => root) },
    hint: 'Please check the spelling or version number. Also try "compose avail"'
  })
}

function folders(root: string, path: StorePath): string[] {
  try {
    return foldersBelow(root, path)
  } catch {
    return [] // a suggestion is not worth a second error
  }
}

/** `category/name` of all modules, each once, in byte order. Folders of versions are not read. */
export function allNames(store: Store): string[] {
  const names = store.searched.flatMap(({ root }) =>
    folders(root, MODULES).flatMap(category =>
      folders(root, `${MODULES}/${category}`)
        .filter(name => nameFault({ category, name }) === undefined)
        .map(name => `${category}/${name}`)
    )
  )
  return [...new Set(names)].sort()
}

function nearest(store: Store, wanted: string): string[] {
  const isPublished = (name: string) =>
    store.searched.some(({ root }) => namesBelow(root, `${MODULES}/${name}`).length > 0)
  const suggested: string[] = []
  // An unpublished module leaves its folder behind, so the folders of the few suggested names are checked.
  for (const name of nearNames(allNames(store), wanted))
    if (suggested.length < SUGGESTIONS && isPublished(name)) suggested.push(name)
  return suggested
}
