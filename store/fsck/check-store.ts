/**
 * Reads and checks everything in a store: each blob against its name, each object against its hashes, each module down
 * to its last layer. With `repair`, damaged and missing objects are compiled again from intact tarballs, and damaged
 * and missing blobs are copied from the other stores.
 */
import type { CID } from 'multiformats/cid'
import {
  assertData,
  findBlob,
  NOTE_ENDING,
  readBlob,
  readIndex,
  readLayer,
  readRecord
} from '../contents/index.ts'
import {
  BLOBS,
  checkGroupFolders,
  dataPath,
  indexPath,
  OBJECTS,
  openStoreFile,
  type Store,
  type StoreFolder,
  type StorePath,
  storeFolder
} from '../files/index.ts'
import { type Amount, collectGarbage, listCachedLayers, tryRemoveCached } from '../gc/index.ts'
import { compileLayer, noteProven, proveObject } from '../import/index.ts'
import { rebuildIndex } from '../index/index.ts'
import { CACHED_NOTE_ENDING } from '../layer-cache/index.ts'
import { formatModuleName, type LayerManifest, listRefs } from '../module/index.ts'
import { type FileHash, hashFile, readRecipe } from '../object/index.ts'
import { type Digest, isDenied, type Profile, StrataError, sha256Of, showPath } from '../values/index.ts'
import { checkAccess } from './check-access.ts'
import { checkCachedLayer } from './check-cache.ts'
import {
  assertPlain,
  countNames,
  digestOfBlobFile,
  digestOfIndexFile,
  filesBelow,
  strayFile,
  temporaryFiles
} from './files-on-disk.ts'
import { refetchBlob } from './refetch-blob.ts'

export interface Finding {
  /** Code of the error (spec/errors.md). */
  code: string
  message: string
  /** Relative to the store, if one file is to blame. */
  file?: string
  /** Modules that cannot be trusted because of it. */
  modules: string[]
  repaired: boolean
  /** The store that a blob was copied from, with `repair`. */
  from?: string
  /** The reason why it was not repaired, with `repair`. */
  left?: string
}

export interface FsckReport {
  store: string
  modules: number
  blobs: number
  objects: number
  /** Bytes of blobs, decoded, and of data files. */
  bytesRead: number
  /** Objects that were missing and were compiled, with `repair`. */
  compiled: number
  /** Files that interrupted commands left in tmp/; 0 if the user may not look there. */
  leftovers: number
  /** Files that no module, no history and no pin needs, for `compose gc`; undefined if a fault hides the needs. */
  unreferenced?: Amount
  /** Files for groups that the user is not in, which were not read. */
  unread: number
  /** True if `index/` was rebuilt (spec/index.md); false if the disk is full, for instance. */
  indexRebuilt: boolean | 'read-only'
  findings: Finding[]
}

export interface FsckOptions {
  /** Compile damaged objects again, copy damaged blobs from the other stores, and set the access of files. */
  repair?: boolean
  onBytes?: (bytesRead: number) => void
}

export async function fsck(store: Store, options: FsckOptions = {}): Promise<FsckReport> {
  const check = new StoreCheck(store, options)
  await check.modules() // from here on, the users of every file are known
  await check.blobs()
  await check.objects()
  await check.access()
  await check.cachedLayers() // after the access of the layers was settled
  return check.report(await rebuildIndex(store))
}

interface KnownLayer {
  id: CID
  manifest: LayerManifest
}

class StoreCheck {
  readonly #store: Store
  readonly #own: Store
  readonly #options: FsckOptions
  readonly #folder: StoreFolder
  readonly #users = new Map<Digest, Set<string>>()
  readonly #layers = new Map<Digest, KnownLayer>()
  readonly #findings: Finding[] = []
  readonly #badBlobs = new Set<Digest>()
  readonly #intactBlobs = new Set<Digest>()
  #modules = 0
  #blobs = 0
  #objects = 0
  #compiled = 0
  #bytesRead = 0
  readonly #unread = new Set<string>()
  #namesInTmp: ReadonlyMap<string, number> | undefined
  /** Data files are read once, however many indexes point into them. */
  readonly #dataFiles = new Map<StorePath, Promise<FileHash>>()

  constructor(store: Store, options: FsckOptions) {
    this.#store = store
    this.#own = { ...store, searched: [store] }
    this.#options = options
    this.#folder = storeFolder(store.root)
  }

