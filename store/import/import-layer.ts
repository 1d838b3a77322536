/**
 * A tarball and what it lost, into the store: data file, recipe, sidecar, layer manifest and tree index, published in
 * that order, so that whatever names something comes after it.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { isDenied } from '../access/denied.ts'
import { EVERYONE, type FileAccess } from '../access/file-access.ts'
import type { LayerAccess } from '../access/layer-access.ts'
import type { LayerDigests } from '../access/layer-files.ts'
import { openStoreFile } from '../access/open-file.ts'
import { parseGetfacl } from '../acl/getfacl-text.ts'
import { parseGetfattr } from '../acl/getfattr-text.ts'
import type { Attributes } from '../attribute.ts'
import { findBlob, putBlob } from '../blob-store.ts'
import { blobCid, type Digest, manifestCid, sha256Of } from '../digest.ts'
import { StrataError } from '../errors.ts'
import type { IdNames } from '../id-names.ts'
import type { Limits } from '../limits.ts'
import { encodeLayerManifest, type LayerManifest } from '../module/layer-manifest.ts'
import { noteChecked } from '../object/data-identity.ts'
import { hashFile } from '../object/hashed-file.ts'
import { buildIndex, type Marks } from '../object/index-builder.ts'
import { encodeIndex, Kind } from '../object/layer-index.ts'
import type { Inode, LayerTree } from '../object/layer-tree.ts'
import type { Profile } from '../object/profile.ts'
import { type PathBytes, showPath } from '../path-bytes.ts'
import { encodeSidecar } from '../sidecar.ts'
import type { Store } from '../store.ts'
import { blobPath, dataPath, indexPath } from '../store-layout.ts'
import { TemporaryFile } from '../temporary-file.ts'
import {
  type CompiledTar,
  compileStoredTar,
  compileTar,
  type ParsedTar,
  type TarInput
} from './compile-tar.ts'
import { type DroppedAttribute, MarksCollector, marksOnTree } from './marks-collector.ts'
import { inodeFinder, type Placement } from './placement.ts'
import { privilegedPaths } from './privileged.ts'
import { findStoredData } from './stored-data.ts'

export interface LayerSource {
  /** For messages. */
  name: string
  /** The tarball, decompressed. */
  chunks: AsyncIterable<Uint8Array>
  /** What the tarball has to hash to, where that is known beforehand: what is in the store already is not packed again. */
  announced?: {
    digest: Digest
    refuse: (found: Digest) => StrataError
  }
  /** Attributes that the tarball does not hold, complete when `chunks` has ended. */
  attributes?: ReadonlyMap<PathBytes, Attributes>
  /** Listing in the form of `getfacl -R`. */
  aclFile?: string
  /** Listing in the form of `getfattr -R -d -m - --dump`. */
  attributesFile?: string
}

export interface ImportOptions {
  names: IdNames
  limits: Limits
  placement: Placement
  /** Paths of listings that the tarball lacks are reported, not refused. */
  ignoreMissing: boolean
  /** What a library or application may bring only when asked to. */
  allowPrivileged: boolean
  /** The layer of the same module below this one. */
  parent?: CID
  /** What a user changed in a sandbox, on top of all that it was made from. */
  captured?: boolean
  /**
   * Called when all is known and nothing is published: who may read what is new. By default everyone.
   * @throws StrataError where what is in the store already cannot be given that access
   */
  accessFor?: (layer: LayerDigests) => Promise<LayerAccess>
}

export interface ImportedLayer {
  id: CID
  manifest: LayerManifest
  /** Bytes of the tarball, of its packed contents. */
  tarBytes: number
  dataBytes: number
  /** Paths with an ACL, and with other attributes. */
  aclPaths: number
  attributePaths: number
  /** Whether the very layer was in the store before. */
  known: boolean
  missingPaths: PathBytes[]
  droppedAttributes: DroppedAttribute[]
  ignoredKeys: ReadonlyMap<string, number>
  leftOut: number
}

