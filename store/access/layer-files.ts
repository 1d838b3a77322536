/** The files of a layer that hold its content, of all profiles: those that access groups are about. */
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

/** What the files of a layer are named by. */
export interface LayerDigests {
  /** In its id. */
  layer: Digest
  tar: Digest
  sidecar?: Digest
}

export interface LayerFile {
  /** Relative to the store. */
  path: string
  /** Which access it has. */
  part: keyof LayerAccess
}

/** Those that are there, and are files of this store: nothing that is reached through a link. */
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
 * For whom an index can be, by the recipe of the tarball and the sidecar: these say all that it says.
 * Call it only where their bytes were compared with their names, as far as they can be read: anything else could have
 * been put there.
 * @returns nobody where one of them is not here, or not ours to read
 */
export function indexAccessByContents(
  root: string,
  { tar, sidecar }: Omit<LayerDigests, 'layer'>
): FileAccess {
  const ofTar = accessByAll(root, tar)
  return sidecar === undefined ? ofTar : intersectionOf(ofTar, accessByAll(root, sidecar))
}

/** Of the files of a blob, whichever is the one that is read. */
function accessByAll(root: string, digest: Digest): FileAccess {
  const found = BLOB_ENCODINGS.map(encoding => accessIfReadable(root, blobPath(digest, encoding)))
  const there = found.filter(access => access !== undefined)
  return there.length === 0 ? [] : there.reduce(intersectionOf)
}

const accessIfReadable = (root: string, path: string): FileAccess | undefined =>
  withFileBelow(root, path, fd => (isReadable(fd) ? readAccess(fd).access : []))

/** @param fd of O_PATH */
function isReadable(fd: number): boolean {
  try {
    closeSync(reopen(fd, constants.O_RDONLY))
    return true
  } catch (error) {
    if (['EACCES', 'EPERM'].includes((error as NativeError).code)) return false
    throw error
  }
}