  async report(indexRebuilt: FsckReport['indexRebuilt']): Promise<FsckReport> {
    return {
      store: this.#store.root,
      modules: this.#modules,
      blobs: this.#blobs,
      objects: this.#objects,
      bytesRead: this.#bytesRead,
      compiled: this.#compiled,
      leftovers: temporaryFiles(this.#folder).length,
      unreferenced: await countUnreferenced(this.#store),
      unread: this.#unread.size,
      indexRebuilt,
      findings: this.#findings
    }
  }

  /**
   * Checks that every ref names a record, every record its layers, every layer its blobs, in this store or another one.
   */
  async modules(): Promise<void> {
    const { refs, faults } = listRefs(this.#store.root)
    for (const fault of faults) this.#add(fault, { modules: [] })
    for (const { name, record } of refs) {
      this.#modules++
      await this.#module(formatModuleName(name), record)
    }
  }

  async #module(name: string, recordId: CID): Promise<void> {
    this.#use(sha256Of(recordId), name)
    await this.#attempt(async () => {
      for (const id of (await readRecord(this.#store, recordId)).layers) {
        this.#use(sha256Of(id), name)
        await this.#attempt(() => this.#layer(name, id), sha256Of(id))
      }
    }, sha256Of(recordId))
  }

  async #layer(name: string, id: CID): Promise<void> {
    const manifest = await readLayer(this.#store, id)
    this.#layers.set(sha256Of(id), { id, manifest })
    for (const cid of [manifest.tar, manifest.sidecar]) {
      if (cid === undefined) continue
      this.#use(sha256Of(cid), name)
      if (findBlob(this.#store, sha256Of(cid)) === undefined)
        this.#add(missingBlob(sha256Of(cid)), { digest: sha256Of(cid) })
    }
  }

  /** Checks that every file in blobs/ decodes to the bytes of its name, and that only its owner may change it. */
  async blobs(): Promise<void> {
    for (const file of filesBelow(this.#store.root, BLOBS)) {
      this.#blobs++
      const digest = digestOfBlobFile(file)
      if (digest === undefined) {
        this.#add(strayFile(this.#folder.displayPath(file), 'is not named as a blob'), { file })
        continue
      }
      await this.#attempt(
        async () => {
          this.#assertPlain(file)
          await this.#readOwn(digest)
          if (file.endsWith('.recipe')) await this.#contents(file, digest)
          this.#intactBlobs.add(digest)
        },
        digest,
        file
      )
    }
  }

  async #readOwn(digest: Digest): Promise<void> {
    for await (const piece of readBlob(this.#own, digest)) this.#count(piece.length)
  }

  /** Checks that every object matches its own hashes, and that every layer of this store's tarballs has one. */
  async objects(): Promise<void> {
    for (const file of filesBelow(this.#store.root, OBJECTS)) {
      if (file.endsWith(NOTE_ENDING)) continue
      const known = this.#layers.get(digestOfIndexFile(file) as Digest)
      this.#objects++
      const error = await this.#failureOf(() => this.#object(file, known))
      if (error === undefined || this.#wasCollected(known && sha256Of(known.id), file)) continue
      await this.#objectFailed(error, file, known)
    }
    if (this.#options.repair) await this.#compileMissing()
  }

  /** Checks that every file is open to users of its modules and nobody else, and folders to those who publish. */
  async access(): Promise<void> {
    const repair = this.#options.repair === true
    const faults = await checkAccess(this.#store, {
      repair,
      isIntact: digest => this.#intactBlobs.has(digest)
    })
    const { root, group } = this.#store
    const folders = group === undefined ? [] : checkGroupFolders(root, group, { repair })
    for (const { path, message, ...about } of [
      ...faults,
      ...folders.map(fault => ({ ...fault, modules: [] }))
    ])
      this.#add(new StrataError('STORE_ACCESS', { message }), { file: path, ...about })
  }

  /** Checks that packed layers match their notes. Faulty ones are removed, since they can be made again. */
  async cachedLayers(): Promise<void> {
    for (const path of listCachedLayers(this.#store.root)) {
      const error = await this.#failureOf(async () => {
        for (const file of [path, `${path}${CACHED_NOTE_ENDING}`]) this.#assertPlain(file)
        await checkCachedLayer(this.#store, path, bytes => this.#count(bytes))
      })
      if (error === undefined || this.#isUnread(error) || this.#wasCollected(undefined, path)) continue
      this.#add(error, {
        file: path,
        repaired: this.#options.repair === true && tryRemoveCached(this.#store.root, path)
      })
    }
  }

  async #compileMissing(): Promise<void> {
    const { profile } = this.#store
    for (const [digest, known] of this.#layers) {
      const isOurs = findBlob(this.#own, sha256Of(known.manifest.tar)) !== undefined
      if (!isOurs || this.#isThere(indexPath(digest, profile))) continue
      await this.#attempt(async () => {
        await this.#compile(known, profile)
        this.#compiled++
      }, digest)
    }
  }

  /** Checks a recipe's data file against its hash, because decoding does not notice every change. */
  async #contents(file: StorePath, digest: Digest): Promise<void> {
    const recipe = await openStoreFile(this.#store.root, file)
    const { profile, dataSha256 } = await readRecipe(recipe).finally(() => recipe.close())
    const path = dataPath(digest, profile)
    if ((await this.#hashData(path)).sha256.equals(dataSha256)) return
    throw strayFile(
      this.#folder.displayPath(file),
      `names another hash than its data file ${this.#folder.displayPath(path)} has`
    )
  }

  async #object(file: StorePath, known: KnownLayer | undefined): Promise<void> {
    this.#assertPlain(file)
    const index = await readIndex(this.#store.root, file, { afresh: true })
    if (known === undefined) return
    const { manifest } = known
    const path = dataPath(sha256Of(manifest.tar), index.profile)
    assertData(this.#folder.displayPath(path), await this.#hashData(path), index)
    if (
      ![manifest.tar, manifest.sidecar].every(
        cid => cid === undefined || this.#intactBlobs.has(sha256Of(cid))
      )
    )
      return // its layers are missing here, or are a finding already
    const data = await openStoreFile(this.#store.root, path)
    try {
      await proveObject(this.#own, { storeRoot: this.#store.root, indexPath: file, data, manifest, index })
    } finally {
      await data.close()
    }
    await noteProven(this.#store.root, file, index)
  }

  #hashData(path: StorePath): Promise<FileHash> {
    const known = this.#dataFiles.get(path)
    if (known !== undefined) return known
    const hashed = this.#hashStoreFile(path)
    this.#dataFiles.set(path, hashed)
    return hashed
  }

  async #hashStoreFile(path: StorePath): Promise<FileHash> {
    this.#assertPlain(path)
    const file = await openStoreFile(this.#store.root, path)
    return hashFile(file, bytes => this.#count(bytes)).finally(() => file.close())
  }

  async #objectFailed(error: StrataError, file: StorePath, known: KnownLayer | undefined): Promise<void> {
    if (this.#isUnread(error)) return
    const digest = known && sha256Of(known.id)
    // A data file that is part of a tarball cannot be made from that tarball.
    const canRepair = known !== undefined && !this.#badBlobs.has(sha256Of(known.manifest.tar))
    if (!this.#options.repair || !canRepair) {
      this.#add(error, { digest, file })
      return
    }
    const failure = await this.#failureOf(() => this.#recompile(file, known))
    this.#add(failure ?? error, { digest, file, repaired: failure === undefined })
  }

  /** Objects of other profiles, which were compiled for single images, are removed and made again when needed. */
  async #recompile(file: StorePath, known: KnownLayer): Promise<void> {
    const { profile } = this.#store
    this.#folder.remove(file)
    if (file !== indexPath(sha256Of(known.id), profile)) return
    await this.#compile(known, profile)
    this.#dataFiles.clear() // compiling may have replaced the data file
    await this.#object(file, known)
  }

  #compile({ id, manifest }: KnownLayer, profile: Profile): Promise<void> {
    return compileLayer(this.#store, id, manifest, profile)
  }

  /**
   * Checks that a published file is regular, has one name, and that nobody may write to it. A publisher that was killed
   * between link(2) and unlink(2) left a second name in tmp/.
   */
  #assertPlain(file: StorePath): void {
    this.#namesInTmp ??= countNames(this.#folder, temporaryFiles(this.#folder))
    assertPlain(this.#folder, file, this.#namesInTmp)
  }

  #isThere(file: StorePath): boolean {
    return this.#folder.status(file) !== undefined
  }

  #use(digest: Digest, module: string): void {
    const users = this.#users.get(digest) ?? new Set()
    this.#users.set(digest, users.add(module))
  }

  #count(bytes: number): void {
    this.#bytesRead += bytes
    this.#options.onBytes?.(this.#bytesRead)
  }

  async #attempt(action: () => Promise<void>, digest: Digest, file?: StorePath): Promise<void> {
    const error = await this.#failureOf(action)
    if (error === undefined || this.#isUnread(error) || this.#wasCollected(digest, file)) return
    if (!this.#options.repair || this.#badBlobs.has(digest)) this.#add(error, { digest, file })
    else await this.#refetch(error, action, digest, file)
  }

  /** Copies a blob from another store, and repeats the check that failed for lack of it. */
  async #refetch(
    error: StrataError,
    action: () => Promise<void>,
    digest: Digest,
    file: StorePath | undefined
  ): Promise<void> {
    let from: string | undefined
    const failure = await this.#failureOf(async () => {
      from = await refetchBlob(this.#store, digest)
    })
    this.#dataFiles.clear() // one of them may have been replaced
    // The other store may keep it in a file of another ending.
    const isThere = file === undefined || this.#isThere(file)
    const again = isThere ? action : () => this.#readOwn(digest)
    const stays = failure ?? (from === undefined ? error : await this.#failureOf(again))
    if (from !== undefined && stays === undefined) this.#add(error, { digest, file, repaired: true, from })
    else {
      const noBetter = from && `the copy in ${from} is no better`
      this.#add(stays ?? error, { digest, file, left: failure?.message ?? noBetter ?? NOT_FOUND })
    }
  }

  /** True if `compose gc` may have removed the file meanwhile: no module uses it. */
  #wasCollected(digest: Digest | undefined, file: StorePath | undefined): boolean {
    if (file === undefined || (digest !== undefined && this.#users.has(digest))) return false
    return !this.#isThere(file)
  }

  /** True for files of other groups, which are not faults; a member of these groups or root can check them. */
  #isUnread(error: StrataError): boolean {
    if (isDenied(error)) this.#unread.add(String(error.facts.file))
    return isDenied(error)
  }

  async #failureOf(action: () => Promise<void>): Promise<StrataError | undefined> {
    try {
      await action()
    } catch (error) {
      return asFinding(error)
    }
  }

  #add(
    { code, message }: StrataError,
    about: { digest?: Digest; modules?: string[] } & Partial<
      Pick<Finding, 'file' | 'repaired' | 'from' | 'left'>
    >
  ): void {
    const { digest, file, repaired = false, from, left } = about
    if (digest !== undefined && !repaired) {
      if (this.#badBlobs.has(digest) && file === undefined) return
      this.#badBlobs.add(digest)
    }
    const modules = about.modules ?? [...(this.#users.get(digest as Digest) ?? [])].sort()
    this.#findings.push({
      code,
      message,
      ...(file && { file: showPath(file) }),
      modules,
      repaired,
      ...(from && { from }),
      ...(left && { left })
    })
  }
}

/** Faults of one file become findings, and so do errors of the system (no permission, disk error). */
function asFinding(error: unknown): StrataError {
  if (error instanceof StrataError) return error
  if (typeof (error as NodeJS.ErrnoException).syscall !== 'string') throw error
  return new StrataError('IO', { message: (error as Error).message, cause: error })
}

/** Hint for blobs that no store of COMPOSE_PATH has whole. */
const NOT_FOUND = 'no other store has it whole: COMPOSE_PATH names some; or import it again'

const missingBlob = (digest: Digest): StrataError =>
  new StrataError('BLOB_MISSING', { message: `blob sha256:${digest} is in none of the stores` })

async function countUnreferenced(store: Store): Promise<Amount | undefined> {
  try {
    const { freed, young } = await collectGarbage(store, { dryRun: true, graceSeconds: 0, objects: false })
    const amounts = [freed.blobs, freed.data, freed.indexes, young]
    return {
      files: amounts.reduce((sum, { files }) => sum + files, 0),
      bytes: amounts.reduce((sum, { bytes }) => sum + bytes, 0)
    }
  } catch (error) {
    if (error instanceof StrataError) return undefined // a finding already, if the fault is in this store
    throw error
  }
}
