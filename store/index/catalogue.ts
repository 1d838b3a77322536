/**
 * Look-ups over all stores that are searched (spec/index.md). The answers are those of refs/, records and layers; the
 * index only makes them quick. So no answer depends on whether an index exists, who may read or write it, or who else
 * uses it.
 */

import type { Store } from '../files/index.ts'
import type { Digest, PathBytes, StrataError } from '../values/index.ts'
import type { ModuleWithLayers, Provided } from './layer-search.ts'
import type { ModuleSummary } from './module-summary.ts'
import type { ModuleList } from './modules-file.ts'

export interface Catalogue {
  /**
   * Every published module: store by store in the order of search, each by category, name and version in byte order. A
   * name may be in several stores; the first one counts (findModule). Lists are read once.
   * @throws StrataError IO if refs/ of a store cannot be read
   */
  modules(): Promise<Listing>
  /**
   * Modules whose tree has a path: the path itself or, if it does not begin with `/`, one that ends in it after a `/`.
   * Paths that an upper layer of the same module hides do not count.
   * @throws StrataError USAGE if the path is empty or has empty components, `.` or `..`
   */
  provides(path: PathBytes): Promise<Provided>
  /** Modules that need a blob as their record, the manifest of a layer, a tarball or a sidecar. */
  usersOfBlob(digest: Digest): Promise<ModuleSummary[]>
}

export interface Listing {
  modules: ModuleSummary[]
  /** One for each entry of refs/ that cannot be read, or whose record cannot. */
  faults: StrataError[]
}

export function openCatalogue(store: Store): Catalogue {
  let lists: Promise<{ store: Store; list: ModuleList }[]> | undefined
  const read = () => {
    lists ??= readLists(store)
    return lists
  }
  // Imported here, because the code that searches layers takes longer to load than a list of modules to read.
  const search = async () => {
    const { LayerSearch } = await import('./layer-search.ts')
    return new LayerSearch(store, modulesWithLayers(await read()))
  }
  return {
    modules: async () => listingOf(await read()),
    provides: async path => (await search()).provides(path),
    usersOfBlob: async digest => (await search()).usersOfBlob(digest)
  }
}

async function readLists(store: Store): Promise<{ store: Store; list: ModuleList }[]> {
  // Imported here, because few commands ask for lists.
  const { listIndexed } = await import('./module-list.ts')
  const lists: { store: Store; list: ModuleList }[] = []
  for (const root of store.searched) {
    // Only the store's own root is listed, but its records may be in any store.
    const here: Store = { ...root, searched: [root, ...store.searched.filter(other => other !== root)] }
    lists.push({ store: here, list: await listIndexed(here) })
  }
  return lists
}

const listingOf = (lists: { store: Store; list: ModuleList }[]): Listing => ({
  modules: lists.flatMap(({ store, list }) => summaries(store, list)),
  faults: lists.flatMap(({ list }) => list.faults)
})

const modulesWithLayers = (lists: { store: Store; list: ModuleList }[]): ModuleWithLayers[] =>
  lists.flatMap(({ store, list }) =>
    summaries(store, list).map(module => ({
      module,
      layers: list.modules.layers().get(module.record)
    }))
  )

/** All summaries have one shape and are made without spreading, because there may be ten thousand. */
function summaries({ root, profile }: Store, { modules }: ModuleList): ModuleSummary[] {
  const store = { root, profile }
  const list: ModuleSummary[] = []
  for (const { category, names } of modules.categories)
    for (const { name, modules } of names)
      for (const { version, record, kind, summary, family, hidden, deprecated, labels } of modules)
        list.push({
          name: { category, name, version },
          record,
          store,
          kind,
          summary,
          family,
          hidden: hidden === true,
          deprecated,
          labels: labels ?? {}
        })
  return list
}
