/** The files that hold a layer's content, for all profiles: access groups apply to these. */
import { closeSync, constants } from 'node:fs'
import { type NativeError, reopen } from '../../native/index.ts'
import {
  BLOB_ENCODINGS,
  blobPath,
  DATA,
  dataPathBelow,
  type FileAccess,
  foldersBelow,
  indexPathBelow,
  intersectionOf,
  OBJECTS,
  partPath,
  readAccess,
  withFileBelow
} from '../files/index.ts'
import type { Digest } from '../values/index.ts'
import type { LayerAccess } from './layer-access.ts'
import { readableParts } from './part-tarballs.ts'

/** The digests by which the files of a layer are named. */
export interface LayerDigests {
  /** The digest in its id. */
  layer: Digest
  tar: Digest
  sidecar?: Digest
}

export interface LayerFile {
  /** Relative to the store. */
  path: string
  /** The part of the layer whose access applies to it. */
  part: keyof LayerAccess
  /** Name of a part of the data file, which other tarballs may need as well. */
  sharedPart?: Digest
}

/**
 * Files of the layer that exist in this store and are not reached through a link.
 */
export async function filesOfLayer(
  root: string,
  { layer, tar, sidecar }: LayerDigests
): Promise<LayerFile[]> {
  const blobs = (digest: Digest, part: LayerFile['part']) =>
    BLOB_ENCODINGS.map(encoding => ({ path: blobPath(digest, encoding), part }))
  const lists = foldersBelow(root, DATA).map(profile => dataPathBelow(profile, tar))
  const parts = new Set<Digest>()
  for (const list of lists) for (const { sha256 } of await readableParts(root, list)) parts.add(sha256)
  const candidates: LayerFile[] = [
    ...blobs(tar, 'tar'),
    ...lists.map(path => ({ path, part: 'tar' as const })),
    ...[...parts].map(sharedPart => ({ path: partPath(sharedPart), part: 'tar' as const, sharedPart })),
    ...(sidecar === undefined ? [] : blobs(sidecar, 'sidecar')),
    ...foldersBelow(root, OBJECTS).map(profile => ({
      path: indexPathBelow(profile, layer),
      part: 'index' as const
    }))
  ]
  return candidates.filter(({ path }) => withFileBelow(root, path, () => true))
}

/**
 * Access that an index may have, from the tarball's recipe and the sidecar, which contain all of its information. Call
 * it only after their bytes were compared with their names as far as they can be read, because anything else could have
 * been put there.
 * @returns nobody if one of them is missing or cannot be read
 */
export function indexAccessByContents(
  root: string,
  { tar, sidecar }: Omit<LayerDigests, 'layer'>
): FileAccess {
  const ofTar = accessByAll(root, tar)
  return sidecar === undefined ? ofTar : intersectionOf(ofTar, accessByAll(root, sidecar))
}

/** Intersection of the access of a blob's files, because any of them may be read. */
function accessByAll(root: string, digest: Digest): FileAccess {
  const found = BLOB_ENCODINGS.map(encoding => accessIfReadable(root, blobPath(digest, encoding)))
  const there = found.filter(access => access !== undefined)
  return there.length === 0 ? [] : there.reduce(intersectionOf)
}

const accessIfReadable = (root: string, path: string): FileAccess | undefined =>
  withFileBelow(root, path, fd => (isReadable(fd) ? readAccess(fd).access : []))

/** @param fd O_PATH descriptor */
function isReadable(fd: number): boolean {
  try {
    closeSync(reopen(fd, constants.O_RDONLY))
    return true
  } catch (error) {
    if (['EACCES', 'EPERM'].includes((error as NativeError).code)) return false
    throw error
  }
}
