/**
 * Measures the space that modules take in a store: each file counts for every module that needs it. Indexes of other
 * profiles count as well; notes of checks, signatures and the caches do not (spec/store-layout.md#space).
 */
import { closeSync } from 'node:fs'
import type { CID } from 'multiformats/cid'
import { filesOfLayer } from '../access/index.ts'
import { readLayer, readRecord } from '../contents/index.ts'
import { BLOB_ENCODINGS, blobPath, DATA, type Store, type StorePath, storeFolder } from '../files/index.ts'
import { listRefs, type ModuleName, type Ref } from '../module/index.ts'
import { type Digest, StrataError, sha256Of } from '../values/index.ts'

export interface Space {
  /** Bytes of files, as `ls` tells their lengths. */
  apparentBytes: number
  /** Bytes that the file system has allocated for them. */
  diskBytes: number
}

/** Bytes of files that another module needs as well. */
export interface SharedSpace {
  module: ModuleName
  apparentBytes: number
}

export interface ModuleSpace extends Space {
  module: ModuleName
  record: CID
  /** Bytes of the files in its layers, unpacked. */
  unpackedBytes: number
  /** Bytes, of those in the store, that no other published module of this store needs. */
  ownBytes: number
  sharedBytes: number
  /** Number of modules that need some of the same files. */
  sharers: number
  /** False if a part of it is closed to this user: its parts are then unknown, and not counted. */
  isOpen: boolean
}

export interface MeasuredSpace {
  /** The module that takes most alone stands first. */
  modules: ModuleSpace[]
  /** Modules whose records or layers cannot be read, with the reason. */
  unread: { module: ModuleName; error: StrataError }[]
  /** All files that some module needs, each counted once. */
  total: Space & { unpackedBytes: number }
  /** With whom a module shares most, the largest first. */
  sharersOf(module: ModuleSpace): SharedSpace[]
}

interface FoundFile extends Space {
  /** Numbers of the modules that need it, ascending. */
  users: number[]
}

interface Needs {
  unpackedBytes: number
  isOpen: boolean
  files: Set<FoundFile>
}

/**
 * Measures all published modules of the first store.
 * @throws StrataError IO if refs/ cannot be read
 */
export async function measureSpace(store: Store): Promise<MeasuredSpace> {
  const measuring = new Measuring(store)
  const unread: MeasuredSpace['unread'] = []
  const measured: { ref: Ref; needs: Needs }[] = []
  for (const ref of listRefs(store.root).refs) {
    try {
      measured.push({ ref, needs: await measuring.needsOf(ref.record, measured.length) })
    } catch (error) {
      if (!(error instanceof StrataError)) throw error
      unread.push({ module: ref.name, error })
    }
  }
  const modules = measured.map(({ ref, needs }) => spaceOf(ref, needs))
  const numberOf = new Map(modules.map((module, number) => [module, number]))
  return {
    modules: modules.toSorted((a, b) => b.ownBytes - a.ownBytes),
    unread,
    total: {
      ...sumOf(measuring.files()),
      unpackedBytes: modules.reduce((sum, { unpackedBytes }) => sum + unpackedBytes, 0)
    },
    sharersOf: module => {
      const number = numberOf.get(module)!
      return sharersOf(number, measured[number].needs, modules)
    }
  }
}

class Measuring {
  readonly #store: Store
  /** By path; undefined if there is no such file in this store. */
  readonly #files = new Map<StorePath, FoundFile | undefined>()
  readonly #layers = new Map<Digest, Promise<Needs & { parent?: CID }>>()

  constructor(store: Store) {
    this.#store = store
  }

  *files(): Generator<FoundFile> {
    for (const file of this.#files.values()) if (file !== undefined && file.users.length > 0) yield file
  }

  /** @throws StrataError BLOB_MISSING, BLOB_CORRUPT, MANIFEST_INVALID, ACCESS_DENIED */
  async needsOf(id: CID, user: number): Promise<Needs> {
    const record = await readRecord(this.#store, id)
    const needs: Needs = { unpackedBytes: 0, isOpen: true, files: new Set(this.#blobFiles(sha256Of(id))) }
    for (const top of record.layers)
      for (let layer: CID | undefined = top; layer !== undefined; ) {
        const found: Needs & { parent?: CID } = await this.#layer(layer)
        needs.unpackedBytes += found.unpackedBytes
        needs.isOpen &&= found.isOpen
        for (const file of found.files) needs.files.add(file)
        layer = found.parent
      }
    for (const { users } of needs.files) users.push(user)
    return needs
  }

  #layer(id: CID): Promise<Needs & { parent?: CID }> {
    const key = sha256Of(id)
    const known = this.#layers.get(key) ?? this.#readLayer(id)
    this.#layers.set(key, known)
    return known
  }

  async #readLayer(id: CID): Promise<Needs & { parent?: CID }> {
    const { root } = this.#store
    const { tar, sidecar, bytes, parent } = await readLayer(this.#store, id)
    const files = await filesOfLayer(root, {
      layer: sha256Of(id),
      tar: sha256Of(tar),
      ...(sidecar && { sidecar: sha256Of(sidecar) })
    })
    return {
      unpackedBytes: bytes,
      isOpen: files.every(({ path }) => this.#isReadable(path)),
      files: new Set([...this.#blobFiles(sha256Of(id)), ...files.flatMap(({ path }) => this.#file(path))]),
      ...(parent && { parent })
    }
  }

  /** Files are opened, because an ACL may admit whom the mode does not. */
  #isReadable(path: StorePath): boolean {
    if (!path.startsWith(`${DATA}/`)) return true
    try {
      closeSync(storeFolder(this.#store.root).open(path))
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EACCES') return false
      throw error
    }
  }

  #blobFiles(digest: Digest): FoundFile[] {
    return BLOB_ENCODINGS.flatMap(encoding => this.#file(blobPath(digest, encoding)))
  }

  #file(path: StorePath): FoundFile[] {
    if (!this.#files.has(path)) {
      const status = storeFolder(this.#store.root).status(path)
      this.#files.set(
        path,
        status && { apparentBytes: status.size, diskBytes: status.blocks * 512, users: [] }
      )
    }
    const file = this.#files.get(path)
    return file === undefined ? [] : [file]
  }
}

function spaceOf({ name, record }: Ref, { unpackedBytes, isOpen, files }: Needs): ModuleSpace {
  const shared = [...files].filter(({ users }) => users.length > 1)
  const space = sumOf(files)
  const sharedBytes = sumOf(shared).apparentBytes
  return {
    module: name,
    record,
    ...space,
    unpackedBytes,
    ownBytes: space.apparentBytes - sharedBytes,
    sharedBytes,
    sharers: Math.max(0, new Set(shared.flatMap(({ users }) => users)).size - 1),
    isOpen
  }
}

function sumOf(files: Iterable<Space>): Space {
  const sum: Space = { apparentBytes: 0, diskBytes: 0 }
  for (const { apparentBytes, diskBytes } of files) {
    sum.apparentBytes += apparentBytes
    sum.diskBytes += diskBytes
  }
  return sum
}

function sharersOf(number: number, { files }: Needs, modules: ModuleSpace[]): SharedSpace[] {
  const bytes = new Map<number, number>()
  for (const { users, apparentBytes } of files)
    for (const user of users) if (user !== number) bytes.set(user, (bytes.get(user) ?? 0) + apparentBytes)
  return [...bytes]
    .map(([user, apparentBytes]) => ({ module: modules[user].module, apparentBytes }))
    .sort((a, b) => b.apparentBytes - a.apparentBytes)
}
