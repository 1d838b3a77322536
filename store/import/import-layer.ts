/**
 * Imports a tarball and the metadata beside it: data file, recipe, sidecar, layer manifest and tree index are published
 * in that order, so that a file comes before those that name it.
 */
import { readFile } from 'node:fs/promises'
import type { CID } from 'multiformats/cid'
import type { LayerAccess, LayerDigests } from '../access/index.ts'
import type { IdNames } from '../accounts/index.ts'
import {
  type AttributeCount,
  type Attributes,
  type AttributeTally,
  encodeSidecar,
  type GetfaclBlock,
  parseGetfacl,
  parseGetfattr
} from '../acl/index.ts'
import { findBlob, putBlob } from '../contents/index.ts'
import { blobPath, EVERYONE, type FileAccess, type Store } from '../files/index.ts'
import { encodeLayerManifest, type LayerManifest } from '../module/index.ts'
import { hashFile, type Inode, Kind, type LayerTree, type Marks } from '../object/index.ts'
import type { Oddity } from '../tar/index.ts'
import {
  blobCid,
  count,
  countThatAre,
  type Digest,
  type Limits,
  manifestCid,
  type PathBytes,
  StrataError,
  sha256Of,
  showPath,
  systemWords
} from '../values/index.ts'
import {
  type CompiledTar,
  compileStoredTar,
  compileTar,
  type ParsedTar,
  type TarInput
} from './compile-tar.ts'
import { readLayerIndex } from './layer-object.ts'
import { MarksCollector, marksOnTree } from './marks-collector.ts'
import { inodeFinder, type Placement } from './placement.ts'
import { type PrivilegedPath, privilegedInIndex, privilegedPaths } from './privileged.ts'
import { hasHash, publishOrHeal } from './publish-file.ts'
import { publishData, publishIndex } from './publish-object.ts'
import { findStoredData } from './stored-data.ts'

export interface LayerSource {
  /** For messages. */
  name: string
  /** The tarball, decompressed. */
  chunks: AsyncIterable<Uint8Array>
  /**
   * The expected hash of the tarball, if it is known beforehand: contents that are in the store already are not packed
   * again.
   */
  announced?: {
    digest: Digest
    refuse: (found: Digest) => StrataError
  }
  /** Attributes that are not in the tarball; complete when `chunks` has ended. */
  attributes?: ReadonlyMap<PathBytes, Attributes>
  /** The end marker ends the tarball, as for container engines that read the layers of an image. */
  endsAtMarker?: boolean
  /** Attributes that the reader of the source left out; complete when `chunks` has ended. */
  leftOut?: AttributeTally
  /** Listing in the form of `getfacl -R`. */
  aclFile?: string
  /** Listing in the form of `getfattr -R -d -m - --dump`. */
  attributesFile?: string
}

export interface ImportOptions {
  names: IdNames
  limits: Limits
  placement: Placement
  /** Report paths of listings that the tarball lacks, instead of refusing them. */
  ignoreMissing: boolean
  /** Accept files with privileges in a library or application. */
  allowPrivileged: boolean
  /** The layer of the same module below this one. */
  parent?: CID
  /** True for changes that a user made in a sandbox, above the layers that it was made from. */
  captured?: boolean
  /**
   * Called when all digests are known and nothing is published yet; returns the access of new files. By default
   * everyone.
   * @throws StrataError if existing files of the store cannot be given that access
   */
  accessFor?: (layer: LayerDigests) => Promise<LayerAccess>
  /** Called with the layer's tree before anything is published. */
  onTree?: (tree: LayerTree, marks: ReadonlyMap<Inode, Marks>) => void
}

export interface ImportedLayer {
  id: CID
  manifest: LayerManifest
  /** Bytes of the tarball and of its packed contents. */
  tarBytes: number
  dataBytes: number
  /** Number of blocks that were packed. The others were in a store, packed. */
  packedBlocks: number
  /** Numbers of paths with an ACL, and with other attributes. */
  aclPaths: number
  attributePaths: number
  /** True if this very layer was in the store before. */
  known: boolean
  missingPaths: PathBytes[]
  /**
   * Attributes that are not part of the layer: those that other file systems keep for themselves, and those that Linux
   * cannot store.
   */
  leftOutAttributes: AttributeCount[]
  /** Labels of the host's security modules, which are kept. */
  hostLabels: AttributeCount[]
  /** PAX keys that were ignored, with the number of times. */
  ignoredKeys: ReadonlyMap<string, number>
  /** True if hard links lead to files of lower layers. */
  hasLowerLinks: boolean
  /** Accepted breaches of the format's rules. */
  oddities: Oddity[]
  leftOut: number
}

