import type { CID } from 'multiformats/cid'
import type { Bound } from '../access/index.ts'
import type { ImportSettings, ModuleKind, Origin } from '../module/index.ts'
import type { Limits, PathBytes } from '../values/index.ts'
import type { ImportedLayer, LayerSource } from './import-layer.ts'

/**
 * An opened source of `compose import`: its layers, and its description of the module. Each kind of source (tarball,
 * directory, OCI layout, image, package) has a file that makes one of these; the importer knows no kinds.
 */
export interface ModuleSource {
  /**
   * The source's own description of the module. Spec file and flags go before it, and of several sources the later one
   * wins. `prefix`, `strip` and `owner` apply only to its own layers. All values are valid in a record; values that are
   * not become notes.
   */
  described?: Partial<ImportSettings>
  /** Layers of other modules that become the module's, below its own. */
  below?: StoredLayer[]
  /** For a package file: its dependencies and the names it provides, as far as its kind is asked for them. */
  packages?: { name: string; provides: string[]; needs: string[][] }[]
  /** Access of published content in it: the module must not be wider, unless the publisher consents. */
  bounds?: Bound[]
  /**
   * Bottom to top, one after another: a layer's bytes are read to their end before the next layer is asked for.
   * @throws StrataError from the iterator if the source is faulty; nothing is published then
   */
  layers: Iterable<LayerInput> | AsyncIterable<LayerInput>
  /**
   * Settings that are known only when all of the module's layers are in the store, such as the paths of other modules
   * that they replace.
   * @param layers of the module, bottom to top
   * @throws StrataError; nothing is published then
   */
  complete?(layers: CID[]): Promise<Partial<ImportSettings>>
  /** Paths of the source that are in no layer; complete when all layers have been read. */
  skipped?: SkippedPath[]
  /** One line each, for people: things that were found but not imported, such as maintainer scripts. */
  notes?: string[]
  /** Called once, whether the import succeeded or not. */
  close?(): Promise<void> | void
}

/** A layer that is already in a store and becomes one of the module's. */
export interface StoredLayer {
  stored: CID
  origin: Origin[]
}

export interface LayerInput extends LayerSource {
  /** True for changes that a user made in a sandbox. */
  captured?: boolean
  /**
   * The origin of the layer; called when it is in the store. Equal origins of neighbouring layers of one source are
   * recorded once.
   * @throws StrataError if the layer is not the announced one; nothing is published then
   */
  origin(layer: ImportedLayer): Origin
  /**
   * The reason behind a failure to read this layer, if the source has a better one, such as a blob whose digest is not
   * its name. `undefined`: the failure itself says it best.
   */
  explain?(failure: unknown): Promise<unknown>
}

export interface SkippedPath {
  path: PathBytes
  reason: string
}

export interface ImportProgress {
  source: string
  /** Bytes of the source as it is given (compressed), so far. */
  bytesRead: number
  /** Their number at the end; undefined for standard input and directories. */
  bytesTotal?: number
}

/** Options for opening any kind of source; each kind uses those that concern it. */
export interface SourceOptions {
  limits: Limits
  /** Kind of the module: a source may describe a base differently. */
  kind: ModuleKind
  onProgress?: (progress: ImportProgress) => void
}
