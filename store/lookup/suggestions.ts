/** The error for a name that no store has: Lmod's words, and similar names. */
import { foldersBelow, namesBelow, type Store, type StorePath } from '../files/index.ts'
import { MODULES, nameFault } from '../module/index.ts'
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

/** Names that contain the wanted one, or differ from it in a few letters; nearest first. */
function nearest(store: Store, wanted: string): string[] {
  const limit = Math.max(2, Math.floor(wanted.length / 4))
  const stem = withoutVersion(wanted)
  const comparedPart = (name: string) => (stem.includes('/') ? name : name.slice(name.indexOf('/') + 1))
  const isPublished = (name: string) =>
    store.searched.some(({ root }) => namesBelow(root, `${MODULES}/${name}`).length > 0)
  const near = allNames(store)
    .filter(name => name.includes(stem) || Math.abs(comparedPart(name).length - stem.length) <= limit)
    .map(name => ({ name, distance: name.includes(stem) ? 0 : editDistance(stem, comparedPart(name)) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
  const suggested: string[] = []
  // An unpublished module leaves its folder behind, so the folders of the few suggested names are checked.
  for (const { name } of near) if (suggested.length < SUGGESTIONS && isPublished(name)) suggested.push(name)
  return suggested
}

/** `mpi/openmpi` for `mpi/openmpi-4.1.6` and for `mpi/openmpi >= 4`. */
function withoutVersion(wanted: string): string {
  const [module] = wanted.split(/[<>=!]/)
  const nameAt = module.lastIndexOf('/') + 1
  return (
    module.slice(0, nameAt) +
    module
      .slice(nameAt)
      .trimEnd()
      .split(/-[0-9]/)[0]
  )
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)))
    row = next
  }
  return row[b.length]
}