/** @throws StrataError; nothing of the layer is published then */
export async function importLayer(
  store: Store,
  source: LayerSource,
  options: ImportOptions
): Promise<ImportedLayer> {
  const collector = new MarksCollector(options.names, options.limits)
  const compiled = await compile(store, source, options, entry => collector.addEntry(entry, source.name))
  try {
    const locate = inodeFinder(compiled.tree, options.placement, compiled.leftOut)
    const isKnown = (path: PathBytes) => locate(path) !== undefined || compiled.leftOut.has(path)
    const missingPaths = await addListings(source, options, collector, isKnown)
    const entries = collector.entries(compiled.tree, locate)
    const marks = marksOnTree(entries, locate, source.name)
    collector.leftOut.addAll(source.leftOut?.list() ?? [])
    if (!options.allowPrivileged) refusePrivileged(compiled.tree, marks, source.name)
    options.onTree?.(compiled.tree, marks)
    const sidecar = entries.length === 0 ? undefined : encodeSidecar({ entries, ...options.names.used })
    const published = await publish(store, compiled, marks, sidecar, options)
    return {
      ...published,
      tarBytes: compiled.tarBytes,
      dataBytes: compiled.data.dataBytes,
      packedBlocks: compiled.data.blocks?.packed ?? 0,
      aclPaths: entries.filter(entry => entry.acl !== undefined || entry.defaultAcl !== undefined).length,
      attributePaths: entries.filter(entry => entry.attributes !== undefined).length,
      missingPaths,
      leftOutAttributes: collector.leftOut.list(),
      hostLabels: collector.hostLabels.list(),
      ignoredKeys: compiled.oddities.ignoredKeys,
      oddities: compiled.oddities.found,
      hasLowerLinks: compiled.tree.hasLowerLinks,
      leftOut: compiled.leftOut.size
    }
  } finally {
    await compiled.dataFiles?.discard()
    await compiled.recipeFile.discard()
  }
}

/** The data file is missing if the store has it. */
type Compiled = ParsedTar & Partial<Pick<CompiledTar, 'dataFiles'>>

async function compile(
  store: Store,
  source: LayerSource,
  { limits, names, placement, parent }: ImportOptions,
  onEntry: TarInput['onEntry']
): Promise<Compiled> {
  const { name, chunks, announced, endsAtMarker } = source
  const onDigest = async (found: Digest) => {
    if (announced !== undefined && found !== announced.digest) throw announced.refuse(found)
    if (!names.hasUnknown) return
    await readAclListing(source, names) // read only for its names
    names.refuseUnknown()
  }
  const isInVain = () => names.hasUnknown
  const hasLower = parent !== undefined
  const { searched } = store
  const input = {
    name,
    chunks,
    limits,
    endsAtMarker,
    placement,
    searched,
    hasLower,
    onEntry,
    isInVain,
    onDigest
  }
  const stored = announced && (await findStoredData(store, announced.digest))
  return stored === undefined
    ? compileTar(store.root, store.profile, input)
    : compileStoredTar(store.root, store.profile, input, stored)
}

/** @returns paths that the archive lacks, if that is allowed */
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
  for (const block of await readAclListing(source, options.names))
    if (isThere(block.path)) collector.addAclBlock(block, source.aclFile!)
  options.names.refuseUnknown()
  if (missing.length > 0 && !options.ignoreMissing)
    throw new StrataError('PATH_MISSING', {
      message: `${countThatAre(missing.length, 'path')} listed beside ${source.name}, but not in it`,
      facts: { paths: missing.map(path => showPath(path) || '.') },
      hint: '--ignore-missing goes on without them'
    })
  return missing
}

const readAclListing = async ({ aclFile }: LayerSource, resolve: IdNames): Promise<GetfaclBlock[]> =>
  aclFile === undefined ? [] : parseGetfacl(await readListing(aclFile), { source: aclFile, resolve })

const readListing = (name: string): Promise<Buffer> =>
  readFile(name).catch((error: NodeJS.ErrnoException) => {
    throw new StrataError('IO', { message: `${name} cannot be read: ${systemWords(error)}`, cause: error })
  })

/** @throws StrataError PRIVILEGED */
export const refusePrivileged = (tree: LayerTree, marks: ReadonlyMap<Inode, Marks>, archive: string): void =>
  refuseFound(privilegedPaths(tree, marks), archive)

/** The same for a layer of a store. @throws StrataError PRIVILEGED; as openObject */
export const refusePrivilegedLayer = async (store: Store, id: CID, what: string): Promise<void> =>
  refuseFound(privilegedInIndex(await readLayerIndex(store, id)), what)

function refuseFound(found: PrivilegedPath[], archive: string): void {
  if (found.length === 0) return
  throw new StrataError('PRIVILEGED', {
    message: `${archive} holds ${count(found.length, 'file')} with privileges, which a library or application should not have`,
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
  const known = findBlob({ ...store, searched: [store] }, sha256Of(id)) !== undefined
  const digests = { layer: sha256Of(id), tar: digest, ...(sidecarCid && { sidecar: sha256Of(sidecarCid) }) }
  const access = (await accessFor?.(digests)) ?? OPEN
  if (isPacked(compiled)) await publishData(store.root, store.profile, compiled, access.tar)
  await publishRecipe(store.root, compiled, access.tar)
  if (sidecar !== undefined) await putBlob(store, sidecar, access.sidecar)
  await putBlob(store, bytes)
  await publishIndex(store.root, store.profile, id, compiled, marks, access.index)
  return { id, manifest, known }
}

const isPacked = (compiled: Compiled): compiled is CompiledTar => compiled.dataFiles !== undefined

const OPEN: LayerAccess = { tar: EVERYONE, sidecar: EVERYONE, index: EVERYONE }

async function publishRecipe(
  storeRoot: string,
  { digest, recipeFile }: ParsedTar,
  access: FileAccess
): Promise<void> {
  const { sha256 } = await hashFile(recipeFile.handle)
  const path = blobPath(digest, '.recipe')
  await publishOrHeal(storeRoot, recipeFile, path, access, () => hasHash(storeRoot, path, sha256))
}

/** Numbers of names in the tree (whiteouts and implied parents included, the root not), and bytes of its files. */
export function contentsOf(
  tree: LayerTree,
  contentSize: Float64Array
): Pick<LayerManifest, 'entries' | 'bytes'> {
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
