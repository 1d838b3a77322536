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
  const tables = new TableSequence(fragments.end)
  const ids = tree.ids.encode()
  const inodeTable = tables.add(tree.inodes.toBlocks())
  const directoryTable = tables.add(tree.listings.toBlocks())
  const fragmentTable = tables.addLookup(fragmentRows(fragments))
  const exportTable = tables.addLookup(exportRows(tree.position))
  const idTable = tables.addLookup(ids)
  const attributeTable = addAttributes(tree, tables)
  const superblock = encodeSuperblock({
    inodes: tree.position.length,
    mkfsTimeSeconds: tree.newestSeconds,
    blockSize: profile.blockSize,
    fragments: fragments.start.length,
    compressorId: COMPRESSOR_ID[profile.compressor],
    flags: attributeTable === undefined ? FLAGS | FLAG.noAttributes : FLAGS,
    ids: tree.ids.count,
    rootReference: BigInt(referenceOf(tree.position[0])),
    bytesUsed: tables.end,
    idTable,
    attributeTable,
    inodeTable,
    directoryTable,
    fragmentTable,
    exportTable
  })
  return { parts: tables.parts, superblock, bytesUsed: tables.end }
}

const FLAGS =
  FLAG.uncompressedInodes |
  FLAG.uncompressedAttributes |
  FLAG.uncompressedIds |
  FLAG.duplicates |
  FLAG.exportable

/** Tables one after another. Each is added with its final position. */
class TableSequence {
  readonly parts: Buffer[] = []
  /** Position in the image of the next table. */
  end: number

  constructor(start: number) {
    this.end = start
  }

  /** @returns the position of the bytes */
  add(bytes: Buffer): number {
    const at = this.end
    this.parts.push(bytes)
    this.end += bytes.length
    return at
  }

  /** @returns the position of the places of the rows' blocks */
  addLookup(rows: MetadataStream, header?: Buffer<ArrayBuffer>): number {
    const table = encodeLookupTable(rows, this.end, header)
    this.add(table.bytes)
    return table.places
  }
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
function addAttributes({ attributes }: EncodedTree, tables: TableSequence): number | undefined {
  const { table } = attributes
  if (table.count === 0) return undefined
  const start = tables.add(table.pairs.toBlocks())
  const header = Buffer.alloc(ATTRIBUTE_SET_BYTES)
  header.writeBigUInt64LE(BigInt(start), 0)
  header.writeUInt32LE(table.count, 8)
  return tables.addLookup(table.sets, header)
}
