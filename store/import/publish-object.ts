/** Publishes the files of an object if they are missing or damaged. */
import { createHash } from 'node:crypto'
import type { CID } from 'multiformats/cid'
import { DataFile, noteOwnCheck, type WantedData } from '../contents/index.ts'
import {
  dataPath,
  type FileAccess,
  indexPath,
  partPath,
  publishersOf,
  type StorePath,
  storeFolder,
  TemporaryFile
} from '../files/index.ts'
import { noteBlocks } from '../index/index.ts'
import {
  buildIndex,
  encodeIndex,
  encodePartList,
  hashOfIndex,
  type Inode,
  type LayerIndex,
  type Marks,
  type PartList
} from '../object/index.ts'
import { type Digest, isDenied, type Profile, StrataError, sha256Of } from '../values/index.ts'
import type { CompiledTar, ParsedTar } from './compile-tar.ts'
import { hasHash, publishOrHeal } from './publish-file.ts'
import { publishParts } from './publish-parts.ts'

/** An existing data file stays, unless it is damaged: then its files are replaced. @throws as publishOrHeal */
export async function publishData(
  storeRoot: string,
  profile: Profile,
  { digest, data, dataFiles }: Pick<CompiledTar, 'digest' | 'data' | 'dataFiles'>,
  access: FileAccess
): Promise<void> {
  const path = dataPath(digest, profile)
  const isIntact = await isIntactData(storeRoot, path, data)
  if (!isIntact) await publishParts(storeRoot, dataFiles, access)
  await putPartList(storeRoot, path, { ...data, parts: dataFiles.parts }, { access, isIntact })
  if (!isIntact && data.blocks !== undefined)
    await noteBlocks(storeRoot, profile, dataFiles.parts, data.blocks)
}

/** Publishes the list of parts that the store has already. An existing data file stays, unless it is damaged. */
export async function publishPartList(
  storeRoot: string,
  profile: Profile,
  tarball: Digest,
  list: PartList,
  access: FileAccess
): Promise<void> {
  const path = dataPath(tarball, profile)
  const isIntact = await isIntactData(storeRoot, path, list)
  await putPartList(storeRoot, path, list, { access, isIntact })
}

async function putPartList(
  storeRoot: string,
  path: StorePath,
  list: PartList,
  { access, isIntact }: { access: FileAccess; isIntact: boolean }
): Promise<void> {
  const file = TemporaryFile.create(storeRoot)
  try {
    await file.handle.writeFile(encodePartList(list))
    await publishOrHeal(storeRoot, file, path, access, async () => isIntact)
  } finally {
    await file.discard()
  }
  await noteIfReadable(storeRoot, path, list)
}

/** True if the data file is whole; it may be cut in another way. */
async function isIntactData(storeRoot: string, path: StorePath, data: WantedData): Promise<boolean> {
  let found: DataFile | undefined
  try {
    found = await DataFile.openIfThere(storeRoot, path)
    if (found === undefined) return false
    await found.verify(data)
    return found.list.parts.every(({ sha256 }) => storeFolder(storeRoot).isThere(partPath(sha256)))
  } catch (error) {
    if (!(error instanceof StrataError)) throw error
    return isDenied(error) // a file for other groups is theirs to check
  } finally {
    await found?.close()
  }
}

/** Like `publishData`, for the index, which another publisher may have put there before. @throws as publishOrHeal */
export async function publishIndex(
  storeRoot: string,
  profile: Profile,
  layer: CID,
  { tree, data }: Pick<ParsedTar, 'tree' | 'data'>,
  marks: ReadonlyMap<Inode, Marks>,
  access: FileAccess
): Promise<void> {
  await publishTreeIndex(storeRoot, profile, layer, buildIndex(tree, marks, data, profile), access)
}

/** @throws as publishOrHeal */
export async function publishTreeIndex(
  storeRoot: string,
  profile: Profile,
  layer: CID,
  index: LayerIndex,
  access: FileAccess
): Promise<void> {
  const file = TemporaryFile.create(storeRoot)
  try {
    const bytes = encodeIndex(index)
    await file.handle.writeFile(bytes)
    const path = indexPath(sha256Of(layer), profile)
    const wanted = createHash('sha256').update(bytes).digest()
    await publishOrHeal(storeRoot, file, path, access, () => hasHash(storeRoot, path, wanted))
    if (publishersOf(storeRoot).isShared)
      noteOwnCheck(`proof ${sha256Of(layer)} ${hashOfIndex(bytes).toString('hex')}`)
  } finally {
    await file.discard()
  }
}

/** So the first build need not hash what was just written. */
async function noteIfReadable(storeRoot: string, path: StorePath, data: WantedData): Promise<void> {
  try {
    const found = await DataFile.openIfThere(storeRoot, path)
    // The file may be gone by now; users of the file find that out before they rely on it (spec/store-layout.md#gc).
    await found?.noteAsWritten(data).finally(() => found.close())
  } catch (error) {
    if (!(error instanceof StrataError)) throw error
  }
}
