/**
 * Who may read what an import publishes (spec/store-layout.md#access). New files have their access before they have a
 * name. Files that are there already, because another module has the same content, or this one had before, get
 * theirs when the ref is written; whether they can is asked before anything is published.
 */
import type { Digest } from '../digest.ts'
import { StrataError } from '../errors.ts'
import { dropCachedLayers } from '../layer-cache/list-cache.ts'
import { formatModuleName } from '../module/name.ts'
import { isAsChecked, noteChecked } from '../object/data-identity.ts'
import type { Store } from '../store.ts'
import {
  accessOfPath,
  changeAccess,
  EVERYONE,
  type FileAccess,
  type FoundAccess,
  intersectionOf,
  isSameAccess,
  isWithin,
  showAccess,
  unionOf
} from './file-access.ts'
import type { LayerAccess } from './layer-access.ts'
import { filesOfLayer, type LayerDigests, type LayerFile } from './layer-files.ts'
import { accessOfModules, accessOfNewModule, type GuardedModule } from './module-access.ts'
import { openStoreFile, showUser } from './open-file.ts'
import { usersOfBlob } from './users.ts'

export interface SettledAccess {
  /** One line each, for people: what is open to more than the module's groups, or not open to all of them yet. */
  notes: string[]
  /** Whether a tree index became closed to somebody: `index/` may tell of it until it is made anew. */
  hasNarrowedTrees: boolean
}

export class ImportAccess {
  readonly #store: Store
  readonly #module: GuardedModule
  readonly #own: FileAccess
  readonly #layers: LayerDigests[] = []
  /** Modules with the same content that admit more people. */
  readonly #wider = new Set<string>()

  /** @throws StrataError NAME_UNKNOWN when the host has no id for one of the module's groups */
  constructor(store: Store, module: GuardedModule) {
    this.#store = store
    this.#module = module
    this.#own = accessOfNewModule(module)
  }

  /**
   * Access of a layer's files, before they are published.
   * @throws StrataError STORE_ACCESS when a file that is there cannot be given it
   */
  async plan(layer: LayerDigests): Promise<LayerAccess> {
    const files = await filesOfLayer(this.#store.root, layer)
    if (files.length > 0 || this.#own !== EVERYONE) this.#layers.push(layer)
    if (files.length === 0) return { tar: this.#own, sidecar: this.#own, index: this.#own }
    const wanted = await this.#wanted(layer)
    for (const { path, part } of files) await unlessCollected(() => assertChangeable(path, wanted[part]))
    return wanted
  }

  /** After the ref is written: files that were there get their access. */
  async settle(): Promise<SettledAccess> {
    const settled: SettledAccess = { notes: [], hasNarrowedTrees: false }
    const changed = new Set<Digest>()
    for (const layer of this.#layers) {
      const wanted = await this.#wanted(layer)
      for (const file of await filesOfLayer(this.#store.root, layer))
        await unlessCollected(async () => {
          if (await this.#settleFile(file, wanted[file.part], settled)) changed.add(layer.layer)
        })
    }
    for (const path of await dropCachedLayers(this.#store.root, changed))
      settled.notes.push(`${path} has the access of before: its owner or root can type compose fsck --repair`)
    if (this.#wider.size > 0)
      settled.notes.push(
        `some of its content is open to more than its groups, because ${[...this.#wider].sort().join(', ')} has the same`
      )
    return settled
  }

  /** @returns whether the file had another access */
  async #settleFile({ path, part }: LayerFile, wanted: FileAccess, settled: SettledAccess): Promise<boolean> {
    const { access, status } = accessOfPath(path)
    if (isSameAccess(access, wanted)) return false
    try {
      await changeKeepingNote(this.#store.root, path, wanted)
      if (part === 'index' && !isWithin(access, wanted)) settled.hasNarrowedTrees = true
    } catch (error) {
      if (!(error instanceof StrataError)) throw error
      // Somebody published the same content at the same moment.
      settled.notes.push(
        `${path} is for ${showAccess(access)}, wanted ${showAccess(wanted)}: ${showUser(status.uid)} or root can type compose fsck --repair`
      )
    }
    return true
  }

  async #wanted({ tar, sidecar }: LayerDigests): Promise<LayerAccess> {
    const ofTar = await this.#with(tar)
    const ofSidecar = sidecar === undefined ? EVERYONE : await this.#with(sidecar)
    return { tar: ofTar, sidecar: ofSidecar, index: intersectionOf(ofTar, ofSidecar) }
  }

  /** Whom this module and the others that need a blob admit together. */
  async #with(digest: Digest): Promise<FileAccess> {
    const users = await usersOfBlob(this.#store, digest, { ownOnly: true })
    const own = formatModuleName(this.#module)
    const others = users.filter(other => formatModuleName(other) !== own)
    for (const other of others)
      if (!isWithin(accessOfModules([other]).access, this.#own)) this.#wider.add(formatModuleName(other))
    return unionOf(this.#own, accessOfModules(others).access)
  }
}

/** A file may be gone since its folder was read: `compose gc` is at work (spec/store-layout.md#gc). */
async function unlessCollected(work: () => void | Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** A data file whose hash was checked is the same one with another mode. */
async function changeKeepingNote(storeRoot: string, path: string, access: FileAccess): Promise<void> {
  const wasChecked = await withFile(storeRoot, path, file => isAsChecked(storeRoot, path, file))
  changeAccess(path, access)
  if (wasChecked) await withFile(storeRoot, path, file => noteChecked(storeRoot, path, file))
}

async function withFile<T>(
  storeRoot: string,
  path: string,
  use: (file: Awaited<ReturnType<typeof openStoreFile>>) => Promise<T>
): Promise<T> {
  const file = await openStoreFile(storeRoot, path)
  try {
    return await use(file)
  } finally {
    await file.close()
  }
}

/** @throws StrataError STORE_ACCESS */
function assertChangeable(path: string, wanted: FileAccess): void {
  const found = accessOfPath(path)
  const { status, access } = found
  const me = process.geteuid!()
  if (isSameAccess(access, wanted) || me === 0 || status.uid === me) return
  throw notOurs(path, found, wanted)
}

const notOurs = (path: string, { access, status }: FoundAccess, wanted: FileAccess): StrataError =>
  new StrataError('STORE_ACCESS', {
    message: `the same content is in the store already, for ${showAccess(access)}, and ${showUser(status.uid)}, who owns it, or root alone can make it readable by ${showAccess(wanted)}`,
    facts: { file: path, owner: showUser(status.uid), is: showAccess(access), wanted: showAccess(wanted) },
    hint: `let ${showUser(status.uid)} or root publish it, or publish it with the access that it has`
  })
