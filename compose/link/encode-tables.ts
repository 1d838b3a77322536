import { COMPRESSOR_ID, type Profile } from '../../store/values/index.ts'
import {
  ATTRIBUTE_SET_BYTES,
  encodeLookupTable,
  encodeSuperblock,
  FLAG,
  FRAGMENT_ENTRY_BYTES,
  MetadataStream,
  referenceOf
} from '../squashfs/index.ts'
import type { EncodedTree } from './encode-tree.ts'
import type { PackedFragments } from './pack-fragments.ts'

export interface ImageTables {
  /** Tables in file order, which follow the fragments. */
  parts: Buffer[]
  superblock: Buffer
  bytesUsed: number
}

/**
 * Encodes all tables without a gap, in the order that readers check (spec/squashfs.md#order): inodes, directories,
 * fragments, export, ids, attributes.
 * @throws StrataError IMAGE_LIMIT
 */
export function encodeTables(tree: EncodedTree, fragments: PackedFragments, profile: Profile): ImageTables {
  const parts: Buffer[] = []
  let end = fragments.end
  const add = (bytes: Buffer) => {
    const at = end
    parts.push(bytes)
    end += bytes.length
    return at
  }
  const addLookup = (rows: MetadataStream) => {
    const table = encodeLookupTable(rows, end)
    add(table.bytes)
    return table.places
  }
  const ids = tree.ids.encode()
  const inodeTable = add(tree.inodes.toBlocks())
  const directoryTable = add(tree.listings.toBlocks())
  const fragmentTable = addLookup(fragmentRows(fragments))
  const exportTable = addLookup(exportRows(tree.position))
  const idTable = addLookup(ids)
  const attributeTable = addAttributes(tree, end, add)
  const flags =
    FLAG.uncompressedInodes |
    FLAG.uncompressedAttributes |
    FLAG.uncompressedIds |
    FLAG.duplicates |
    FLAG.exportable |
    (attributeTable === undefined ? FLAG.noAttributes : 0)
  const superblock = encodeSuperblock({
    inodes: tree.position.length,
    mkfsTimeSeconds: tree.newestSeconds,
    blockSize: profile.blockSize,
    fragments: fragments.start.length,
    compressorId: COMPRESSOR_ID[profile.compressor],
    flags,
    ids: tree.ids.count,
    rootReference: BigInt(referenceOf(tree.position[0])),
    bytesUsed: end,
    idTable,
    attributeTable,
    inodeTable,
    directoryTable,
    fragmentTable,
    exportTable
  })
  return { parts, superblock, bytesUsed: end }
}

function fragmentRows({ start, stored }: PackedFragments): MetadataStream {
  const rows = new MetadataStream('fragment table')
  rows.reserve(FRAGMENT_ENTRY_BYTES * start.length)
  start.forEach((position, i) => {
    rows.u64(position)
    rows.u32(stored[i])
    rows.u32(0)
  })
  return rows
}

/** Inode references by inode number, for NFS file handles. */
function exportRows(positions: Uint32Array): MetadataStream {
  const rows = new MetadataStream('export table', 8 * positions.length + 8)
  rows.reserve(8 * positions.length)
  for (let i = 0; i < positions.length; i++) rows.reference(positions[i])
  return rows
}

/** Writes names and values, then the sets, then a header of 16 bytes and the positions of the sets' blocks. */
function addAttributes(
  { attributes }: EncodedTree,
  start: number,
  add: (bytes: Buffer) => number
): number | undefined {
  const { table } = attributes
  if (table.count === 0) return undefined
  const pairs = table.pairs.toBlocks()
  add(pairs)
  const header = Buffer.alloc(ATTRIBUTE_SET_BYTES)
  header.writeBigUInt64LE(BigInt(start), 0)
  header.writeUInt32LE(table.count, 8)
  const sets = encodeLookupTable(table.sets, start + pairs.length, header)
  add(sets.bytes)
  return sets.places
}
