/**
 * refs/ read anew, folder by folder, with what an earlier index knows taken over where it cannot have changed: the
 * summary of a record always, a folder when its stamp is the same.
 */
import { join } from 'node:path'
import { formatCid } from '../digest.ts'
import { StrataError } from '../errors.ts'
import { listFolder } from '../module/list-folder.ts'
import { nameFault } from '../module/name.ts'
import { isFolder, readRefFile } from '../module/ref-file.ts'
import type { Store } from '../store.ts'
import { REFS } from '../store-layout.ts'
import { isSameStamp, readStamp, settled } from './folder-stamp.ts'
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
  /** Strange things in refs/, and modules whose record cannot be read. They are in no list. */
  faults: StrataError[]
}

/**
 * @param store whose own root is scanned; records may lie in any store that it searches
 * @throws StrataError IO if refs/ cannot be read
 */
export const scanRefs = (store: Store, options: ScanOptions = {}): Promise<ScannedRefs> =>
  new Scan(store, options).run()

class Scan {
  readonly #store: Store
  readonly #top: string
  readonly #clockMs: number
  readonly #knownNames = new Map<string, IndexedName>()
  readonly #knownRecords = new Map<string, IndexedRecord>()
  readonly #layers = new Map<string, string[]>()
  readonly #faults: StrataError[] = []

  constructor(store: Store, { known, clockMs = Number.NEGATIVE_INFINITY }: ScanOptions) {
    this.#store = store
    this.#top = join(store.root, REFS)
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
    const top = this.#open(this.#top)
    if (![join(this.#store.root, 'refs'), this.#top].every(isFolder))
      return { modules: { stamp: null, categories, layers: () => this.#layers }, faults: this.#faults }
    for (const category of listFolder(this.#top, 'folder', this.#faults)) {
      const folder = join(this.#top, category)
      const open = this.#open(folder)
      const names: IndexedName[] = []
      for (const name of listFolder(folder, 'folder', this.#faults))
        names.push(await this.#name(category, name, join(folder, name)))
      categories.push({ category, names, stamp: open() })
    }
    return { modules: { stamp: top(), categories, layers: () => this.#layers }, faults: this.#faults }
  }

  /**
   * To be called before a folder is read; what it returns is to be called after. A folder with faults is never
   * settled: they have to be found in every listing, and a record may come back without the folder changing.
   */
  #open(folder: string): () => Stamp {
    const stamp = readStamp(folder)
    const faultsBefore = this.#faults.length
    return () =>
      stamp === undefined || this.#faults.length > faultsBefore ? null : settled(stamp, this.#clockMs)
  }

  async #name(category: string, name: string, folder: string): Promise<IndexedName> {
    const known = this.#knownNames.get(`${category}/${name}`)
    if (known !== undefined && isSameStamp(known.stamp, readStamp(folder)) && this.#keep(known)) return known
    const open = this.#open(folder)
    const modules: IndexedModule[] = []
    for (const version of listFolder(folder, 'file', this.#faults)) {
      const module = await this.#module({ category, name, version }, join(folder, version))
      if (module !== undefined) modules.push(module)
    }
    return { name, modules, stamp: open() }
  }

  /** Whether all is known of the modules of a folder that has not changed. */
  #keep({ modules }: IndexedName): boolean {
    if (!modules.every(({ record }) => this.#knownRecords.has(record))) return false
    for (const { record } of modules) this.#layers.set(record, this.#knownRecords.get(record)!.layers)
    return true
  }

  async #module(
    name: { category: string; name: string; version: string },
    path: string
  ): Promise<IndexedModule | undefined> {
    try {
      const fault = nameFault(name)
      if (fault !== undefined)
        throw new StrataError('MANIFEST_INVALID', {
          message: `${path} ${fault}: nothing like it belongs into refs`,
          facts: { file: path },
          hint: 'move it away'
        })
      const record = readId(path)
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
 * The id in a ref; undefined when there is no such file.
 * @throws StrataError as readRefFile, which parses each: that takes longer than to see that an id is in order
 */
function readId(path: string): string | undefined {
  const line = readShort(path)
  if (line?.endsWith('\n') && MANIFEST_ID.test(line.slice(0, -1))) return line.slice(0, -1)
  const id = readRefFile(path)
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

/** A file that cannot be read hides one module, not the list. */
function asFault(error: unknown): StrataError {
  if (error instanceof StrataError) return error
  if (typeof (error as NodeJS.ErrnoException).syscall !== 'string') throw error
  return new StrataError('IO', { message: (error as Error).message, cause: error })
}
