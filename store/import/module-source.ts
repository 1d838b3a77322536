import type { CID } from 'multiformats/cid'
import type { Bound } from '../access/index.ts'
import type { ImportSettings, ModuleKind, Origin } from '../module/index.ts'
import type { Limits, PathBytes } from '../values/index.ts'
import type { ImportedLayer, LayerSource } from './import-layer.ts'

/**
 * Something that `compose import` can be pointed at, opened: what it says of the module, and its layers. Each kind of
 * source (tarball, directory, OCI layout, image, package) has a file that makes one of these; the importer knows no
 * kinds.
 */
export interface ModuleSource {
  /**
   * What the source itself says of the module: spec file and flags win over it, and among several sources the later
   * one. `prefix`, `strip` and `owner` are about its own layers alone. Only values that a record can have: what is
   * there and cannot be taken over is one of the notes.
   */
  described?: Partial<ImportSettings>
  /** Layers of other modules that become the module's, below its own. */
  below?: StoredLayer[]
  /** Of a package file: what it needs and gives by name, as far as its kind is asked for that. */
  packages?: { name: string; provides: string[]; needs: string[][] }[]
  /** For whom what is in it was published, where it was: the module is for nobody else, unless the publisher says so. */
  bounds?: Bound[]
  /**
   * Bottom to top, taken one after another: a layer's bytes are read to their end before the next is asked for.
   * @throws StrataError from the iterator when the source is not as it should be; nothing is published then
   */
  layers: Iterable<LayerInput> | AsyncIterable<LayerInput>
  /**
   * What can be said of the module only when all of its layers are in the store, such as what they replace of others.
   * @param layers of the module, bottom to top
   * @throws StrataError; nothing is published then
   */
  complete?(layers: CID[]): Promise<Partial<ImportSettings>>
  /** What was in the source and is in no layer; complete when all layers have been read. */
  skipped?: SkippedPath[]
  /** One line each, for people: what was found and not taken over, such as maintainer scripts. */
  notes?: string[]
  /** Called once, whether the import went well or not. */
  close?(): Promise<void> | void
}

/** A layer that is in a store, and becomes one of the module's. */
export interface StoredLayer {
  stored: CID
  origin: Origin[]
}

export interface LayerInput extends LayerSource {
  /** What a user changed in a sandbox. */
  captured?: boolean
  /**
   * What the layer was made from; called when it is in the store. Equal origins of neighbouring layers of one source
   * are recorded once.
   * @throws StrataError when the layer turned out to be another than was announced; nothing is published then
   */
  origin(layer: ImportedLayer): Origin
  /**
   * The reason behind a failure of reading this layer, where a look at the source finds one that says more, such as a
   * blob with another digest than its name. `undefined`: the failure itself says it best.
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

/** What every kind of source may be told when it is opened; each takes what concerns it. */
export interface SourceOptions {
  limits: Limits
  /** What the module will be: a source may describe a base in another way than what lies upon one. */
  kind: ModuleKind
  onProgress?: (progress: ImportProgress) => void
}
