/**
 * Proves that an object is what its layer compiles to, from the tarball and the sidecar, which the layer's id proves:
 * the same tree with the same contents. Nothing is packed, so this takes as long as reading the tarball twice.
 *
 * An index is named by its layer and not by its hash. In a store that a group publishes to, every member can put a
 * wrong index there, or a data file with other contents, with hashes that match.
 */
import { createHash } from 'node:crypto'
import { debuglog } from 'node:util'
import {
  type DataParts,
  isAsChecked,
  isOwnCheck,
  type LayerObject,
  noteChecked,
  noteOwnCheck,
  type ObjectFiles,
  readBlob,
  readOpenIndex,
  readSidecar
} from '../contents/index.ts'
import {
  isTrusted,
  openStoreFile,
  publishersOf,
  type Store,
  type StorePath,
  storeFolder
} from '../files/index.ts'
import type { LayerManifest } from '../module/index.ts'
import {
  buildIndex,
  ContentReader,
  checkListingHashes,
  encodeIndex,
  HASH_BYTES,
  hashOfIndex,
  type LayerIndex
} from '../object/index.ts'
import { StrataError, sha256Of, UNLIMITED } from '../values/index.ts'
import { scanTar } from './compile-tar.ts'
import { marksOnTree } from './marks-collector.ts'
import { inodeFinder, placementOf } from './placement.ts'

const debug = debuglog('strata')

/**
 * True if a build may take an object as it is: root, the store's owner or this user made it, or this user has compared
 * it with its tarball, now or before.
 * @throws StrataError BLOB_MISSING, BLOB_CORRUPT, ACCESS_DENIED for the tarball or the sidecar
 */
export async function isBelieved(store: Store, files: ObjectFiles): Promise<boolean> {
  const { uid, size } = await files.indexFile.stat()
  if (isTrusted(files.storeRoot, uid)) return true
  const ending = Buffer.alloc(HASH_BYTES)
  await files.indexFile.read(ending, 0, HASH_BYTES, Math.max(0, size - HASH_BYTES))
  const sha256 = ending.toString('hex')
  if (isAsChecked(files.storeRoot, files.indexPath, files.indexFile, sha256)) return true
  const check = `proof ${sha256Of(files.layer)} ${sha256}`
  if (isOwnCheck(check)) return true
  try {
    await proveObject(store, { ...files, index: await readOpenIndex(files) })
  } catch (error) {
    if (!(error instanceof StrataError) || error.code !== 'OBJECT_CORRUPT') throw error
    debug('not believed: %s', error.message)
    return false
  }
  noteOwnCheck(check)
  return true
}

/**
 * Writes a note about a tree index that root or the store's owner has proved. Everyone believes it, so nobody proves
 * the index again. The index still belongs to its maker, who can open it to others.
 * @param index as it was read and proved; the note has the hash of these bytes, whatever file has the name by now
 */
export async function noteProven(storeRoot: string, path: StorePath, index: LayerIndex): Promise<void> {
  const { owner, isShared } = publishersOf(storeRoot)
  if (!isShared || ![0, owner].includes(process.geteuid!())) return
  const file = await openStoreFile(storeRoot, path)
  try {
    if ([0, owner].includes((await file.stat()).uid)) return
    await noteChecked(storeRoot, path, file, hashOfIndex(encodeIndex(index)).toString('hex'))
  } finally {
    await file.close()
  }
}

/** @throws StrataError OBJECT_CORRUPT that names the index, if it differs from the layer; as readBlob */
export async function proveObject(
  store: Store,
  { storeRoot, indexPath, data, manifest, index }: Omit<LayerObject, 'layer'>
): Promise<void> {
  const path = storeFolder(storeRoot).displayPath(indexPath)
  try {
    await compare(store, manifest, index, data.parts)
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new StrataError('OBJECT_CORRUPT', {
      message: `index ${path} is not what its layer compiles to: ${cause.message}`,
      facts: { file: path },
      hint: 'the owner of the store can type compose fsck --repair, which makes it again',
      cause
    })
  }
}

/**
 * Checks everything that a plain build believes: the index is what its layer compiles to, and the data file has the
 * hash that the index names.
 * @throws StrataError OBJECT_CORRUPT; as readBlob
 */
export async function verifyObject(store: Store, object: LayerObject): Promise<void> {
  await object.data.verify(object.index)
  await proveObject(store, object)
}

/** @throws RangeError that names a difference; StrataError as readBlob */
async function compare(
  store: Store,
  manifest: LayerManifest,
  index: LayerIndex,
  data: DataParts
): Promise<void> {
  checkListingHashes(index)
  const tar = sha256Of(manifest.tar)
  const name = `tarball sha256:${tar}`
  const placement = placementOf(manifest)
  const { dataBytes, dataSha256 } = index
  const known = { tables: index, dataBytes, dataSha256 }
  const hasLower = manifest.parent !== undefined
  const chunks = readBlob(store, tar)
  const input = { name, chunks, limits: UNLIMITED, endsAtMarker: true, placement, hasLower }
  const scanned = await scanTar(input, known)
  const entries = (await readSidecar(store, manifest))?.entries ?? []
  const marks = marksOnTree(entries, inodeFinder(scanned.tree, placement, scanned.leftOut), name)
  const wanted = encodeIndex(buildIndex(scanned.tree, marks, scanned.data, index.profile))
  if (!hashOfIndex(wanted).equals(hashOfIndex(encodeIndex(index))))
    throw new RangeError('it has another tree')
  compareContents(index, data)
}

/** Compares the packed bytes with the hashes of all contents, which the tree has by now. */
function compareContents(index: LayerIndex, data: DataParts): void {
  const reader = new ContentReader(data, index, index.profile)
  for (let content = 0; content < index.contentSize.length; content++) {
    const hash = createHash('sha256')
    for (const piece of reader.read(content)) hash.update(piece)
    const wanted = index.contentHash.subarray(content * HASH_BYTES, (content + 1) * HASH_BYTES)
    if (!hash.digest().equals(wanted)) throw new RangeError(`content ${content} has other bytes`)
  }
}