/** @throws StrataError; nothing of the layer is published then */
export async function importLayer(
  store: Store,
  source: LayerSource,
  options: ImportOptions
): Promise<ImportedLayer> {
  const collector = new MarksCollector(options.names)
  const compiled = await compile(store, source, options, entry => collector.addEntry(entry, source.name))
  try {
    const locate = inodeFinder(compiled.tree, options.placement, compiled.leftOut)
    const isKnown = (path: PathBytes) => locate(path) !== undefined || compiled.leftOut.has(path)
    const missingPaths = await addListings(source, options, collector, isKnown)
    const entries = collector.entries(compiled.tree, locate)
    const marks = marksOnTree(entries, locate, source.name)
    if (!options.allowPrivileged) refusePrivileged(compiled.tree, marks, source.name)
    const sidecar = entries.length === 0 ? undefined : encodeSidecar({ entries, ...options.names.used })
    const published = await publish(store, compiled, marks, sidecar, options)
    return {
      ...published,
      tarBytes: compiled.tarBytes,
      dataBytes: compiled.data.dataBytes,
      aclPaths: entries.filter(entry => entry.acl !== undefined || entry.defaultAcl !== undefined).length,
      attributePaths: entries.filter(entry => entry.attributes !== undefined).length,
      missingPaths,
      droppedAttributes: collector.dropped,
      ignoredKeys: compiled.ignoredKeys,
      leftOut: compiled.leftOut.size
    }
  } finally {
    await compiled.dataFile?.discard()
    await compiled.recipeFile.discard()
  }
}

/** Without a data file where the store has it. */
type Compiled = ParsedTar & Partial<Pick<CompiledTar, 'dataFile'>>

async function compile(
  store: Store,
  { name, chunks, announced }: LayerSource,
  { limits, placement }: ImportOptions,
  onEntry: TarInput['onEntry']
): Promise<Compiled> {
  const onDigest = (found: Digest) => {
    if (announced !== undefined && found !== announced.digest) throw announced.refuse(found)
  }
  const input = { name, chunks, limits, placement, onEntry, onDigest }
  const stored = announced && (await findStoredData(store, announced.digest))
  return stored === undefined
    ? compileTar(store.root, store.profile, input)
    : compileStoredTar(store.root, store.profile, input, stored)
}

/** @returns paths that the archive lacks, when that is allowed */
async function addListings(
  source: LayerSource,
  options: ImportOptions,
  collector: MarksCollector,
  isKnown: (path: PathBytes) => boolean
): Promise<PathBytes[]> {
  const missing: PathBytes[] = []
  const isThere = (path: PathBytes) => {
    const found = isKnown(path)
    if (!found) missing.push(path)
    return found
  }
  for (const [path, attributes] of source.attributes ?? [])
    collector.addAttributes({ path, attributes }, { source: source.name, member: path })
  if (source.attributesFile !== undefined) {
    const name = source.attributesFile
    for (const block of parseGetfattr(await readListing(name), name))
      if (isThere(block.path))
        collector.addAttributes(block, { source: name, line: block.line, member: block.path })
  }
  if (source.aclFile !== undefined) {
    const name = source.aclFile
    for (const block of parseGetfacl(await readListing(name), { source: name, resolve: options.names }))
      if (isThere(block.path)) collector.addAclBlock(block, name)
  }
  if (missing.length > 0 && !options.ignoreMissing)
    throw new StrataError('PATH_MISSING', {
      message: `${missing.length} paths are listed beside ${source.name}, but not in it`,
      facts: { paths: missing.map(path => showPath(path) || '.') },
      hint: '--ignore-missing goes on without them'
    })
  return missing
}

const readListing = (name: string): Promise<Buffer> =>
  readFile(name).catch((error: NodeJS.ErrnoException) => {
    throw new StrataError('IO', { message: `${name} cannot be read: ${error.message}`, cause: error })
  })

function refusePrivileged(tree: LayerTree, marks: ReadonlyMap<Inode, Marks>, archive: string): void {
  const found = privilegedPaths(tree, marks)
  if (found.length === 0) return
  throw new StrataError('PRIVILEGED', {
    message: `${archive} holds ${found.length} files that give privileges, which a library or application should not`,
    facts: { paths: found.map(({ path, why }) => `${showPath(path)} (${why})`) },
    hint: '--allow-privileged keeps them exactly; a module of --kind base may hold them'
  })
}

