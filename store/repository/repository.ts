/**
 * All abilities of a store on one page: compose/ and cli/ reach the files of a store only through this interface.
 *
 * A repository is one store for writing, and further ones that are only read. Searches go through all of them in order;
 * new files go into the first.
 *
 * Promises that hold for every method:
 * - Readers need no permission to write, no lock and no daemon.
 * - Published files are whole or absent, also after a kill or a loss of power. Publishing the same again is fine.
 * - Several processes may read, publish and collect at the same time.
 * - Blobs are compared with their names whenever they are read; for objects, see spec/store-layout.md#trust.
 * - A file for groups that the user is not in is ACCESS_DENIED, and nothing in it is shown.
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
import type { Belief } from '../object/index.ts'
import type { Judged, NamedRecord, Part, Purpose, Trust } from '../policy/index.ts'
import type { ImageReference, RegistrySettings } from '../registry/index.ts'
import type {
  ArchiveName,
  ArchiveWriter,
  LayoutSource,
  OfferedRecord,
  Pulled,
  PulledModule,
  PullOptions,
  PullStackOptions,
  PushedModule,
  PushedStack,
  PushModuleOptions,
  Remote,
  RemotePrefix,
  SentStack,
  UpdatedCatalogue,
  WantedRecord
} from '../remote/index.ts'
import type { AddedSignature, CheckedSignature } from '../signatures/index.ts'
import type { MeasuredSpace } from '../usage/index.ts'
import type { Digest, Profile, StrataError } from '../values/index.ts'

/** A name without its version, or with a version or range. */
type Named = Pick<ModuleRequest, 'category' | 'name'>

export interface Repository extends Finding, Reading, Publishing, Exchanging, Care {}

/** Finds modules. Nothing is cached: each answer is that of the files at that moment. */
export interface Finding extends Store {
  /** The first store without the others. */
  alone(): Repository
  /** Lists and searches over all stores (spec/index.md). Lists are read once for each catalogue. */
  catalogue(): Catalogue
  /**
   * The module that a request stands for, as Lmod finds it (spec/resolve.md#names).
   * @throws StrataError MODULE_UNKNOWN, with modules of similar names
   */
  findModule(request: ModuleRequest, options?: FindOptions): Promise<FoundModule>
  /** The module of a full name, in the first store that has it. */
  findExact(name: ModuleName): FoundModule | undefined
  /** The record of a name or an id. @throws StrataError MODULE_UNKNOWN, BLOB_MISSING */
  findRecord(text: string): Promise<FoundModule>
  /** Replaces an alias by its module; other requests are returned unchanged. */
  resolveAlias(request: RangedRequest): RangedRequest
  /** Parses a word as users of Lmod type it. @throws StrataError MODULE_NAME, MODULE_UNKNOWN, MODULE_CHOICE */
  parseTypedName(word: string, options?: FindOptions): Promise<ModuleRequest>
  /** Like `parseTypedName`, with a range behind it. @throws StrataError USAGE for an invalid range; as parseTypedName */
  parseTypedRequest(word: string, options?: FindOptions): Promise<RangedRequest>
  /** Versions of one name in all stores, highest first. */
  publishedVersions(named: Named): PublishedVersion[]
  /** The error for an unknown module, with similar names. */
  unknownModule(request: ModuleRequest): Promise<StrataError>
  /** A module's record, with the content and size of its layers. */
  describeModule(record: CID): Promise<DescribedModule>
  findAlias(named: Named): ModuleRequest | undefined
  /** The space that the modules of the first store take there, and share. */
  measureSpace(): Promise<MeasuredSpace>
}

