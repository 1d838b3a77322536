/**
 * Sets the access of files that an import publishes (spec/store-layout.md#access). New files get their access before
 * they have a name. Existing files, with the content of another module or of this one's former record, get theirs when
 * the ref is written. Before anything is published, the import checks that this is possible, and that the publisher has
 * consented to any widening.
 */
import {
  type AccessWish,
  accessOfContent,
  accessOfModules,
  accessOfNewModule,
  type BlobUser,
  type Consent,
  decideAccess,
  filesOfLayer,
  type GuardedModule,
  indexAccessByContents,
  intersectVerdicts,
  type LayerAccess,
  type LayerDigests,
  type LayerFile,
  publishersOfRecord,
  refuseLeaving,
  refuseOpening,
  tarballsOfParts,
  usersOfBlob,
  type Verdict
} from '../access/index.ts'
import { findBlob } from '../contents/index.ts'
import {
  changeAccess,
  EVERYONE,
  type FileAccess,
  type FoundAccess,
  intersectionOf,
  isSameAccess,
  isWithin,
  publishersOf,
  readAccess,
  type Store,
  type StorePath,
  showAccess,
  showUser,
  storeFolder,
  unionOf,
  withFileBelow
} from '../files/index.ts'
import { dropCachedLayers } from '../gc/index.ts'
import { formatModuleName } from '../module/index.ts'
import { type Digest, StrataError } from '../values/index.ts'

export interface SettledAccess {
  /** One line each, for people: content that is open to more than the module's groups, or not yet open to all of them. */
  notes: string[]
  /** True if a tree index was closed to somebody: `index/` may still show parts of it until it is rebuilt. */
  hasNarrowedTrees: boolean
}

/** The access that modules ask for on a layer's files. */
interface LayerWishes {
  tar: AccessWish[]
  sidecar?: AccessWish[]
}

interface FoundWishes {
  /** For this module with its new access, and the others. */
  wanted: LayerWishes
  /** For all published modules, this one with its former access included. */
  published: LayerWishes
}

/** The fields of the new module that concern other users. */
export interface ProtectedModule extends GuardedModule {
  redistributable: boolean
}

export class ImportAccess {
  readonly #store: Store
  readonly #module: ProtectedModule
  readonly #consent: Consent
  readonly #own: FileAccess
  readonly #layers: LayerDigests[] = []
  /** Modules with the same content that admit more users. */
  readonly #wider = new Set<string>()
  /** Modules that ask for wider access, for which nothing is opened. */
  readonly #ignored = new Set<string>()
  #tarballs: ReturnType<typeof tarballsOfParts> | undefined

  /** @throws StrataError NAME_UNKNOWN if the host has no id for one of the module's groups */
  constructor(store: Store, module: ProtectedModule, consent: Consent) {
    this.#store = store
    this.#module = module
    this.#consent = consent
    this.#own = accessOfNewModule(module)
  }

