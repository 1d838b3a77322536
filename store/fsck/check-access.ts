/**
 * Checks that every file is open to the users whom its modules admit, and to nobody else (spec/store-layout.md#access):
 * a part of `compose fsck`.
 */
import {
  type AccessWish,
  accessOfModules,
  decideAccess,
  indexAccessByContents,
  intersectVerdicts,
  type Publishers,
  publishersOfRecord,
  showWish,
  tarballsOfParts,
  type Verdict
} from '../access/index.ts'
import { readLayer, readRecord } from '../contents/index.ts'
import {
  BLOB_ENCODINGS,
  BLOBS,
  changeAccess,
  DATA,
  EVERYONE,
  type FileAccess,
  type FoundAccess,
  foldersBelow,
  isSameAccess,
  isWithin,
  namesBelow,
  OBJECTS,
  PARTS,
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
import { formatModuleName, listHistory, listRefs, type Ref } from '../module/index.ts'
import { type Digest, StrataError, sha256Of } from '../values/index.ts'

export interface AccessFault {
  path: StorePath
  message: string
  /** Modules that need the file. */
  modules: string[]
  repaired: boolean
}

export interface CheckAccessOptions {
  /** Close files that are open to more users; open files that are closed to some, for modules that may open them. */
  repair: boolean
  /** True if the bytes of a blob were just compared with its name. */
  isIntact: (digest: Digest) => boolean
}

/**
 * Files that nothing needs are left alone. A file of another user cannot be repaired and stays a fault. So does a
 * module with wider access than it may open a file for.
 * @throws StrataError IO if refs/ cannot be read
 */
export async function checkAccess(
  store: Store,
  { repair, isIntact }: CheckAccessOptions
): Promise<AccessFault[]> {
  const { root } = store
  const needs = new Needs(store, publishersOf(root).owner, isIntact)
  await needs.read()
  const faults: AccessFault[] = []
  for (const { path, digest, area } of contentFiles(root)) {
    const found = withFileBelow(root, path, readAccess) // other checks report strange files
    const needed = found && needs.of(area, digest, found)
    if (needed === undefined) continue
    const about = { path, modules: needed.modules }
    const shown = storeFolder(root).displayPath(path)
    const { access, ignored } = needed.verdict
    const message = differenceOf(shown, found!, access)
    if (message !== undefined)
      faults.push({ ...about, message, repaired: repair && tryRepair(root, path, access) })
    if (ignored.length > 0)
      faults.push({ ...about, message: tellIgnored(shown, found!, access, ignored), repaired: false })
  }
  return faults
}

function differenceOf(path: string, found: FoundAccess, wanted: FileAccess): string | undefined {
  if (isSameAccess(found.access, wanted) && found.users.length === 0) return undefined
  const isWider = found.users.length > 0 || !isWithin(found.access, wanted)
  const readers = [showAccess(found.access), ...found.users.map(uid => `uid ${uid}`)].join(' and ')
  return `${path} is ${isWider ? 'open to more' : 'closed to some'}: readable by ${readers}, its modules are for ${showAccess(wanted)}`
}

/** Tells both remedies, because only people can decide which of the two is right. */
function tellIgnored(
  path: string,
  { status: { uid } }: FoundAccess,
  wanted: FileAccess,
  ignored: readonly AccessWish[]
): string {
  const [names, wishes] = [ignored.map(({ module }) => module), ignored.map(showWish)]
  return (
    `${path} is for ${showAccess(wanted)} and is not opened for others: ${wishes.join('; ')}, and nothing shows that its publisher ever had the content. ` +
    `If it should not be there: compose unpublish ${names[0]}. If it should be open: ${uid === 0 ? 'root' : `${showUser(uid)} or root`} types compose import ${names[0]} TARBALL --replace, with --open-to for each group that should read it`
  )
}

function tryRepair(root: string, path: string, access: FileAccess): boolean {
  try {
    changeAccess(root, path, access)
    return true
  } catch (error) {
    if (error instanceof StrataError) return false
    throw error
  }
}

type Area = 'blobs' | 'data' | 'objects' | 'parts'

interface LayerContents {
  tar: Digest
  sidecar?: Digest
}

/** The modules that need a file: current ones, or if there are none, those that were replaced or unpublished. */
class Needs {
  readonly #store: Store
  readonly #storeOwner: number
  readonly #isIntact: (digest: Digest) => boolean
  /** Records and layer manifests, with the modules that need them; they are for everyone. */
  readonly #manifests = new Map<Digest, Set<string>>()
  /** Tarballs and sidecars. */
  readonly #contents = new Map<Digest, AccessWish[]>()
  readonly #layers = new Map<Digest, LayerContents>()
  #tarballs: ReadonlyMap<Digest, readonly Digest[]> = new Map()
  /** Modules that need a layer. */
  readonly #users = new Map<Digest, Set<string>>()

  constructor(store: Store, storeOwner: number, isIntact: (digest: Digest) => boolean) {
    this.#store = store
    this.#storeOwner = storeOwner
    this.#isIntact = isIntact
  }

  async read(): Promise<void> {
    const { root } = this.#store
    await this.#add(listRefs(root).refs)
    const settled = new Set(this.#contents.keys())
    await this.#add(listHistory(root).refs, settled)
    this.#tarballs = await tarballsOfParts(root)
  }

  of(area: Area, digest: Digest, found: FoundAccess): { verdict: Verdict; modules: string[] } | undefined {
    if (area === 'objects') return this.#ofIndex(digest, found)
    const wishes = area === 'parts' ? this.#onPart(digest) : (this.#contents.get(digest) ?? [])
    const readers = area === 'blobs' ? this.#manifests.get(digest) : undefined
    if (readers !== undefined)
      return { verdict: { access: EVERYONE, ignored: [] }, modules: [...readers].sort() }
    if (wishes.length === 0) return undefined
    return {
      verdict: decideAccess(wishes, found, found.access, this.#storeOwner),
      modules: [...new Set(wishes.map(({ module }) => module))].sort()
    }
  }

  /** Wishes on all tarballs that need a part. */
  #onPart(part: Digest): AccessWish[] {
    const tarballs = new Set(this.#tarballs.get(part))
    return [...tarballs].flatMap(tarball => this.#contents.get(tarball) ?? [])
  }

  /**
   * An index may be as open as the tarball and the sidecar whose contents it repeats, and must be open to users of the
   * layer.
   */
  #ofIndex(layer: Digest, found: FoundAccess): { verdict: Verdict; modules: string[] } | undefined {
    const contents = this.#layers.get(layer)
    if (contents === undefined) return undefined
    const digests = Object.values(contents)
    const isChecked = digests.every(digest => this.#isIntact(digest))
    const kept = isChecked
      ? unionOf(found.access, indexAccessByContents(this.#store.root, contents))
      : found.access
    const verdicts = digests.map(digest =>
      decideAccess(this.#contents.get(digest)!, found, kept, this.#storeOwner)
    )
    const { access, ignored } = verdicts.reduce(intersectVerdicts)
    const users = this.#users.get(layer)!
    return {
      verdict: { access, ignored: ignored.filter(({ module }) => users.has(module)) },
      modules: [...new Set(this.#contents.get(contents.tar)!.map(({ module }) => module))].sort()
    }
  }

  /**
   * @param settled contents that current modules need, about which replaced records do not decide; undefined for
   * current ones
   */
  async #add(refs: Ref[], settled?: ReadonlySet<Digest>): Promise<void> {
    for (const ref of refs)
      try {
        await this.#addRecord(ref, settled)
      } catch (error) {
        if (!(error instanceof StrataError)) throw error // the check of modules reports it
      }
  }

  async #addRecord({ name, record: id }: Ref, settled?: ReadonlySet<Digest>): Promise<void> {
    const record = await readRecord(this.#store, id)
    const publishers: Publishers =
      settled === undefined ? publishersOfRecord(this.#store.root, name, id, record) : 'past'
    const module = formatModuleName(name)
    const { access } = accessOfModules([record])
    addTo(this.#manifests, sha256Of(id), module)
    for (const layerId of record.layers) {
      const layer = sha256Of(layerId)
      const { tar, sidecar } = await readLayer(this.#store, layerId)
      addTo(this.#manifests, layer, module) // only now, because a record may name any hash
      const contents = { tar: sha256Of(tar), ...(sidecar && { sidecar: sha256Of(sidecar) }) }
      for (const digest of new Set(Object.values(contents)))
        if (!settled?.has(digest)) this.#addWish(digest, { module, record: id, access, publishers })
      this.#layers.set(layer, contents)
      addTo(this.#users, layer, module)
    }
  }

  #addWish(digest: Digest, wish: AccessWish): void {
    this.#contents.set(digest, [...(this.#contents.get(digest) ?? []), wish])
  }
}

function addTo(sets: Map<Digest, Set<string>>, digest: Digest, module: string): void {
  sets.set(digest, (sets.get(digest) ?? new Set()).add(module))
}

/** Files of the store that are named by a digest, without notes; paths relative to the store. */
function* contentFiles(root: string): Generator<{ path: string; digest: Digest; area: Area }> {
  const areas: [Area, string, readonly string[]][] = [
    ['blobs', BLOBS, BLOB_ENCODINGS],
    ...foldersBelow(root, DATA).map((name): [Area, string, string[]] => ['data', `${DATA}/${name}`, ['']]),
    ['parts', PARTS, ['']],
    ...foldersBelow(root, OBJECTS).map((name): [Area, string, string[]] => [
      'objects',
      `${OBJECTS}/${name}`,
      ['.index']
    ])
  ]
  for (const [area, folder, endings] of areas)
    for (const start of namesBelow(root, folder))
      for (const name of namesBelow(root, `${folder}/${start}`)) {
        const match = /^([0-9a-f]{62})(\.[a-z]+)?$/.exec(name)
        if (match === null || !endings.includes(match[2] ?? '')) continue
        yield { path: `${folder}/${start}/${name}`, digest: `${start}${match[1]}` as Digest, area }
      }
}
