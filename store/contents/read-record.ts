/**
 * Records by their ids. One that lies there plainly, as those below 4 KiB do, is read at once: `compose list` and
 * `compose build` read one for each module, and streams of blobs with all that they stand on take 9 ms to load (a tenth of
 * `compose list`, measured with six modules). Its bytes are checked against its id all the same, and decoded by the one
 * decoder there is.
 */
import type { CID } from 'multiformats/cid'
import { type BlobEncoding, blobPath, readPlainFile, type Store, storeFolder } from '../files/index.ts'
import {
  decodeRecord,
  LARGEST_MANIFEST_BYTES,
  type ModuleRecord,
  peekRecord,
  type RecordField
} from '../module/index.ts'
import { type Digest, digestOf, formatCid, sha256Of } from '../values/index.ts'

/** @throws StrataError BLOB_MISSING, BLOB_CORRUPT, MANIFEST_INVALID */
export const readRecord = async (store: Store, id: CID): Promise<ModuleRecord> =>
  decodeRecord(await bytesOf(store, sha256Of(id)), where(id))

/** Some of its fields, without a look at the others: 4% of `compose list`. @throws StrataError as readRecord */
export const readRecordPart = async <K extends RecordField>(
  store: Store,
  id: CID,
  names: readonly K[]
): Promise<Pick<ModuleRecord, K>> => peekRecord(await bytesOf(store, sha256Of(id)), where(id), names)

const where = (id: CID): string => `module record ${formatCid(id)}`

async function bytesOf(store: Store, digest: Digest): Promise<Uint8Array> {
  return readPlain(store, digest) ?? (await readAny(store, digest))
}

/** Undefined where it does not lie there plainly and whole: the reader of blobs says why. */
function readPlain(store: Store, digest: Digest): Buffer | undefined {
  for (const { root } of store.searched) {
    const bytes = readSmallBlob(root, digest, '')
    if (bytes !== undefined) return digestOf(bytes) === digest ? bytes : undefined
  }
  return undefined
}

async function readAny(store: Store, digest: Digest): Promise<Uint8Array> {
  const { readWholeBlob } = await import('./blob-store.ts')
  return readWholeBlob(store, digest)
}

/** The file of a manifest as it is, unchecked; undefined where it is not there, not to be read, or too large. */
export function readSmallBlob(root: string, digest: Digest, encoding: BlobEncoding): Buffer | undefined {
  try {
    return readPlainFile(storeFolder(root), blobPath(digest, encoding), { mostBytes: LARGEST_MANIFEST_BYTES })
  } catch {
    return undefined
  }
}
