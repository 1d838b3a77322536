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
  readAccess,
  withFileBelow
} from '../files/index.ts'
import type { Digest } from '../values/index.ts'
import type { LayerAccess } from './layer-access.ts'

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
  /** The part whose access applies to it. */
  part: keyof LayerAccess
}

/** Files of the layer that exist in this store and are not reached through a link. */
export function filesOfLayer(root: string, { layer, tar, sidecar }: LayerDigests): LayerFile[] {
  const blobs = (digest: Digest, part: LayerFile['part']) =>
    BLOB_ENCODINGS.map(encoding => ({ path: blobPath(digest, encoding), part }))
  const candidates: LayerFile[] = [
    ...blobs(tar, 'tar'),
    ...foldersBelow(root, DATA).map(profile => ({ path: dataPathBelow(profile, tar), part: 'tar' as const })),
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