  /**
   * Access of a layer's files, before they are published. Existing files may get another one.
   * @throws StrataError STORE_ACCESS if an existing file cannot be given it; ACCESS_WIDER, NOT_REDISTRIBUTABLE if the
   * same content is closed to users to whom the publisher has not consented
   */
  async plan(layer: LayerDigests): Promise<LayerAccess> {
    const { root } = this.#store
    const files = await filesOfLayer(root, layer)
    if (files.length > 0 || this.#own !== EVERYONE) this.#layers.push(layer)
    await this.#refuseOpeningElsewhere(layer)
    const access = files.length === 0 ? this.#allOwn() : await this.#planBeside(layer, files)
    if (this.#module.redistributable) await this.#refuseLeaving(layer.tar)
    return access
  }

  #allOwn = (): LayerAccess => ({ tar: this.#own, sidecar: this.#own, index: this.#own })

  async #planBeside(layer: LayerDigests, files: LayerFile[]): Promise<LayerAccess> {
    const { root } = this.#store
    const [{ wanted, published }, { owner }] = [await this.#wishes(layer), publishersOf(root)]
    for (const { path, part, sharedPart } of files) {
      const found = withFileBelow(root, path, readAccess)
      if (found === undefined) continue
      const others = await this.#wishesBeside(layer, sharedPart)
      const accessBy = (wishes: LayerWishes) => decidePart(part, wishes, found, found.access, owner).access
      const after = accessBy(addWishes(wanted, others))
      assertChangeable(showFile(root, path), found, after)
      const all = addWishes(published, others)
      const before = unionOf(found.access, accessBy(all))
      this.#refuseOpening(before, after, [...all.tar, ...(all.sidecar ?? [])])
    }
    const unmade = { status: { uid: process.geteuid!() } }
    const planPart = (part: LayerFile['part']) => decidePart(part, wanted, unmade, this.#own, owner).access
    return { tar: planPart('tar'), sidecar: planPart('sidecar'), index: planPart('index') }
  }

  #refuseOpening(before: FileAccess, after: FileAccess, wishes: readonly AccessWish[]): void {
    const names = namesOf(wishes.filter(({ access }) => !isWithin(after, access)))
    const because = names === '' ? undefined : `${names} has the same`
    const what = `content of ${formatModuleName(this.#module)}, which the store has already,`
    refuseOpening({ what, before, after, because }, this.#consent)
  }

  /**
   * Users who may read a restricted layer of a store that is only read must not open it by publishing it in a store of
   * their own.
   */
  async #refuseOpeningElsewhere({ tar, sidecar }: LayerDigests): Promise<void> {
    const searched = this.#store.searched.filter(({ root }) => root !== this.#store.root)
    if (searched.length === 0) return
    const elsewhere = { ...this.#store, searched }
    for (const digest of sidecar === undefined ? [tar] : [tar, sidecar]) {
      const before = await accessOfContent(elsewhere, digest)
      if (isWithin(this.#own, before)) continue
      this.#refuseOpening(before, this.#own, (await usersOfBlob(elsewhere, digest)).map(wishOf))
    }
  }

  /** Refuses a tarball that must not leave the site by all other modules that have it. */
  async #refuseLeaving(tar: Digest): Promise<void> {
    if (this.#consent.redistribution || (await findBlob(this.#store, tar)) === undefined) return
    const others = (await usersOfBlob(this.#store, tar)).filter(user => !this.#isThis(user))
    if (others.length === 0 || others.some(({ record }) => record.redistributable)) return
    refuseLeaving(
      `content of ${formatModuleName(this.#module)}, which ${namesOf(others.map(wishOf))} ${others.length > 1 ? 'have' : 'has'} as well,`,
      this.#consent
    )
  }

  #isThis({ name, origin }: BlobUser): boolean {
    return origin === this.#store.root && formatModuleName(name) === formatModuleName(this.#module)
  }

  /** Call this after the ref is written: existing files get their access. */
  async settle(): Promise<SettledAccess> {
    const settled: SettledAccess = { notes: [], hasNarrowedTrees: false }
    this.#tarballs = undefined // this import has added some
    const changed = new Set<Digest>()
    for (const layer of this.#layers) {
      const { wanted: wishes } = await this.#wishes(layer)
      for (const file of await filesOfLayer(this.#store.root, layer))
        await unlessCollected(async () => {
          if (await this.#settleFile(file, layer, wishes, settled)) changed.add(layer.layer)
        })
    }
    for (const path of await dropCachedLayers(this.#store.root, changed))
      settled.notes.push(
        `${showFile(this.#store.root, path)} still has its former access: its owner or root can type compose fsck --repair`
      )
    settled.notes.push(...this.#notes())
    return settled
  }

  #notes(): string[] {
    const [wider, ignored] = [this.#wider, this.#ignored].map(names => [...names].sort().join(', '))
    return [
      ...(wider === ''
        ? []
        : [`some of its content is open to more than its groups, because ${wider} has the same content`]),
      ...(ignored === ''
        ? []
        : [`its files are not opened for ${ignored}, which names the same content: compose fsck tells more`])
    ]
  }

  /** @returns true if the file had another access */
  async #settleFile(
    { path, part, sharedPart }: LayerFile,
    layer: LayerDigests,
    ofLayer: LayerWishes,
    settled: SettledAccess
  ): Promise<boolean> {
    const { root } = this.#store
    const [found, { owner }] = [withFileBelow(root, path, readAccess), publishersOf(root)]
    if (found === undefined) return false
    const wishes = addWishes(ofLayer, await this.#wishesBeside(layer, sharedPart))
    const { access, status, users } = found
    // This import compared the tarball with the stored one, so an index reveals no more than tarball and sidecar do.
    const kept = part === 'index' ? unionOf(access, indexAccessByContents(root, layer)) : access
    const verdict = decidePart(part, wishes, found, kept, owner)
    this.#note(wishes, verdict)
    const wanted = verdict.access
    if (isSameAccess(access, wanted) && users.length === 0) return false
    try {
      changeAccess(root, path, wanted)
      if (part === 'index' && !isWithin(access, wanted)) settled.hasNarrowedTrees = true
    } catch (error) {
      if (!(error instanceof StrataError)) throw error
      // Somebody published the same content at the same moment.
      settled.notes.push(
        `${showFile(root, path)} is for ${showAccess(access)}, wanted ${showAccess(wanted)}: ${showUser(status.uid)} or root can type compose fsck --repair`
      )
    }
    return true
  }

  /** Notes other modules with the same content for the publisher. */
  #note({ tar, sidecar = [] }: LayerWishes, { access, ignored }: Verdict): void {
    for (const wish of ignored) this.#ignored.add(wish.module)
    for (const wish of [...tar, ...sidecar]) {
      const admitted = intersectionOf(wish.access, access)
      if (wish.publishers !== 'importer' && !isWithin(admitted, this.#own)) this.#wider.add(wish.module)
    }
  }

  async #wishes({ tar, sidecar }: LayerDigests): Promise<FoundWishes> {
    const [ofTar, ofSidecar] = [await this.#wishesOn(tar), sidecar && (await this.#wishesOn(sidecar))]
    const both = (which: 'wanted' | 'published') => ({
      tar: ofTar[which],
      ...(ofSidecar && { sidecar: ofSidecar[which] })
    })
    return { wanted: both('wanted'), published: both('published') }
  }

  /** Wishes of the modules that need a part for other tarballs than this one. */
  async #wishesBeside({ tar }: LayerDigests, sharedPart: Digest | undefined): Promise<AccessWish[]> {
    if (sharedPart === undefined) return []
    this.#tarballs ??= tarballsOfParts(this.#store.root)
    const tarballs = (await this.#tarballs).get(sharedPart) ?? []
    const wishes: AccessWish[] = []
    for (const other of new Set(tarballs)) if (other !== tar) wishes.push(...(await this.#publishedOn(other)))
    return wishes.filter(({ module }) => module !== formatModuleName(this.#module))
  }

  /** The user of this import has the bytes, because all of them were just read. */
  async #wishesOn(digest: Digest): Promise<Record<keyof FoundWishes, AccessWish[]>> {
    const published = await this.#publishedOn(digest)
    const module = formatModuleName(this.#module)
    const own: AccessWish = { module, access: this.#own, publishers: 'importer' }
    return { wanted: [own, ...published.filter(wish => wish.module !== module)], published }
  }

  async #publishedOn(digest: Digest): Promise<AccessWish[]> {
    const { root } = this.#store
    const users = await usersOfBlob(this.#store, digest, { ownOnly: true })
    return users.map(user => ({
      ...wishOf(user),
      publishers: publishersOfRecord(root, user.name, user.id, user.record)
    }))
  }
}

const addWishes = ({ tar, sidecar }: LayerWishes, others: AccessWish[]): LayerWishes => ({
  tar: [...tar, ...others],
  ...(sidecar && { sidecar })
})

/** The wish of a record, without its publishers, which are only looked up if they matter. */
const wishOf = ({ name, id, record }: BlobUser): AccessWish => ({
  module: formatModuleName(name),
  record: id,
  access: accessOfModules([record]).access,
  publishers: []
})

const namesOf = (wishes: readonly AccessWish[]): string =>
  [...new Set(wishes.map(({ module }) => module))].sort().join(', ')

/** @param kept readers whom a module may keep even if it may not open the file */
function decidePart(
  part: LayerFile['part'],
  { tar, sidecar }: LayerWishes,
  found: Parameters<typeof decideAccess>[1],
  kept: FileAccess,
  storeOwner: number
): Verdict {
  const of = (wishes: AccessWish[]) => decideAccess(wishes, found, kept, storeOwner)
  if (part === 'tar' || sidecar === undefined) return of(tar)
  return part === 'sidecar' ? of(sidecar) : intersectVerdicts(of(tar), of(sidecar))
}

const showFile = (root: string, path: StorePath): string => storeFolder(root).displayPath(path)

/** Ignores files that are gone since their folder was read, because `compose gc` is working (spec/store-layout.md#gc). */
async function unlessCollected(work: () => void | Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
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
    message: `the same content is already in the store for ${showAccess(access)}, and only ${showUser(status.uid)} (its owner) or root can make it readable by ${showAccess(wanted)}`,
    facts: { file: path, owner: showUser(status.uid), is: showAccess(access), wanted: showAccess(wanted) },
    hint: `let ${showUser(status.uid)} or root publish it, or publish it with the access that it has`
  })
