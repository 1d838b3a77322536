/** The files of a layer that hold its content, of all profiles: those that access groups are about. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Digest } from '../digest.ts'
import { BLOB_ENCODINGS, blobPath, DATA, indexPathBelow, OBJECTS } from '../store-layout.ts'
import { exists } from '../temporary-file.ts'
import type { LayerAccess } from './layer-access.ts'

/** What the files of a layer are named by. */
export interface LayerDigests {
  /** In its id. */
  layer: Digest
  tar: Digest
  sidecar?: Digest
}

export interface LayerFile {
  /** Absolute. */
  path: string
  /** Which access it has. */
  part: keyof LayerAccess
}

/** Those that are there. */
export async function filesOfLayer(
  root: string,
  { layer, tar, sidecar }: LayerDigests
): Promise<LayerFile[]> {
  const blobs = (digest: Digest, part: LayerFile['part']) =>
    BLOB_ENCODINGS.map(encoding => ({ path: join(root, blobPath(digest, encoding)), part }))
  const candidates: LayerFile[] = [
    ...blobs(tar, 'tar'),
    ...profilesIn(root, DATA).map(profile => ({
      path: join(root, DATA, profile, tar.slice(0, 2), tar.slice(2)),
      part: 'tar' as const
    })),
    ...(sidecar === undefined ? [] : blobs(sidecar, 'sidecar')),
    ...profilesIn(root, OBJECTS).map(profile => ({
      path: join(root, indexPathBelow(profile, layer)),
      part: 'index' as const
    }))
  ]
  const found: LayerFile[] = []
  for (const file of candidates) if (await exists(file.path)) found.push(file)
  return found
}

function profilesIn(root: string, area: string): string[] {
  try {
    return readdirSync(join(root, area)).sort()
  } catch {
    return []
  }
}
