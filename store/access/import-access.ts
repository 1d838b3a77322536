/**
 * Who may read what an import publishes (spec/store-layout.md#access). New files have their access before they have a
 * name. Files that are there already, because another module has the same content, or this one had before, get
 * theirs when the ref is written; whether they can is asked before anything is published.
 */
import { join } from 'node:path'
import type { Digest } from '../digest.ts'
import { StrataError } from '../errors.ts'
import { dropCachedLayers } from '../layer-cache/list-cache.ts'
import { formatModuleName } from '../module/name.ts'
import { isAsChecked, noteChecked } from '../object/data-identity.ts'
import type { Store } from '../store.ts'
import { changeAccess } from './change-access.ts'
import { bothOf, type Claim, publishersOfRecord, type Verdict, verdictOf } from './claims.ts'
import { withFileBelow } from './content-file.ts'
import {
  EVERYONE,
  type FileAccess,
  type FoundAccess,
  intersectionOf,
  isSameAccess,
  isWithin,
  readAccess,
  showAccess,
  unionOf
} from './file-access.ts'
import type { LayerAccess } from './layer-access.ts'
import { filesOfLayer, indexAccessByContents, type LayerDigests, type LayerFile } from './layer-files.ts'
import { accessOfModules, accessOfNewModule, type GuardedModule } from './module-access.ts'
import { openStoreFile, publishersOf, showUser } from './open-file.ts'
import { usersOfBlob } from './users.ts'

export interface SettledAccess {
  /** One line each, for people: what is open to more than the module's groups, or not open to all of them yet. */
  notes: string[]
  /** Whether a tree index became closed to somebody: `index/` may tell of it until it is made anew. */
  hasNarrowedTrees: boolean
}

/** What modules say of a layer: this one first. */
interface LayerClaims {
  tar: Claim[]
  sidecar?: Claim[]
}

export class ImportAccess {
  readonly #store: Store
  readonly #module: GuardedModule
  readonly #own: FileAccess
  readonly #layers: LayerDigests[] = []
  /** Modules with the same content that admit more people. */
  readonly #wider = new Set<string>()
  /** Modules that are for more people, for whom nothing is opened. */
  readonly #ignored = new Set<string>()

  /** @throws StrataError NAME_UNKNOWN when the host has no id for one of the module's groups */
  constructor(store: Store, module: GuardedModule) {
    this.#store = store
    this.#module = module
    this.#own = accessOfNewModule(module)
  }