/** Reads the parts of modules. @throws StrataError BLOB_MISSING, BLOB_CORRUPT, MANIFEST_INVALID, ACCESS_DENIED */
export interface Reading {
  readRecord(id: CID): Promise<ModuleRecord>
  /** Some fields of a record; the others are not checked. */
  readRecordPart<K extends RecordField>(id: CID, names: readonly K[]): Promise<Pick<ModuleRecord, K>>
  readLayer(id: CID): Promise<LayerManifest>
  /**
   * All signatures of a record in the stores that are searched, right or wrong.
   * @param bytes of the record, if they are known
   */
  signaturesOf(record: CID, bytes?: Uint8Array): Promise<CheckedSignature[]>
  /** The policies of the host, of these stores, and of the user. @throws StrataError POLICY_INVALID */
  trust(): Promise<Trust>
  /** What each policy says about each part, whatever it is used for. @throws StrataError POLICY_INVALID */
  judge(parts: Part[]): Promise<Judged[]>
  /**
   * Refuses parts that a policy does not let be used in this way.
   * @throws StrataError SIGNATURE_MISSING, SIGNATURE_INVALID, SIGNER_NOT_ALLOWED, KEY_REVOKED, KEY_EXPIRED,
   * RECORD_WITHDRAWN, POLICY_INVALID
   */
  assertTrusted(purposes: readonly Purpose[], parts: Part[]): Promise<boolean>
  /** For what leads to a use of these records. @throws StrataError RECORD_WITHDRAWN, POLICY_INVALID */
  refuseWithdrawn(records: readonly NamedRecord[]): Promise<void>
  /** Place of a blob; undefined if no store has it. */
  findBlob(digest: Digest): FoundBlob | undefined
  /**
   * Yields pieces; a piece is valid until the next is asked for. BLOB_CORRUPT comes at the latest after the last piece.
   * @param belief `none` also compares each part of a tarball with its name
   */
  readBlob(digest: Digest, belief?: Belief): AsyncGenerator<Uint8Array>
  /** Reads a whole blob, for manifests. @throws StrataError LIMIT_EXCEEDED for one of more than 1 GiB */
  readWholeBlob(digest: Digest): Promise<Buffer>
  /**
   * The object of a layer, compiled first if no store has one that can be believed. Callers read and close it.
   * @throws StrataError OBJECT_CORRUPT; STORE_READONLY if it has to be compiled and cannot
   */
  openObjectFiles(layer: CID, profile: Profile): Promise<ObjectFiles>
  /** Reads all of an object, and compares it with what its layer compiles to. @throws StrataError OBJECT_CORRUPT */
  verifyObject(object: LayerObject): Promise<void>
  /** Access to a layer by its files in the stores. Files that no store has restrict nobody. */
  accessOfLayer(layer: Pick<LayerManifest, 'tar' | 'sidecar'>): Promise<LayerAccess>
  storedAccess(digests: { tar: Digest; sidecar?: Digest }): Promise<LayerAccess>
  /** Access for those who may read all of these layers. */
  accessOfLayers(layers: readonly CID[]): Promise<FileAccess>
}

/** Publishes into the first store. @throws StrataError STORE_READONLY, STORE_MISSING, STORE_ACCESS; ENOSPC and the like */
export interface Publishing {
  /** True if the first store has been made; users may have only those of COMPOSE_PATH. */
  isMade(): boolean
  /** @throws StrataError STORE_MISSING */
  assertMade(): void
  /** Checks before any work is done in vain. @param what for the message: the thing to be written */
  assertWritable(what?: string): Promise<void>
  /** Imports sources as layers, then a record, then the name. Without the name, nobody sees anything of them. */
  importModule(options: ImportModuleOptions): Promise<ImportModuleReport>
  /** Imports one layer without a record. */
  importLayer(source: LayerSource, options: ImportOptions): Promise<ImportedLayer>
  /** The current or last record of a name, before it is replaced. */
  readPredecessor(name: ModuleName, replace: boolean): Promise<Predecessor | undefined>
  /**
   * Adds a signature of a record that any store has. Adding it twice is fine, and no other one is replaced.
   * @throws StrataError SIGNATURE_INVALID
   */
  addSignature(record: CID, signature: Uint8Array): Promise<AddedSignature>
  /** Removes a name; its record stays until `collectGarbage`. @throws StrataError MODULE_UNKNOWN */
  unpublish(name: ModuleName, reason?: string): Promise<Unpublished>
  writeAlias(alias: ModuleRequest, target: ModuleRequest): Promise<void>
  /** @returns true if it was there */
  removeAlias(named: Named): Promise<boolean>
  writeDefault(name: ModuleName): Promise<void>
  /** @returns true if it was there */
  removeDefault(named: Named): Promise<boolean>
  /** @returns true if it is new; @throws StrataError BLOB_MISSING if a file that it needs is gone */
  addPin(pin: Pin): Promise<boolean>
  removePin(name: string): Promise<void>
  listPins(): Promise<string[]>
  readPin(name: string): Promise<Pin>
}

