/**
 * Trees behind steps, and layers that definitions became, in the user's own cache (spec/definitions.md#cache). Nobody
 * else can read or write them, so they need no access of their own.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { removeTree, siblingPath } from '../../store/disk/index.ts'
import { initStore } from '../../store/files/index.ts'
import { openRepository, type Repository } from '../../store/repository/index.ts'
import type { Timestamp } from '../../store/tar/index.ts'
import { DAG_JSON, formatCid, parseCid, StrataError } from '../../store/values/index.ts'
import { isKept, keptPath, noteSize, noteUse } from '../cache/index.ts'
import { type PackagesBefore, packagesBefore, setPackagesBefore } from '../capture/index.ts'
import { buildSandbox, importEditedLayer, type KeptEdits, type Target } from '../outputs/index.ts'
import { readSandbox } from '../sandbox/index.ts'

/** A tree behind a step: changes since its base was written. */
interface KeptTree {
  /** Undefined if nothing was changed. */
  layer?: string
  since: Timestamp
  /** Of the base. */
  packages: PackagesBefore
}

const NOTE = 'step.json'
const STORE = 'store'

export class StepCache {
  readonly #store: Repository
  readonly #isUsed: boolean
  readonly #note: (text: string) => void
  readonly #noted = new Set<string>()
  /** Number of entries that were added. */
  added = 0

  /** @param isUsed false if nothing is to be found in it; entries are made anew all the same */
  constructor(store: Repository, isUsed: boolean, note: (text: string) => void) {
    this.#store = store
    this.#isUsed = isUsed
    this.#note = note
  }

  /** The note of an entry; undefined if there is none that can be used. */
  read<T>(key: string): T | undefined {
    if (!this.#isUsed) return undefined
    return this.#attempt(() => {
      noteUse(key, process.env)
      const path = keptPath('steps', key, process.env)
      if (!isKept('steps', path)) return undefined
      return JSON.parse(readFileSync(join(path, NOTE), 'utf8')) as T
    })
  }

  has = (key: string): boolean => this.read(key) !== undefined

  /** Adds an entry, whole or not at all. */
  async write(key: string, make: (folder: string) => Promise<object>): Promise<void> {
    const path = this.#attempt(() => keptPath('steps', key, process.env))
    if (path === undefined) return
    const made = siblingPath(path)
    try {
      mkdirSync(made, { mode: 0o700 })
      writeFileSync(join(made, NOTE), JSON.stringify(await make(made)), { mode: 0o600 })
      if (isKept('steps', path)) removeTree(path)
      renameSync(made, path)
      noteSize('steps', key, process.env)
      this.added++
    } catch (error) {
      removeTree(made)
      this.#note(`the step is not kept for the next build: ${(error as Error).message}`)
    }
  }

  /** Keeps a tree as it is now, logs and times included, for steps that follow. */
  keepTree(key: string, tree: string): Promise<void> {
    return this.write(key, async folder => {
      const { captured, since } = readSandbox(tree, { tidying: { scrubs: false, keepsTimes: true } })
      const kept: KeptTree = { since, packages: packagesBefore(tree) }
      if (captured === undefined) return kept
      const { compressor, blockSize } = this.#store.profile
      const root = join(folder, STORE)
      await initStore(root, { compressor, blockSize, level: 1 })
      const store = await openRepository({ store: root, path: '' })
      const id = await importEditedLayer(store, tree, captured)
      return { ...kept, layer: formatCid(id) }
    })
  }

  /** Writes a kept tree again. @returns false if it is not there, or cannot be used */
  async restoreTree(
    key: string,
    base: Target,
    tree: string,
    onBytes: (bytes: number) => void
  ): Promise<boolean> {
    const kept = this.read<KeptTree>(key)
    if (kept === undefined) return false
    const edits = kept.layer === undefined ? undefined : await this.#openLayer(key, kept.layer, kept.since)
    if (kept.layer !== undefined && edits === undefined) return false
    try {
      await buildTree(this.#store, base, tree, onBytes, edits)
    } catch (error) {
      if (!(error instanceof StrataError) || !/^(BLOB|OBJECT)_/.test(error.code)) throw error
      this.#note(`a kept step is damaged, and runs again: ${error.message}`)
      return false
    }
    setPackagesBefore(tree, kept.packages)
    return true
  }

  async #openLayer(key: string, layer: string, since: Timestamp) {
    try {
      const root = join(keptPath('steps', key, process.env), STORE)
      const store = await openRepository({ store: root, path: '' })
      return { store, layer: parseCid(layer, DAG_JSON, 'a kept step'), since }
    } catch (error) {
      if (error instanceof StrataError) return undefined
      throw error
    }
  }

  /** What makes the cache unusable is found again at each step. */
  #noteOnce(text: string): void {
    if (!this.#noted.has(text)) this.#note(text)
    this.#noted.add(text)
  }

  #attempt<T>(work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      if (error instanceof StrataError) this.#noteOnce(`no cache of steps: ${error.message}`)
      return undefined // or a note that is not whole
    }
  }
}

/** A tree in which commands can be captured. */
export const buildTree = (
  store: Repository,
  target: Target,
  directory: string,
  onProgress: (bytes: number) => void,
  edits?: KeptEdits
) =>
  buildSandbox(store, target, {
    ...{ directory, verify: false, recordOnly: false, forCapture: true, onProgress },
    ...(edits && { edits })
  })
