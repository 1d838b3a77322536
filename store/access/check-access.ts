/**
 * Whether every file is open to those whom the modules that need it admit, and to nobody else
 * (spec/store-layout.md#access): a part of `compose fsck`.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { type Digest, sha256Of } from '../digest.ts'
import { StrataError } from '../errors.ts'
import { readLayer, readRecord } from '../manifests.ts'
import { formatModuleName } from '../module/name.ts'
import { listHistory, listRefs } from '../module/refs.ts'
import type { Store } from '../store.ts'
import { BLOB_ENCODINGS, BLOBS, DATA, OBJECTS } from '../store-layout.ts'
import {
  accessOfPath,
  changeAccess,
  EVERYONE,
  type FileAccess,
  type FoundAccess,
  intersectionOf,
  isSameAccess,
  isWithin,
  showAccess,
  unionOf
} from './file-access.ts'
import { accessOfModules } from './module-access.ts'

export interface AccessFault {
  /** Absolute. */
  path: string
  message: string
  /** That need the file. */
  modules: string[]
  repaired: boolean
}

interface Wanted {
  access: FileAccess
  modules: Set<string>
}

/**
 * Files that nothing needs are left alone. What cannot be repaired, the file being another user's, stays a fault.
 * @throws StrataError IO if refs/ cannot be read
 */
export async function checkAccess(store: Store, { repair }: { repair: boolean }): Promise<AccessFault[]> {
  const wanted = new WantedAccess(store)
  await wanted.read()
  const faults: AccessFault[] = []
  for (const { path, digest, area } of contentFiles(store.root)) {
    const expected = wanted.of(area, digest)
    const fault = expected && faultOf(path, expected)
    if (fault !== undefined) faults.push({ ...fault, repaired: repair && repairs(path, expected!.access) })
  }
  return faults
}

function faultOf(path: string, { access, modules }: Wanted): Omit<AccessFault, 'repaired'> | undefined {
  const found = foundAccess(path)
  if (found === undefined) return undefined
  const isSame = isSameAccess(found.access, access) && found.users.length === 0
  if (isSame) return undefined
  const isWider = found.users.length > 0 || !isWithin(found.access, access)
  const readers = [showAccess(found.access), ...found.users.map(uid => `uid ${uid}`)].join(' and ')
  return {
    path,
    message: `${path} is ${isWider ? 'open to more' : 'closed to some'}: readable by ${readers}, its modules are for ${showAccess(access)}`,
    modules: [...modules].sort()
  }
}

/** Links and what is no file are found elsewhere; what was removed meanwhile is no fault. */
function foundAccess(path: string): FoundAccess | undefined {
  try {
    return accessOfPath(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function repairs(path: string, access: FileAccess): boolean {
  try {
    changeAccess(path, access)
    return true
  } catch (error) {
    if (error instanceof StrataError) return false
    throw error
  }
}

type Area = 'blobs' | 'data' | 'objects'

/** What each file should be: of the current modules, and where none needs it, of those that were replaced. */
class WantedAccess {
  readonly #store: Store
  /** Tarballs, sidecars, records, manifests of layers. */
  readonly #blobs = new Map<Digest, Wanted>()
  readonly #layers = new Map<Digest, Wanted>()

  constructor(store: Store) {
    this.#store = store
  }

  of(area: Area, digest: Digest): Wanted | undefined {
    return area === 'objects' ? this.#layers.get(digest) : this.#blobs.get(digest)
  }

  async read(): Promise<void> {
    const { root } = this.#store
    await this.#add(listRefs(root).refs.map(({ record }) => record))
    const current = new Set([...this.#blobs.keys()])
    await this.#add(
      listHistory(root).refs.map(({ record }) => record),
      current
    )
  }

  /** @param settled what current modules need: a record that was replaced has no say in that */
  async #add(records: CID[], settled: ReadonlySet<Digest> = new Set()): Promise<void> {
    const layers = new Map<Digest, { tar: Digest; sidecar?: Digest }>()
    for (const id of records)
      try {
        await this.#addRecord(id, settled, layers)
      } catch (error) {
        if (!(error instanceof StrataError)) throw error // told of by the check of modules
      }
    for (const [layer, { tar, sidecar }] of layers) {
      const [ofTar, ofSidecar] = [this.#blobs.get(tar)!, sidecar && this.#blobs.get(sidecar)]
      const access = intersectionOf(ofTar.access, ofSidecar?.access ?? EVERYONE)
      this.#layers.set(layer, { access, modules: ofTar.modules })
    }
  }

  async #addRecord(
    id: CID,
    settled: ReadonlySet<Digest>,
    layers: Map<Digest, { tar: Digest; sidecar?: Digest }>
  ): Promise<void> {
    const record = await readRecord(this.#store, id)
    const name = formatModuleName(record)
    const { access } = accessOfModules([record])
    const open = (digest: Digest) => this.#admit(digest, EVERYONE, name)
    open(sha256Of(id))
    for (const layerId of record.layers) {
      open(sha256Of(layerId))
      const { tar, sidecar } = await readLayer(this.#store, layerId)
      const digests = { tar: sha256Of(tar), ...(sidecar && { sidecar: sha256Of(sidecar) }) }
      for (const digest of Object.values(digests)) if (!settled.has(digest)) this.#admit(digest, access, name)
      layers.set(sha256Of(layerId), digests)
    }
  }

  #admit(digest: Digest, access: FileAccess, module: string): void {
    const before = this.#blobs.get(digest)
    if (before === undefined) this.#blobs.set(digest, { access, modules: new Set([module]) })
    else {
      before.access = unionOf(before.access, access)
      before.modules.add(module)
    }
  }
}

/** Files of the store that are named by a digest, and are no notes. */
function* contentFiles(root: string): Generator<{ path: string; digest: Digest; area: Area }> {
  const areas: [Area, string, readonly string[]][] = [
    ['blobs', BLOBS, BLOB_ENCODINGS],
    ...namesIn(join(root, DATA)).map((name): [Area, string, string[]] => ['data', `${DATA}/${name}`, ['']]),
    ...namesIn(join(root, OBJECTS)).map((name): [Area, string, string[]] => [
      'objects',
      `${OBJECTS}/${name}`,
      ['.index']
    ])
  ]
  for (const [area, folder, endings] of areas)
    for (const start of namesIn(join(root, folder)))
      for (const name of namesIn(join(root, folder, start))) {
        const match = /^([0-9a-f]{62})(\.[a-z]+)?$/.exec(name)
        if (match === null || !endings.includes(match[2] ?? '')) continue
        yield { path: join(root, folder, start, name), digest: `${start}${match[1]}` as Digest, area }
      }
}

/** In byte order; none where it is no folder. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort()
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return []
    throw error
  }
}
