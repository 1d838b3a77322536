/**
 * What a store can do, on one page: everything that compose/ and cli/ ask of the files of a store goes through here.
 *
 * A repository is one store that is written, and further ones that are only read: what is looked for is looked for in all
 * of them, in their order, and what is made is made in the first.
 *
 * Promises that hold for every method:
 * - Readers need no permission to write, no lock and no daemon.
 * - What a method publishes is whole or absent, also after a kill or a loss of power. Publishing the same again is fine.
 * - Several processes may read, publish and collect at the same time.
 * - Blobs are compared with their names whenever they are read; objects as spec/store-layout.md#trust says.
 * - A file that is there for groups which the user is not in is ACCESS_DENIED; nothing of it is told.
 * - Errors are StrataErrors with the codes of spec/errors.md, or errors of the system that name the file.
 */
import type { CID } from 'multiformats/cid'
import type { LayerAccess } from '../access/index.ts'
import type { FoundBlob, LayerObject, ObjectFiles } from '../contents/index.ts'
import type { OpenFile } from '../disk/index.ts'
import type { ExportedFile } from '../export/index.ts'
import type { FileAccess, LayerCacheKey, Store } from '../files/index.ts'
import type { FsckOptions, FsckReport } from '../fsck/index.ts'
import type { GcOptions, GcReport, Pin } from '../gc/index.ts'
import type {
  ImportedLayer,
  ImportModuleOptions,
  ImportModuleReport,
  ImportOptions,
  LayerSource,
  Predecessor,
  Unpublished
} from '../import/index.ts'
import type { Catalogue } from '../index/index.ts'
import type { CachedLayer, CachedNote } from '../layer-cache/index.ts'
import type { DescribedModule, FindOptions, FoundModule } from '../lookup/index.ts'
import type {
  LayerManifest,
  ModuleName,
  ModuleRecord,
  ModuleRequest,
  PublishedVersion,
  RangedRequest,
  RecordField
} from '../module/index.ts'
import type { Digest, Profile, StrataError } from '../values/index.ts'

/** A name without its version, or with what is asked of it. */
type Named = Pick<ModuleRequest, 'category' | 'name'>

export interface Repository extends Finding, Reading, Publishing, Care {}

/** Which modules there are. Nothing is remembered: each answer is that of the files at that moment. */
export interface Finding extends Store {
  /** The first store without the others. */
  alone(): Repository
  /** Lists and searches over all stores (spec/index.md). Lists are read once for each catalogue. */
  catalogue(): Catalogue
  /**
   * The module that a request stands for, as Lmod finds it (spec/resolve.md#names).
   * @throws StrataError MODULE_UNKNOWN, with modules of like names
   */
  findModule(request: ModuleRequest, options?: FindOptions): Promise<FoundModule>
  /** A name that is whole, in the first store that has it. */
  findExact(name: ModuleName): FoundModule | undefined
  /** The record that a user means, by a name or by its id. @throws StrataError MODULE_UNKNOWN, BLOB_MISSING */
  findRecord(text: string): Promise<FoundModule>
  /** What a request stands for, should its name be an alias. */
  meant(request: RangedRequest): RangedRequest
  /** From a word as users of Lmod type it. @throws StrataError MODULE_NAME, MODULE_UNKNOWN, MODULE_CHOICE */
  typedName(word: string, options?: FindOptions): Promise<ModuleRequest>
  /** The same with a range behind it. @throws StrataError USAGE for a range that is none; as typedName */
  typedRequest(word: string, options?: FindOptions): Promise<RangedRequest>
  /** Versions of one name in all stores, highest first. */
  publishedVersions(named: Named): PublishedVersion[]
  /** The error for a module that is not there, with names that are near. */
  unknownModule(request: ModuleRequest): StrataError
  /** A module's record, and what its layers hold and take. */
  describeModule(record: CID): Promise<DescribedModule>
  findAlias(named: Named): ModuleRequest | undefined
}