async function publish(
  store: Store,
  compiled: Compiled,
  marks: ReadonlyMap<Inode, Marks>,
  sidecar: Uint8Array | undefined,
  { placement: { strip, prefix, owner }, parent, captured, accessFor }: ImportOptions
): Promise<Pick<ImportedLayer, 'id' | 'manifest' | 'known'>> {
  const { tree, data, digest } = compiled
  const sidecarCid = sidecar && manifestCid(sidecar)
  const manifest: LayerManifest = {
    tar: blobCid(digest),
    sidecar: sidecarCid,
    ...contentsOf(tree, data.tables.contentSize),
    ...(parent && { parent }),
    ...(captured && { captured }),
    ...(strip > 0 && { strip }),
    ...(prefix !== '' && { prefix }),
    ...(owner && { owner })
  }
  const bytes = encodeLayerManifest(manifest)
  const id = manifestCid(bytes)
  const known = (await findBlob({ ...store, searched: [store] }, sha256Of(id))) !== undefined
  const digests = { layer: sha256Of(id), tar: digest, ...(sidecarCid && { sidecar: sha256Of(sidecarCid) }) }
  const access = (await accessFor?.(digests)) ?? OPEN
  if (isPacked(compiled)) await publishData(store.root, store.profile, compiled, access.tar)
  await publishRecipe(store.root, compiled, access.tar)
  if (sidecar !== undefined) await putBlob(store, sidecar, access.sidecar)
  await putBlob(store, bytes)
  await publishIndex(store.root, store.profile, id, compiled, marks, access.index)
  return { id, manifest, known }
}

const isPacked = (compiled: Compiled): compiled is CompiledTar => compiled.dataFile !== undefined

const OPEN: LayerAccess = { tar: EVERYONE, sidecar: EVERYONE, index: EVERYONE }

/** A data file that is there already stays, unless it is damaged: then this one heals it. */
export async function publishData(
  storeRoot: string,
  profile: Profile,
  { digest, data, dataFile }: Pick<CompiledTar, 'digest' | 'data' | 'dataFile'>,
  access: FileAccess
): Promise<void> {
  const path = join(storeRoot, dataPath(digest, profile))
  if (await isDamaged(storeRoot, path, data.dataSha256)) await dataFile.replace(path, access)
  else await dataFile.publish(path, access)
  await noteIfReadable(storeRoot, path)
}

async function publishRecipe(
  storeRoot: string,
  { digest, recipeFile }: ParsedTar,
  access: FileAccess
): Promise<void> {
  const path = join(storeRoot, blobPath(digest, '.recipe'))
  const { sha256 } = await hashFile(recipeFile.handle)
  if (await isDamaged(storeRoot, path, sha256)) await recipeFile.replace(path, access)
  else await recipeFile.publish(path, access)
}

/** Whether the file is there with other bytes, or is nothing that a reader would take. */
async function isDamaged(storeRoot: string, path: string, wanted: Buffer): Promise<boolean> {
  try {
    return !(await hashStoreFile(storeRoot, path)).equals(wanted)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    if (!(error instanceof StrataError)) throw error
    return !isDenied(error) // what is for other groups is for them to check
  }
}

async function hashStoreFile(storeRoot: string, path: string): Promise<Buffer> {
  const file = await openStoreFile(storeRoot, path)
  try {
    return (await hashFile(file)).sha256
  } finally {
    await file.close()
  }
}

async function noteIfReadable(storeRoot: string, path: string): Promise<void> {
  try {
    const file = await openStoreFile(storeRoot, path)
    await noteChecked(storeRoot, path, file).finally(() => file.close())
  } catch (error) {
    // Gone by now: whoever relies on the file finds that out before he says so (spec/store-layout.md#gc).
    if (!isDenied(error) && (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

export async function publishIndex(
  storeRoot: string,
  profile: Profile,
  layer: CID,
  { tree, data }: Pick<ParsedTar, 'tree' | 'data'>,
  marks: ReadonlyMap<Inode, Marks>,
  access: FileAccess
): Promise<void> {
  const file = await TemporaryFile.create(storeRoot)
  try {
    await file.handle.writeFile(encodeIndex(buildIndex(tree, marks, data, profile)))
    await file.publish(join(storeRoot, indexPath(sha256Of(layer), profile)), access)
  } finally {
    await file.discard()
  }
}

/** Names in the tree (whiteouts and implied parents included, the root not), and bytes of its files. */
function contentsOf(tree: LayerTree, contentSize: Float64Array): Pick<LayerManifest, 'entries' | 'bytes'> {
  let entries = 0
  const files = new Set<Inode>()
  for (const listing of tree.listings.values()) {
    entries += listing.size
    for (const inode of listing.values()) if (tree.kind.get(inode) === Kind.file) files.add(inode)
  }
  let bytes = 0
  for (const file of files) bytes += contentSize[tree.payload.get(file)]
  return { entries, bytes }
}
