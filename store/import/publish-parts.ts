/**
 * Publishes the parts of a data file. A part that is there already is used, if all who may read the new data file may
 * read it. If it is for fewer people, it stays closed: the new data file is cut in another way there, and gets parts
 * of its own (spec/store-layout.md#parts-and-access).
 */
import { createHash } from 'node:crypto'
import { closeSync } from 'node:fs'
import { openPart } from '../contents/index.ts'
import {
  type FileAccess,
  isWithin,
  partPath,
  readAccess,
  type StorePath,
  withFileBelow
} from '../files/index.ts'
import { isDenied, StrataError } from '../values/index.ts'
import type { NewPart, PartFiles } from './part-files.ts'
import { publishOrHeal } from './publish-file.ts'

/** @throws StrataError STORE_ACCESS, OBJECT_CORRUPT */
export async function publishParts(storeRoot: string, files: PartFiles, access: FileAccess): Promise<void> {
  for (let at = 0; at < files.parts.length; ) {
    const part = files.parts[at]
    const path = partPath(part.sha256)
    if (isClosedToSome(storeRoot, path, access) && part.lengthBytes > 1)
      await files.split(at, splitPoint(part.lengthBytes, access))
    else {
      await publishOrHeal(storeRoot, part.file, path, access, async () => isIntactPart(storeRoot, part))
      at++
    }
  }
}

const isClosedToSome = (storeRoot: string, path: StorePath, access: FileAccess): boolean =>
  withFileBelow(storeRoot, path, fd => !isWithin(access, readAccess(fd).access)) === true

/** Data files for the same people are cut alike, and share their parts. */
function splitPoint(lengthBytes: number, access: FileAccess): number {
  const random = createHash('sha256').update(String(access)).digest().readUInt32LE(0)
  return 1 + (random % (lengthBytes - 1))
}

/** False if its file has other bytes, or is something that readers refuse. */
function isIntactPart(storeRoot: string, { sha256, lengthBytes }: NewPart): boolean {
  try {
    closeSync(openPart(storeRoot, { sha256, lengthBytes }).fd)
    return true
  } catch (error) {
    if (!(error instanceof StrataError)) throw error
    return isDenied(error) // a file for other groups is theirs to check
  }
}
