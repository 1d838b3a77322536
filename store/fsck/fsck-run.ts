/** One run of `compose fsck`: the files that it has read, the modules that use them, and the findings so far. */
import type { CID } from 'multiformats/cid'
import { DataFile, readBlob, type WantedData } from '../contents/index.ts'
import { type Store, type StoreFolder, type StorePath, storeFolder } from '../files/index.ts'
import type { LayerManifest } from '../module/index.ts'
import { type Digest, isDenied, StrataError, showPath } from '../values/index.ts'
import { assertPlain, countNames, temporaryFiles } from './files-on-disk.ts'
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

export interface FsckOptions {
  /** Compile damaged objects again, copy damaged blobs from the other stores, and set the access of files. */
  repair?: boolean
  onBytes?: (bytesRead: number) => void
}

export interface KnownLayer {
  id: CID
  manifest: LayerManifest
}

export class FsckRun {
  readonly store: Store
  /** The store without the others that are searched behind it. */
  readonly own: Store
  readonly options: FsckOptions
  readonly folder: StoreFolder
  readonly layers = new Map<Digest, KnownLayer>()
  readonly findings: Finding[] = []
  readonly badBlobs = new Set<Digest>()
  readonly intactBlobs = new Set<Digest>()
  /** Files for groups that the user is not in. */
  readonly unread = new Set<string>()
  bytesRead = 0
  /** The modules that use each blob, by name. */
  readonly #users = new Map<Digest, Set<string>>()
  #namesInTmp: ReadonlyMap<string, number> | undefined
  /** Identities of the parts that have the bytes of their names. */
  readonly intactParts = new Map<Digest, string>()
  /** Data files are read once, however many indexes point into them. */
  readonly #intactData = new Set<string>()

  constructor(store: Store, options: FsckOptions) {
    this.store = store
    this.own = { ...store, searched: [store] }
    this.options = options
    this.folder = storeFolder(store.root)
  }

  use(digest: Digest, module: string): void {
    const users = this.#users.get(digest) ?? new Set()
    this.#users.set(digest, users.add(module))
  }

  /** Names of the modules that need one of these blobs, sorted. */
  modulesOf(digests: Digest[]): string[] {
    return [...new Set(digests.flatMap(digest => [...(this.#users.get(digest) ?? [])]))].sort()
  }

  count(bytes: number): void {
    this.bytesRead += bytes
    this.options.onBytes?.(this.bytesRead)
  }

  /**
   * Runs one check. If it fails, the blob is copied from another store, with `repair`, and the check is repeated; else
   * the failure is a finding.
   * @param file the one that is to blame, if it is one file
   */
  async attempt(action: () => Promise<void>, digest: Digest, file?: StorePath): Promise<void> {
    const error = await this.failureOf(action)
    if (error === undefined || this.isUnread(error) || this.wasCollected(digest, file)) return
    if (!this.options.repair || this.badBlobs.has(digest)) this.add(error, { digest, file })
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
    const failure = await this.failureOf(async () => {
      from = await refetchBlob(this.store, digest)
    })
    this.forgetData() // one of them may have been replaced
    // The other store may keep it in a file of another ending.
    const isThere = file === undefined || this.isThere(file)
    const again = isThere ? action : () => this.readOwn(digest)
    const stays = failure ?? (from === undefined ? error : await this.failureOf(again))
    if (from !== undefined && stays === undefined) this.add(error, { digest, file, repaired: true, from })
    else {
      const noBetter = from && `the copy in ${from} is damaged as well`
      this.add(stays ?? error, { digest, file, left: failure?.message ?? noBetter ?? NOT_FOUND })
    }
  }

  async failureOf(action: () => Promise<void>): Promise<StrataError | undefined> {
    try {
      await action()
    } catch (error) {
      return asFinding(error)
    }
  }

  add(
    { code, message }: StrataError,
    about: { digest?: Digest; modules?: string[] } & Partial<
      Pick<Finding, 'file' | 'repaired' | 'from' | 'left'>
    >
  ): void {
    const { digest, file, repaired = false, from, left } = about
    if (digest !== undefined && !repaired) {
      if (this.badBlobs.has(digest) && file === undefined) return
      this.badBlobs.add(digest)
    }
    const modules = about.modules ?? [...(this.#users.get(digest as Digest) ?? [])].sort()
    this.findings.push({
      code,
      message,
      ...(file && { file: showPath(file) }),
      modules,
      repaired,
      ...(from && { from }),
      ...(left && { left })
    })
  }

  /** True for files of other groups, which are not faults; a member of these groups or root can check them. */
  isUnread(error: StrataError): boolean {
    if (isDenied(error)) this.unread.add(String(error.facts.file))
    return isDenied(error)
  }

  /** True if `compose gc` may have removed the file meanwhile: no module uses it. */
  wasCollected(digest: Digest | undefined, file: StorePath | undefined): boolean {
    if (file === undefined || (digest !== undefined && this.#users.has(digest))) return false
    return !this.isThere(file)
  }

  /**
   * Checks that a published file is regular, has one name, and that nobody may write to it. A publisher that was killed
   * between link(2) and unlink(2) left a second name in tmp/.
   */
  assertPlain(file: StorePath): void {
    this.#namesInTmp ??= countNames(this.folder, temporaryFiles(this.folder))
    assertPlain(this.folder, file, this.#namesInTmp)
  }

  isThere(file: StorePath): boolean {
    return this.folder.status(file) !== undefined
  }

  async readOwn(digest: Digest): Promise<void> {
    for await (const piece of readBlob(this.own, digest)) this.count(piece.length)
  }

  /**
   * Checks a data file whole. A part that this run has checked is not hashed again for itself.
   * @param path of the part list
   * @throws StrataError OBJECT_CORRUPT; BLOB_MISSING
   */
  async checkData(path: StorePath, wanted: WantedData): Promise<void> {
    const key = `${path} ${wanted.dataSha256.toString('hex')}`
    if (this.#intactData.has(key)) return
    const data = await this.openData(path)
    try {
      await data.verify(wanted, bytes => this.count(bytes))
    } finally {
      await data.close()
    }
    this.#intactData.add(key)
  }

  /** @param path of the part list @throws StrataError OBJECT_CORRUPT; BLOB_MISSING */
  async openData(path: StorePath): Promise<DataFile> {
    this.assertPlain(path)
    const data = await DataFile.openIfThere(this.store.root, path, 'none')
    if (data === undefined)
      throw new StrataError('OBJECT_CORRUPT', {
        message: `data file ${this.folder.displayPath(path)} is gone`
      })
    for (const part of data.parts.place.parts) part.identity = this.intactParts.get(part.sha256)
    return data
  }

  /** Forgets which data files are intact, because a repair may have replaced one. */
  forgetData(): void {
    this.#intactData.clear()
  }
}

/** Faults of one file become findings, and so do errors of the system (no permission, disk error). */
function asFinding(error: unknown): StrataError {
  if (error instanceof StrataError) return error
  if (typeof (error as NodeJS.ErrnoException).syscall !== 'string') throw error
  return new StrataError('IO', { message: (error as Error).message, cause: error })
}

/** Hint for blobs that no store of COMPOSE_PATH has whole. */
export const NOT_FOUND = 'no other store has it whole: name more stores in COMPOSE_PATH, or import it again'