/** Exchanges modules with registries (spec/registry.md#modules). */
export interface Exchanging {
  /**
   * Sends a module that any store has. Doing so twice is fine, and sends nothing the second time.
   * @throws StrataError NOT_REDISTRIBUTABLE, ACCESS_WIDER, TAG_EXISTS, REGISTRY_…
   */
  pushModule(record: CID, prefix: RemotePrefix, options: PushModuleOptions): Promise<PushedModule>
  /**
   * Fetches a module into the first store, as it is. After a kill, what came is used by the next call.
   * @throws StrataError REGISTRY_…, MODULE_EXISTS, ACCESS_GROUP, ACCESS_WIDER, those of policies
   */
  pullModule(reference: ImageReference, options: PullOptions): Promise<PulledModule>
  /** Sends a lock with all that it names. @throws StrataError as pushModule */
  pushStack(
    sent: SentStack,
    place: ImageReference & { tag: string },
    options: PushModuleOptions
  ): Promise<PushedStack>
  /** Fetches a module, or a lock with its modules, whichever a reference leads to. @throws StrataError as pullModule */
  pull(reference: ImageReference, options: PullStackOptions): Promise<Pulled>
  /**
   * An archive in the place of a registry, which has a name when it is finished.
   * @throws StrataError OUTPUT_EXISTS, IO
   */
  createArchive(name: ArchiveName, options: { replace: boolean }): Promise<ArchiveWriter>
  /** Fetches what lies in an archive or a layout. @throws StrataError as pull */
  pullArchive(
    files: LayoutSource,
    from: { host: string; name?: string },
    options: PullStackOptions
  ): Promise<Pulled>
  /** Registries whose modules count as those of this site. @throws StrataError SETTINGS_INVALID */
  remotes(): Promise<Remote[]>
  /** What the remotes offer. They are asked if it is long ago, and the repository was opened for that. @throws StrataError SETTINGS_INVALID, USAGE */
  offers(): Promise<OfferedRecord[]>
  /** Asks a remote what it offers. @throws StrataError REGISTRY_… */
  updateCatalogue(remote: Remote, settings: RegistrySettings): Promise<UpdatedCatalogue>
  /** Fetches a record from the first remote that has it. @throws StrataError MODULE_UNKNOWN; as pullModule */
  pullRecord(wanted: WantedRecord, options: PullOptions): Promise<PulledModule>
  /** Fetches what a name stands for in the first remote that has it. @throws as pullRecord */
  pullByName(request: ModuleRequest, options: PullOptions): Promise<PulledModule>
}

/** Keeps a store in order, and manages data outside of its modules. */
export interface Care {
  /**
   * Exports tarballs byte for byte as imported, with listings of metadata that tar loses. @throws StrataError
   * NOT_REDISTRIBUTABLE
   */
  exportModule(record: CID, folder: string, options?: { internal?: boolean }): Promise<ExportedFile[]>
  /** Reads and checks everything. Faults are in the report and are not thrown. */
  fsck(options?: FsckOptions): Promise<FsckReport>
  /** Removes files that nothing needs, beside active readers and publishers. */
  collectGarbage(options: GcOptions): Promise<GcReport>
  /** A layer in the form of OCI layouts, if it is cached. Callers close it. */
  findCachedLayer(key: LayerCacheKey, options: { verify: boolean }): Promise<CachedLayer | undefined>
  /** @returns the reason if it was not kept */
  cacheLayer(key: LayerCacheKey, note: CachedNote, blob: OpenFile): Promise<string | undefined>
}
