/** Finds the modules that contain a path, for users who look for `bin/mpirun`. */

import type { Provider } from '../../store/index/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { type PathBytes, StrataError, showPath } from '../../store/values/index.ts'
import { nameOf, type OfferOptions } from './offered-modules.ts'

export interface MarkedProvider extends Provider {
  /** True if the stack has this very module, not one of the same name in another store. */
  isLoaded: boolean
}

export interface Providers {
  /** Providers by store, then by category, name and version in byte order. */
  providers: MarkedProvider[]
  /** Ids of layers without a tree index in any store: their paths are not known. */
  unsearched: string[]
  /** Modules that could not be searched at all. */
  faults: StrataError[]
}

/**
 * @param path from the root, or the end of a path
 * @throws StrataError PATH_MISSING if no module has it; USAGE for an invalid path; IO
 */
export async function whoProvides(
  store: Repository,
  path: PathBytes,
  { hidden = false, loaded = new Map() }: OfferOptions = {}
): Promise<Providers> {
  const catalogue = store.catalogue()
  const { faults } = await catalogue.modules()
  const { providers: found, unsearched } = await catalogue.provides(path)
  const isLoaded = ({ module }: Provider) =>
    loaded.get(nameOf(module)) === module.name.version &&
    store.findExact(module.name)?.store.root === module.store.root
  const marked = found.map(provider => ({ ...provider, isLoaded: isLoaded(provider) }))
  const providers = marked.filter(({ module, isLoaded }) => hidden || isLoaded || !module.hidden)
  if (providers.length > 0) return { providers, unsearched, faults }
  throw new StrataError('PATH_MISSING', {
    message: `no module provides ${showPath(path)}`,
    facts: {
      ...(marked.length > 0 && { 'in hidden modules': marked.length }),
      ...(unsearched.length > 0 && { 'layers not searched': unsearched }),
      ...(faults.length > 0 && { 'modules not searched': faults.map(({ message }) => message) })
    },
    hint:
      marked.length > 0
        ? `compose provides --hidden ${showPath(path)}`
        : `names are compared whole, as in bin/mpirun, and modules of remotes are not searched; compose keyword ${showPath(path)} looks in descriptions`
  })
}
