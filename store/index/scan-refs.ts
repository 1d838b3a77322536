/**
 * Reads refs/ anew, folder by folder. Facts of an earlier index are reused if they cannot have changed: the summary of
 * a record always, a folder if its stamp is the same.
 */

import { REFS, type Store, type StoreFolder, type StorePath, storeFolder } from '../files/index.ts'
import { type Listed, listFolder, nameFault, readRefFile, strangeEntry } from '../module/index.ts'
import { formatCid, StrataError } from '../values/index.ts'
import { isSameStamp, readStamp, settledStamp } from './folder-stamp.ts'
import { readShort } from './is-current.ts'
import type { IndexedRecord } from './module-summary.ts'
import {
  type IndexedCategory,
  type IndexedModule,
  type IndexedModules,
  type IndexedName,
  MANIFEST_ID,
  type Stamp
} from './modules-file.ts'
import { readIndexedRecord } from './read-manifest.ts'

export interface ScanOptions {
  /** An index that may be out of date. */
  known?: IndexedModules
  /** The file system's clock before the scan; without it no folder counts as settled. */
  clockMs?: number
}

export interface ScannedRefs {
  modules: IndexedModules
  /** Strange entries in refs/, and modules whose record cannot be read. They are not in the list. */
  faults: StrataError[]
}

/**
 * @param store whose own root is scanned; its records may be in any store that it searches
 * @throws StrataError IO if refs/ cannot be read
 */
export const scanRefs = (store: Store, options: ScanOptions = {}): Promise<ScannedRefs> =>
  new Scan(store, options).run()

class Scan {
  readonly #store: Store
  readonly #folder: StoreFolder
  readonly #clockMs: number
  readonly #knownNames = new Map<string, IndexedName>()
  readonly #knownRecords = new Map<string, IndexedRecord>()
  readonly #layers = new Map<string, string[]>()
  readonly #faults: StrataError[] = []

  constructor(store: Store, { known, clockMs = Number.NEGATIVE_INFINITY }: ScanOptions) {
    this.#store = store
    this.#folder = storeFolder(store.root)
    this.#clockMs = clockMs
    for (const { category, names } of known?.categories ?? [])
      for (const name of names) {
        this.#knownNames.set(`${category}/${name.name}`, name)
        for (const module of name.modules) {
          const layers = known!.layers().get(module.record)
          if (layers !== undefined)
            this.#knownRecords.set(module.record, { summary: summaryOf(module), layers })
        }
      }
  }

  async run(): Promise<ScannedRefs> {
    const categories: IndexedCategory[] = []
    const top = this.#open(REFS)
    for (const category of this.#list(REFS, 'folder')) {
      const folder = `${REFS}/${category}`
      const open = this.#open(folder)
      const names: IndexedName[] = []
      for (const name of this.#list(folder, 'folder'))
        names.push(await this.#name(category, name, `${folder}/${name}`))
      categories.push({ category, names, stamp: open() })
    }
    return { modules: { stamp: top(), categories, layers: () => this.#layers }, faults: this.#faults }
  }

  /**
   * Call this before reading a folder, and its result afterwards. A folder with faults is never settled: every listing
   * must find them, and a record may reappear without a change of the folder.
   */
  #open(folder: StorePath): () => Stamp {
    const stamp = readStamp(this.#folder, folder)
    const faultsBefore = this.#faults.length
    return () =>
      stamp === undefined || this.#faults.length > faultsBefore ? null : settledStamp(stamp, this.#clockMs)
  }

  async #name(category: string, name: string, folder: StorePath): Promise<IndexedName> {
    const known = this.#knownNames.get(`${category}/${name}`)
    if (known !== undefined && isSameStamp(known.stamp, readStamp(this.#folder, folder)) && this.#keep(known))
      return known
    const open = this.#open(folder)
    const modules: IndexedModule[] = []
    for (const version of this.#list(folder, 'file')) {
      const module = await this.#module({ category, name, version }, `${folder}/${version}`)
      if (module !== undefined) modules.push(module)
    }
    return { name, modules, stamp: open() }
  }

  #list(folder: StorePath, kind: Listed): string[] {
    return listFolder(this.#store.root, folder, kind, this.#faults)
  }

  /** True if all modules of an unchanged folder are known. */
  #keep({ modules }: IndexedName): boolean {
    if (!modules.every(({ record }) => this.#knownRecords.has(record))) return false
    for (const { record } of modules) this.#layers.set(record, this.#knownRecords.get(record)!.layers)
    return true
  }

  async #module(
    name: { category: string; name: string; version: string },
    path: StorePath
  ): Promise<IndexedModule | undefined> {
    try {
      const fault = nameFault(name)
      if (fault !== undefined) throw strangeEntry(this.#folder.displayPath(path), fault)
      const record = readId(this.#folder, path)
      if (record === undefined) return undefined // removed since its folder was read
      const { summary, layers } = this.#knownRecords.get(record) ?? (await this.#read(record))
      this.#layers.set(record, layers)
      return indexedModule(name.version, record, summary)
    } catch (error) {
      this.#faults.push(asFault(error))
      return undefined
    }
  }

  async #read(record: string): Promise<IndexedRecord> {
    const read = await readIndexedRecord(this.#store, record)
    this.#knownRecords.set(record, read)
    return read
  }
}

/**
 * The id in a ref; undefined if there is no such file.
 * @throws StrataError as readRefFile, which parses the id; a valid id is recognised faster here
 */
function readId(store: StoreFolder, path: StorePath): string | undefined {
  const line = readShort(store, path)
  if (line?.endsWith('\n') && MANIFEST_ID.test(line.slice(0, -1))) return line.slice(0, -1)
  const id = readRefFile(store.root, path)
  return id && formatCid(id)
}

const summaryOf = ({ version: _version, record: _record, hidden, labels, ...rest }: IndexedModule) => ({
  ...rest,
  hidden: hidden === true,
  labels: labels ?? {}
})

const indexedModule = (
  version: string,
  record: string,
  { hidden, labels, ...rest }: IndexedRecord['summary']
): IndexedModule => ({
  version,
  record,
  ...rest,
  ...(hidden && { hidden: true }),
  ...(Object.keys(labels).length > 0 && { labels })
})

/** A file that cannot be read hides one module but not the list. */
function asFault(error: unknown): StrataError {
  if (error instanceof StrataError) return error
  if (typeof (error as NodeJS.ErrnoException).syscall !== 'string') throw error
  return new StrataError('IO', { message: (error as Error).message, cause: error })
}