  /**
   * Access of a layer's files, before they are published. Those that are there may get another one.
   * @throws StrataError STORE_ACCESS when a file that is there cannot be given it
   */
  async plan(layer: LayerDigests): Promise<LayerAccess> {
    const { root } = this.#store
    const files = filesOfLayer(root, layer)
    if (files.length > 0 || this.#own !== EVERYONE) this.#layers.push(layer)
    if (files.length === 0) return { tar: this.#own, sidecar: this.#own, index: this.#own }
    const [claims, { owner }] = [await this.#claims(layer), await publishersOf(root)]
    for (const { path, part } of files)
      withFileBelow(root, path, fd => {
        const found = readAccess(fd)
        assertChangeable(join(root, path), found, wantedOf(part, claims, found, found.access, owner).access)
      })
    const unmade = { status: { uid: process.geteuid!() } }
    const planned = (part: LayerFile['part']) => wantedOf(part, claims, unmade, this.#own, owner).access
    return { tar: planned('tar'), sidecar: planned('sidecar'), index: planned('index') }
  }

  /** After the ref is written: files that were there get their access. */
  async settle(): Promise<SettledAccess> {
    const settled: SettledAccess = { notes: [], hasNarrowedTrees: false }
    const changed = new Set<Digest>()
    for (const layer of this.#layers) {
      const claims = await this.#claims(layer)
      for (const file of filesOfLayer(this.#store.root, layer))
        await unlessCollected(async () => {
          if (await this.#settleFile(file, layer, claims, settled)) changed.add(layer.layer)
        })
    }
    for (const path of await dropCachedLayers(this.#store.root, changed))
      settled.notes.push(`${path} has the access of before: its owner or root can type compose fsck --repair`)
    settled.notes.push(...this.#notes())
    return settled
  }

  #notes(): string[] {
    const [wider, ignored] = [this.#wider, this.#ignored].map(names => [...names].sort().join(', '))
    return [
      ...(wider === ''
        ? []
        : [`some of its content is open to more than its groups, because ${wider} has the same`]),
      ...(ignored === ''
        ? []
        : [`nothing is opened for ${ignored}, which names the same content: compose fsck says whose it is`])
    ]
  }

  /** @returns whether the file had another access */
  async #settleFile(
    { path, part }: LayerFile,
    layer: LayerDigests,
    claims: LayerClaims,
    settled: SettledAccess
  ): Promise<boolean> {
    const { root } = this.#store
    const [found, { owner }] = [withFileBelow(root, path, readAccess), await publishersOf(root)]
    if (found === undefined) return false
    const { access, status, users } = found
    // This import compared the tarball with what is there: an index says nothing that it does not.
    const kept = part === 'index' ? unionOf(access, indexAccessByContents(root, layer)) : access
    const verdict = wantedOf(part, claims, found, kept, owner)
    this.#note(claims, verdict)
    const wanted = verdict.access
    if (isSameAccess(access, wanted) && users.length === 0) return false
    const absolute = join(root, path)
    try {
      await changeKeepingNote(root, path, wanted)
      if (part === 'index' && !isWithin(access, wanted)) settled.hasNarrowedTrees = true
    } catch (error) {
      if (!(error instanceof StrataError)) throw error
      // Somebody published the same content at the same moment.
      settled.notes.push(
        `${absolute} is for ${showAccess(access)}, wanted ${showAccess(wanted)}: ${showUser(status.uid)} or root can type compose fsck --repair`
      )
    }
    return true
  }

  /** What the publisher has to know of others that need the same. */
  #note({ tar, sidecar = [] }: LayerClaims, { access, ignored }: Verdict): void {
    for (const claim of ignored) this.#ignored.add(claim.module)
    for (const claim of [...tar, ...sidecar]) {
      const admitted = intersectionOf(claim.access, access)
      if (claim.publishers !== 'importer' && !isWithin(admitted, this.#own)) this.#wider.add(claim.module)
    }
  }

  async #claims({ tar, sidecar }: LayerDigests): Promise<LayerClaims> {
    return {
      tar: await this.#claimsOn(tar),
      ...(sidecar !== undefined && { sidecar: await this.#claimsOn(sidecar) })
    }
  }

  /** Of this module, and of the others that need a blob. Who imports has the bytes, as all of them were just read. */
  async #claimsOn(digest: Digest): Promise<Claim[]> {
    const { root } = this.#store
    const module = formatModuleName(this.#module)
    const claims: Claim[] = []
    for (const { name, id, record } of await usersOfBlob(this.#store, digest, { ownOnly: true }))
      if (formatModuleName(name) !== module)
        claims.push({
          module: formatModuleName(name),
          record: id,
          access: accessOfModules([record]).access,
          publishers: publishersOfRecord(root, name, id, record)
        })
    return [{ module, access: this.#own, publishers: 'importer' }, ...claims]
  }
}

/** @param kept whom a module may keep in that may not open the file */
function wantedOf(
  part: LayerFile['part'],
  { tar, sidecar }: LayerClaims,
  found: Parameters<typeof verdictOf>[1],
  kept: FileAccess,
  storeOwner: number
): Verdict {
  const of = (claims: Claim[]) => verdictOf(claims, found, kept, storeOwner)
  if (part === 'tar' || sidecar === undefined) return of(tar)
  return part === 'sidecar' ? of(sidecar) : bothOf(of(tar), of(sidecar))
}

/** A file may be gone since its folder was read: `compose gc` is at work (spec/store-layout.md#gc). */
async function unlessCollected(work: () => void | Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** A data file whose hash was checked is the same one with another mode. @param path relative to the store */
async function changeKeepingNote(storeRoot: string, path: string, access: FileAccess): Promise<void> {
  const absolute = join(storeRoot, path)
  const wasChecked = await withFile(storeRoot, absolute, file => isAsChecked(storeRoot, absolute, file))
  changeAccess(storeRoot, path, access)
  if (wasChecked) await withFile(storeRoot, absolute, file => noteChecked(storeRoot, absolute, file))
}

async function withFile<T>(
  storeRoot: string,
  path: string,
  use: (file: Awaited<ReturnType<typeof openStoreFile>>) => Promise<T>
): Promise<T> {
  const file = await openStoreFile(storeRoot, path)
  try {
    return await use(file)
  } finally {
    await file.close()
  }
}

/** @throws StrataError STORE_ACCESS */
function assertChangeable(path: string, found: FoundAccess, wanted: FileAccess): void {
  const me = process.geteuid!()
  if (isSameAccess(found.access, wanted) || me === 0 || found.status.uid === me) return
  throw notOurs(path, found, wanted)
}

const notOurs = (path: string, { access, status }: FoundAccess, wanted: FileAccess): StrataError =>
  new StrataError('STORE_ACCESS', {
    message: `the same content is in the store already, for ${showAccess(access)}, and ${showUser(status.uid)}, who owns it, or root alone can make it readable by ${showAccess(wanted)}`,
    facts: { file: path, owner: showUser(status.uid), is: showAccess(access), wanted: showAccess(wanted) },
    hint: `let ${showUser(status.uid)} or root publish it, or publish it with the access that it has`
  })
