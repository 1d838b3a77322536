/** Publishes the two files of an object if they are missing or damaged. */
import { createHash } from 'node:crypto'
import type { CID } from 'multiformats/cid'
import { noteChecked, noteOwnCheck } from '../contents/index.ts'
import {
  dataPath,
  type FileAccess,
  indexPath,
  openStoreFile,
  publishersOf,
  type StorePath,
  showUser,
  storeFolder,
  TemporaryFile
} from '../files/index.ts'
import { buildIndex, encodeIndex, hashFile, hashOfIndex, type Inode, type Marks } from '../object/index.ts'
import { isDenied, type Profile, StrataError, sha256Of } from '../values/index.ts'
import type { CompiledTar, ParsedTar } from './compile-tar.ts'

/** An existing data file stays, unless it is damaged: then this one replaces it. @throws as publishOrHeal */
export async function publishData(
  storeRoot: string,
  profile: Profile,
  { digest, data, dataFile }: Pick<CompiledTar, 'digest' | 'data' | 'dataFile'>,
  access: FileAccess
): Promise<void> {
  const path = dataPath(digest, profile)
  await publishOrHeal(storeRoot, dataFile, path, data.dataSha256, access)
  await noteIfReadable(storeRoot, path, data.dataSha256)
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
  const file = TemporaryFile.create(storeRoot)
  try {
    const bytes = encodeIndex(buildIndex(tree, marks, data, profile))
    await file.handle.writeFile(bytes)
    const path = indexPath(sha256Of(layer), profile)
    await publishOrHeal(storeRoot, file, path, createHash('sha256').update(bytes).digest(), access)
    if (publishersOf(storeRoot).isShared)
      noteOwnCheck(`proof ${sha256Of(layer)} ${hashOfIndex(bytes).toString('hex')}`)
  } finally {
    await file.discard()
  }
}

/**
 * @param wanted SHA-256 of the file's bytes
 * @throws StrataError OBJECT_CORRUPT if the name has other bytes, and only their owner or root may replace them
 */
export async function publishOrHeal(
  storeRoot: string,
  file: TemporaryFile,
  path: StorePath,
  wanted: Buffer,
  access: FileAccess
): Promise<void> {
  if (!(await isDamaged(storeRoot, path, wanted))) {
    await file.publish(path, access)
    return
  }
  try {
    await file.replace(path, access)
  } catch (cause) {
    if (!['EPERM', 'EACCES'].includes((cause as NodeJS.ErrnoException).code ?? '')) throw cause
    const shown = storeFolder(storeRoot).displayPath(path)
    const uid = storeFolder(storeRoot).status(path)?.uid
    throw new StrataError('OBJECT_CORRUPT', {
      message: `${shown} holds other bytes than it should, and belongs to ${uid === undefined ? 'another user' : showUser(uid)}`,
      facts: { file: shown },
      hint: 'the owner of the store or root can type compose fsck --repair, which removes it',
      cause
    })
  }
}

/** True if the file has other bytes, or is something that readers refuse. */
async function isDamaged(storeRoot: string, path: StorePath, wanted: Buffer): Promise<boolean> {
  try {
    return !(await hashStoreFile(storeRoot, path)).equals(wanted)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    if (!(error instanceof StrataError)) throw error
    return !isDenied(error) // a file for other groups is theirs to check
  }
}

async function hashStoreFile(storeRoot: string, path: StorePath): Promise<Buffer> {
  const file = await openStoreFile(storeRoot, path)
  try {
    return (await hashFile(file)).sha256
  } finally {
    await file.close()
  }
}

async function noteIfReadable(storeRoot: string, path: StorePath, sha256: Buffer): Promise<void> {
  try {
    const file = await openStoreFile(storeRoot, path)
    await noteChecked(storeRoot, path, file, sha256.toString('hex')).finally(() => file.close())
  } catch (error) {
    // The file may be gone by now; users of the file find that out before they rely on it (spec/store-layout.md#gc).
    if (!isDenied(error) && (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
