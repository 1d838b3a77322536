/**
 * Gets a part of a data file into the store: from a store that has it, or from elsewhere. It gets its name as soon as
 * its bytes are proven by its hash, so a transfer that was killed goes on with the next part. Until a part list names
 * it, `compose gc` takes it for a leftover.
 */
import { closeSync } from 'node:fs'
import { openPart } from '../contents/index.ts'
import { type FileAccess, isWithin, partPath, readAccess, type Store, withFileBelow } from '../files/index.ts'
import type { CheckedPart, Part } from '../object/index.ts'
import { StrataError } from '../values/index.ts'
import { PartFiles } from './part-files.ts'
import { publishParts } from './publish-parts.ts'

/**
 * A store that has the part, open to all whom `access` admits. A part for fewer people is fetched, though it is here: whoever
 * names a part need not have read it, for names are in the store's folders for everybody to see.
 * @returns its root
 */
export const findPart = (store: Store, part: Part, access: FileAccess): string | undefined =>
  store.searched.find(({ root }) => isOpenTo(root, part, access) && isWhole(root, part))?.root

/**
 * Writes a part into the store.
 * @param access of a new file
 * @param pieces the part's bytes
 * @returns the part; two if its file is for fewer people than `access` says (spec/store-layout.md#parts-and-access)
 * @throws RangeError if the bytes are not the part; StrataError as publishParts
 */
export async function takePart(
  store: Store,
  part: Part,
  access: FileAccess,
  pieces: AsyncIterable<Uint8Array>
): Promise<CheckedPart[]> {
  const files = new PartFiles(store.root)
  try {
    await files.take(part, pieces)
    await publishParts(store.root, files, access)
    return files.parts.map(({ start, lengthBytes, sha256 }) =>
      storedPart(store, { start, lengthBytes, sha256 })
    )
  } finally {
    await files.discard()
  }
}

/** A part that the store has, as the file that it is now. */
export function storedPart({ root }: Store, part: Part): CheckedPart {
  const { fd, identity } = openPart(root, part, 'all')
  closeSync(fd)
  return { ...part, identity }
}

const isOpenTo = (root: string, { sha256 }: Part, access: FileAccess): boolean =>
  withFileBelow(root, partPath(sha256), fd => isWithin(access, readAccess(fd).access)) === true

/** False for a part that is missing or damaged. */
function isWhole(root: string, part: Part): boolean {
  try {
    closeSync(openPart(root, part).fd)
    return true
  } catch (error) {
    if (error instanceof StrataError) return false
    throw error
  }
}
