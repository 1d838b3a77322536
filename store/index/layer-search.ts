/**
 * One search in the content of layers. LevelDB names the layers that may match among those it covers; layers that it
 * does not cover may match as well. The tree index of each of these decides.
 */
import { debuglog } from 'node:util'
import type { Store } from '../files/index.ts'
import { treePathFault } from '../module/index.ts'
import type { LayerIndex } from '../object/index.ts'
import { type Digest, type PathBytes, StrataError, sha256Of, showPath, trimEnds } from '../values/index.ts'
import type { LayerFacts } from './facts-keys.ts'
import { type FactsView, openFactsViews } from './facts-view.ts'
import { LayerTrees } from './layer-trees.ts'
import type { ModuleSummary } from './module-summary.ts'
import { digestOfId, readIndexedRecord, readLayerFast } from './read-manifest.ts'
import {
  baseName,
  type FoundPath,
  findPaths,
  hidesPath,
  type PathKind,
  type WantedPath
} from './tree-search.ts'

const debug = debuglog('strata')

/** A module, and the ids of its layers if the index knows them. */
export interface ModuleWithLayers {
  module: ModuleSummary
  layers: string[] | undefined
}

export interface Provided {
  providers: Provider[]
  /** Ids of layers without a tree index in any store: their paths are unknown. */
  unsearched: string[]
}

export interface Provider {
  module: ModuleSummary
  /** Path in the tree of the module. */
  path: PathBytes
  kind: PathKind
}

interface SearchedModule {
  module: ModuleSummary
  /** Bottom to top. */
  layers: Digest[]
}

export class LayerSearch {
  readonly #store: Store
  readonly #listed: ModuleWithLayers[]
  readonly #trees: LayerTrees
  /** Id of each layer, as text. */
  readonly #ids = new Map<Digest, string>()
  readonly #missing = new Set<Digest>()

  constructor(store: Store, listed: ModuleWithLayers[]) {
    this.#store = store
    this.#listed = listed
    this.#trees = new LayerTrees(store)
  }

  /** @throws StrataError USAGE */
  async provides(asked: PathBytes): Promise<Provided> {
    const wanted = wantedPath(asked)
    const modules = await this.#modules()
    const found = new Map<Digest, FoundPath[]>()
    const candidates = await this.#candidates(modules, view => view.layersNaming(baseName(wanted.path)))
    for (const layer of candidates) {
      const tree = await this.#tree(layer)
      const paths = tree === undefined ? [] : findPaths(tree, wanted)
      if (paths.length > 0) found.set(layer, paths)
    }
    const providers: Provider[] = []
    for (const { module, layers } of modules)
      for (const path of await this.#visiblePaths(layers, found)) providers.push({ module, ...path })
    return { providers, unsearched: this.#unsearchedIds() }
  }

  async usersOfBlob(digest: Digest): Promise<ModuleSummary[]> {
    const modules = await this.#modules()
    const facts = new Map<Digest, Partial<LayerFacts>>()
    await this.#withViews(async view => {
      for (const [layer, found] of view.layers) facts.set(layer, found)
    })
    const users: ModuleSummary[] = []
    for (const { module, layers } of modules)
      if (await this.#needs(module, layers, digest, facts)) users.push(module)
    return users
  }

  async #needs(
    { record }: ModuleSummary,
    layers: Digest[],
    digest: Digest,
    facts: Map<Digest, Partial<LayerFacts>>
  ): Promise<boolean> {
    if (digestOfId(record) === digest || layers.includes(digest)) return true
    for (const layer of layers) {
      if (!facts.has(layer)) facts.set(layer, await this.#readFacts(layer))
      const { tar, sidecar } = facts.get(layer)!
      if (tar === digest || sidecar === digest) return true
    }
    return false
  }

  /** Facts of a layer; empty if its manifest is lost or damaged, which only fsck reports. */
  async #readFacts(layer: Digest): Promise<Partial<LayerFacts>> {
    const manifest = await readLayerFast(this.#store, this.#ids.get(layer)!).catch(error => {
      if (error instanceof StrataError) return undefined
      throw error
    })
    if (manifest === undefined) return {}
    const { tar, sidecar } = manifest
    return { tar: sha256Of(tar), ...(sidecar && { sidecar: sha256Of(sidecar) }) }
  }

  /** Paths of a module's layers that no upper layer of it hides, each once. */
  async #visiblePaths(layers: Digest[], found: Map<Digest, FoundPath[]>): Promise<FoundPath[]> {
    const shown: FoundPath[] = []
    for (const [i, layer] of layers.entries())
      for (const path of found.get(layer) ?? [])
        if (!(await this.#isHidden(layers.slice(i + 1), path))) shown.push(path)
    return shown
  }

  async #isHidden(upper: Digest[], { path }: FoundPath): Promise<boolean> {
    for (const layer of upper) {
      const tree = await this.#tree(layer)
      if (tree !== undefined && hidesPath(tree, path)) return true
    }
    return false
  }

  async #modules(): Promise<SearchedModule[]> {
    const modules: SearchedModule[] = []
    for (const { module, layers } of this.#listed) {
      const ids = layers ?? (await readIndexedRecord(this.#store, module.record)).layers
      const digests = ids.map(digestOfId)
      for (const [i, digest] of digests.entries()) this.#ids.set(digest, ids[i])
      modules.push({ module, layers: digests })
    }
    return modules
  }

  /** Layers of these modules that may match: those that no database covers, and those that a database names. */
  async #candidates(
    modules: SearchedModule[],
    ask: (view: FactsView) => Promise<Digest[]>
  ): Promise<Digest[]> {
    const covered = new Set<Digest>()
    const named = new Set<Digest>()
    await this.#withViews(async view => {
      for (const layer of await ask(view)) named.add(layer)
      for (const layer of view.layers.keys()) covered.add(layer) // only now, because the query may fail
    })
    const all = new Set(modules.flatMap(({ layers }) => layers))
    return [...all].filter(layer => named.has(layer) || !covered.has(layer))
  }

  /** Calls `use` with the databases of all stores. One that fails covers nothing. */
  async #withViews(use: (view: FactsView) => Promise<void>): Promise<void> {
    for (const { root } of this.#store.searched)
      for (const view of await openFactsViews(root))
        try {
          await use(view)
        } catch (error) {
          debug('index of %s cannot be used: %o', root, error)
        } finally {
          await view.close()
        }
  }

  async #tree(layer: Digest): Promise<LayerIndex | undefined> {
    const tree = await this.#trees.read(layer)
    if (tree === undefined) this.#missing.add(layer)
    return tree
  }

  #unsearchedIds(): string[] {
    return [...this.#missing].map(layer => this.#idOf(layer)).sort()
  }

  #idOf(layer: Digest): string {
    return this.#ids.get(layer)!
  }
}

/** @throws StrataError USAGE */
function wantedPath(asked: PathBytes): WantedPath {
  const path = trimEnds(asked, '/')
  const fault = path === '' ? 'is empty' : treePathFault(path)
  if (fault === undefined) return { path, orEndsSo: !asked.startsWith('/') }
  throw new StrataError('USAGE', {
    message: `path "${showPath(asked)}" ${fault}`,
    hint: 'compose provides bin/mpirun'
  })
}
