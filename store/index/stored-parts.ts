/** Reads the blocks of stored data files again, for databases that lack them (spec/index.md#blocks). */
import { createHash } from 'node:crypto'
import { debuglog } from 'node:util'
import { DataFile, findBlob } from '../contents/index.ts'
import { dataPath, openStoreFile, type Store } from '../files/index.ts'
import { blocksOf, type DataTables, type Part, readRecipe, STORED_RAW, unpackBlock } from '../object/index.ts'
import type { Digest, Profile } from '../values/index.ts'
import { type BlockInPart, type BlockPlaces, firstAtLeast, type PartToNote } from './block-writer.ts'

const debug = debuglog('strata')

/**
 * The parts of tarballs in a store, each once. Tarballs that it lacks, that are damaged, or that this user may not read
 * are left out.
 */
export async function storedParts(store: Store, tarballs: Iterable<Digest>): Promise<PartToNote[]> {
  const parts = new Map<Digest, PartToNote>()
  let last: { tarball: Digest; data: Promise<StoredData | undefined> } | undefined
  // Parts of one tarball are asked for one after another.
  const read = (tarball: Digest) => {
    if (last?.tarball !== tarball) last = { tarball, data: readData(store, tarball) }
    return last.data
  }
  for (const tarball of tarballs) {
    const data = await readData(store, tarball)
    for (const part of data?.parts ?? [])
      parts.set(part.sha256, {
        ...part,
        profile: data!.profile,
        blocks: async () => {
          const tables = await read(tarball)
          return tables && readBlocks(store, tarball, tables, part)
        }
      })
  }
  return [...parts.values()]
}

interface StoredData {
  profile: Profile
  parts: Part[]
  blocks: BlockPlaces
}

async function readData({ root, profile }: Store, tarball: Digest): Promise<StoredData | undefined> {
  try {
    const found = findBlob({ root, profile, searched: [{ root, profile }] }, tarball)
    if (found?.encoding !== '.recipe') return undefined
    const file = await openStoreFile(root, found.path)
    const recipe = await readRecipe(file).finally(() => file.close())
    const data = await DataFile.openIfThere(root, dataPath(tarball, recipe.profile), 'all')
    await data?.close()
    const blocks = placesOf(recipe.columns, recipe.profile)
    return data && { profile: recipe.profile, parts: data.list.parts, blocks }
  } catch (error) {
    debug('blocks of tarball %s cannot be read: %o', tarball, error)
    return undefined
  }
}

/** The stored blocks and fragment blocks of a data file, in its order. */
function placesOf(tables: DataTables, { blockSize }: Profile): BlockPlaces {
  const places: { start: number; stored: number }[] = []
  const { contentStart, contentFirstBlock, blockStored, fragmentStart, fragmentStored } = tables
  for (let content = 0; content < contentStart.length; content++) {
    let start = contentStart[content]
    const first = contentFirstBlock[content]
    for (let i = 0; i < blocksOf(tables, content, blockSize); i++) {
      const stored = blockStored[first + i]
      if (stored !== 0) places.push({ start, stored })
      start += stored & ~STORED_RAW
    }
  }
  for (let i = 0; i < fragmentStart.length; i++)
    places.push({ start: fragmentStart[i], stored: fragmentStored[i] })
  places.sort((a, b) => a.start - b.start)
  return {
    starts: Float64Array.from(places, ({ start }) => start),
    stored: Uint32Array.from(places, ({ stored }) => stored)
  }
}

/** Undefined if a block of the part cannot be read; what it is, fsck says elsewhere. */
async function readBlocks(
  { root }: Store,
  tarball: Digest,
  { profile, blocks: { starts, stored } }: StoredData,
  part: Part
): Promise<BlockInPart[] | undefined> {
  const data = await DataFile.openIfThere(root, dataPath(tarball, profile), 'all')
  if (data === undefined) return undefined
  const packed = new Uint8Array(profile.blockSize)
  const raw = new Uint8Array(profile.blockSize)
  const found: BlockInPart[] = []
  try {
    for (let i = firstAtLeast(starts, part.start); i < starts.length; i++) {
      const lengthBytes = stored[i] & ~STORED_RAW
      if (starts[i] + lengthBytes > part.start + part.lengthBytes) break
      const bytes = packed.subarray(0, lengthBytes)
      data.parts.read(starts[i], bytes)
      const rawBytes = raw.subarray(0, unpackBlock(bytes, stored[i], raw, profile.compressor))
      const hash = createHash('sha256').update(rawBytes).digest()
      found.push({ hash, offset: starts[i] - part.start, stored: stored[i] })
    }
    return found
  } catch (error) {
    debug('blocks of part %s cannot be read: %o', part.sha256, error)
    return undefined
  } finally {
    await data.close()
  }
}