/** What modules are made of. @throws StrataError BLOB_MISSING, BLOB_CORRUPT, MANIFEST_INVALID, ACCESS_DENIED */
export interface Reading {
  readRecord(id: CID): Promise<ModuleRecord>
  /** Some fields of a record, without a look at the others. */
  readRecordPart<K extends RecordField>(id: CID, names: readonly K[]): Promise<Pick<ModuleRecord, K>>
  readLayer(id: CID): Promise<LayerManifest>
  /** Where a blob is; undefined where no store has it. */
  findBlob(digest: Digest): FoundBlob | undefined
  /** In pieces; a piece is valid until the next is asked for. BLOB_CORRUPT comes at the latest after the last piece. */
  readBlob(digest: Digest): AsyncGenerator<Uint8Array>
  /** For manifests. @throws StrataError LIMIT_EXCEEDED for one of more than 1 GiB */
  readWholeBlob(digest: Digest): Promise<Buffer>
  /**
   * The object of a layer, compiled first when no store has one that can be believed. Callers read and close it.
   * @throws StrataError OBJECT_CORRUPT; STORE_READONLY where it has to be compiled and cannot
   */
  openObjectFiles(layer: CID, profile: Profile): Promise<ObjectFiles>
  /** Whether an object is what its layer compiles to, all of it read. @throws StrataError OBJECT_CORRUPT */
  verifyObject(object: LayerObject): Promise<void>
  /** Who may read a layer, as its files are in the stores. What no store has keeps nobody out. */
  accessOfLayer(layer: Pick<LayerManifest, 'tar' | 'sidecar'>): Promise<LayerAccess>
  accessAsStored(digests: { tar: Digest; sidecar?: Digest }): Promise<LayerAccess>
  /** Who may read all of them. */
  accessOfLayers(layers: readonly CID[]): Promise<FileAccess>
}

/** Into the first store. @throws StrataError STORE_READONLY, STORE_MISSING, STORE_ACCESS; ENOSPC and the like */
export interface Publishing {
  /** Whether the first store has been made: with COMPOSE_PATH alone it need not be. */
  isMade(): boolean
  /** @throws StrataError STORE_MISSING */
  assertMade(): void
  /** Before any work is done in vain. @param what for the message: what has to be written */
  assertWritable(what?: string): Promise<void>
  /** Sources into layers, a record that names them, and the name. Until the name is there nobody sees anything. */
  importModule(options: ImportModuleOptions): Promise<ImportModuleReport>
  /** One layer without a record. */
  importLayer(source: LayerSource, options: ImportOptions): Promise<ImportedLayer>
  /** What a name stands for before it is replaced. */
  readPredecessor(name: ModuleName, replace: boolean): Promise<Predecessor | undefined>
  /** The name goes; what it stood for stays until `collectGarbage`. @throws StrataError MODULE_UNKNOWN */
  unpublish(name: ModuleName, reason?: string): Promise<Unpublished>
  writeAlias(alias: ModuleRequest, target: ModuleRequest): Promise<void>
  /** @returns whether it was there */
  removeAlias(named: Named): Promise<boolean>
  writeDefault(name: ModuleName): Promise<void>
  /** @returns whether it was there */
  removeDefault(named: Named): Promise<boolean>
  /** @returns whether it is new; @throws StrataError BLOB_MISSING when something that it names is gone */
  addPin(pin: Pin): Promise<boolean>
  removePin(name: string): Promise<void>
  listPins(): Promise<string[]>
  readPin(name: string): Promise<Pin>
}

/** What keeps a store in order, and what lies outside of it. */
export interface Care {
  /** Tarballs byte for byte as they came in, with listings of what tar loses. @throws StrataError NOT_REDISTRIBUTABLE */
  exportModule(record: CID, folder: string, options?: { internal?: boolean }): Promise<ExportedFile[]>
  /** Everything is read and checked. What is found is in the report, and no error. */
  fsck(options?: FsckOptions): Promise<FsckReport>
  /** What nothing needs goes, beside readers and publishers at work. */
  collectGarbage(options: GcOptions): Promise<GcReport>
  /** A layer as it stands in OCI layouts, if it is kept. Callers close it. */
  findCachedLayer(key: LayerCacheKey, options: { verify: boolean }): Promise<CachedLayer | undefined>
  /** @returns why it was not kept, if it was not */
  cacheLayer(key: LayerCacheKey, note: CachedNote, blob: OpenFile): Promise<string | undefined>
}
