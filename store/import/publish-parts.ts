/**
 * Publishes the parts of a data file. A part that is there already is used, if all who may read the new data file may
 * read it. If it is for fewer people, it stays closed: the new data file is cut in another way there, and gets parts
 * of its own (spec/store-layout.md#parts-and-access).
 */
import { createHash } from 'node:crypto'
import { closeSync } from 'node:fs'
import { openPart } from '../contents/index.ts'
import {
  changeAccess,
  type FileAccess,
  isWithin,
  partPath,
  readAccess,
  type StorePath,
  unionOf,
  withFileBelow
} from '../files/index.ts'
import { inLanes, isDenied, StrataError } from '../values/index.ts'
import type { NewPart, PartFiles } from './part-files.ts'
import { publishOrHeal } from './publish-file.ts'

/** Parts that are flushed to disk side by side: the file system waits for the disk once for several. */
const LANES = 4

/** @throws StrataError STORE_ACCESS, OBJECT_CORRUPT */
export async function publishParts(storeRoot: string, files: PartFiles, access: FileAccess): Promise<void> {
  for (let at = 0; at < files.parts.length; at += LANES) {
    await splitClosed(storeRoot, files, access, at)
    await inLanes(files.parts.slice(at, at + LANES), LANES, part => publishPart(storeRoot, part, access))
  }
}

/** Cuts the next parts elsewhere, if their names belong to parts for fewer people. */
async function splitClosed(storeRoot: string, files: PartFiles, access: FileAccess, from: number) {
  for (let at = from; at < Math.min(from + LANES, files.parts.length); ) {
    const { sha256, lengthBytes } = files.parts[at]
    const isClosed = lengthBytes > 1 && isClosedToSome(storeRoot, partPath(sha256), access)
    if (isClosed) await files.split(at, splitPoint(lengthBytes, access))
    else at++
  }
}

async function publishPart(storeRoot: string, part: NewPart, access: FileAccess): Promise<void> {
  const path = partPath(part.sha256)
  if (part.lengthBytes === 1 && isClosedToSome(storeRoot, path, access)) openOneByte(storeRoot, path, access)
  await publishOrHeal(storeRoot, part.file, path, access, async () => isIntactPart(storeRoot, part))
}

const isClosedToSome = (storeRoot: string, path: StorePath, access: FileAccess): boolean =>
  withFileBelow(storeRoot, path, fd => !isWithin(access, readAccess(fd).access)) === true

/** A part of one byte cannot be cut. It is no secret: there are 256 of them. @throws StrataError STORE_ACCESS */
function openOneByte(storeRoot: string, path: StorePath, access: FileAccess): void {
  const found = withFileBelow(storeRoot, path, readAccess)
  if (found !== undefined) changeAccess(storeRoot, path, unionOf(found.access, access))
}

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
