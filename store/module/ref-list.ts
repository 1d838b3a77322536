import type { CID } from 'multiformats/cid'
import { type StorePath, storeFolder } from '../files/index.ts'
import { StrataError } from '../values/index.ts'
import { type Listed, listFolder, strangeEntry } from './list-folder.ts'
import { type ModuleName, nameFault } from './name.ts'
import { HISTORY, MODULES, readRef } from './ref-file.ts'
import { idIn } from './short-file.ts'

/**
 * Lists what is published in a store. Strange entries in `refs` are reported as faults beside the list and do not end
 * it.
 */

export interface Ref {
  name: ModuleName
  record: CID
}

/**
 * Names of all modules, from the folders; no ref is opened.
 * @param root of the store
 * @returns by category, name and version, each in byte order; MANIFEST_INVALID for each entry that is not a ref
 * @throws StrataError IO if `refs` cannot be read
 */
export function listModules(root: string): { modules: ModuleName[]; faults: StrataError[] } {
  const faults: StrataError[] = []
  return { modules: walkNames(root, MODULES, 'file', faults), faults }
}

/**
 * All names with their records.
 * @param root of the store
 * @returns in the order of {@link listModules}; MANIFEST_INVALID and IO for each entry that is not a ref
 * @throws StrataError IO if `refs` cannot be read
 */
export function listRefs(root: string): { refs: Ref[]; faults: StrataError[] } {
  const { modules, faults } = listModules(root)
  const refs = modules.flatMap(name =>
    collectFault(faults, () => {
      const record = readRef(root, name)
      return record === undefined ? [] : [{ name, record }] // removed since its folder was read
    })
  )
  return { refs, faults }
}

/**
 * Every record that a name stands or ever stood for, and records whose publishing was interrupted.
 * @param root of the store
 * @throws StrataError IO if `refs` cannot be read
 */
export function listHistory(root: string): { refs: Ref[]; faults: StrataError[] } {
  const faults: StrataError[] = []
  const refs = walkNames(root, HISTORY, 'folder', faults).flatMap(name => {
    const folder = `${HISTORY}/${name.category}/${name.name}/${name.version}`
    return listFolder(root, folder, 'file', faults).flatMap(file =>
      collectFault(faults, () => [{ name, record: idIn(file, showFile(root, `${folder}/${file}`)) }])
    )
  })
  return { refs, faults }
}

const showFile = (root: string, path: StorePath): string => storeFolder(root).displayPath(path)

function collectFault<T>(faults: StrataError[], read: () => T[]): T[] {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof StrataError)) throw error
    faults.push(error)
    return []
  }
}

/** @param last kind of the versions: files in refs, folders in the history */
function walkNames(root: string, area: string, last: Listed, faults: StrataError[]): ModuleName[] {
  const modules: ModuleName[] = []
  for (const category of listFolder(root, area, 'folder', faults)) {
    for (const name of listFolder(root, `${area}/${category}`, 'folder', faults)) {
      for (const version of listFolder(root, `${area}/${category}/${name}`, last, faults)) {
        const module = { category, name, version }
        const fault = nameFault(module)
        if (fault === undefined) modules.push(module)
        else faults.push(strangeEntry(showFile(root, `${area}/${category}/${name}/${version}`), fault))
      }
    }
  }
  return modules
}
