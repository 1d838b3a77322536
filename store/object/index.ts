/** A layer's recipe, tree index and data file, and how their blocks are packed (spec/object.md). */
export { type Packing, unpackBlock } from './block-codec.ts'
export { checkIndex, isBehind, nameCheck } from './check-index.ts'
export { checkPackedForms } from './check-packed.ts'
export { dataBytesOf } from './check-tables.ts'
export { type Columns, decodeColumns, encodeColumns } from './column-codec.ts'
export { CompressPool, InlinePacker, type PackedBlock, type Packer } from './compress-pool.ts'
export { ContentReader, joinPieces } from './content-reader.ts'
export {
  type Belief,
  type CheckedPart,
  type DataSource,
  isParted,
  type OpenPart,
  type PartedBytes,
  type PartStretch,
  type PartsPlace,
  readStored
} from './data-source.ts'
export { type ContentSink, DataWriter, type FinishedData, type WrittenBlocks } from './data-writer.ts'
export { ENTRY_KIND } from './entry-kind.ts'
export { GrowingColumn, growingColumns, u8Column, viewColumns } from './growing-column.ts'
export {
  type FileHash,
  HashedFile,
  hashFile,
  MemorySink,
  readRange,
  type Sink,
  writeFully
} from './hashed-file.ts'
export { buildIndex, type Marks } from './index-builder.ts'
export { type FoundBlock, KEY_BYTES, type KnownBlocks } from './known-block.ts'
export { KnownData, type KnownTables } from './known-data.ts'
export {
  aclAt,
  blocksOf,
  createsPath,
  DATA_SCHEMA,
  type DataTables,
  dataSha256Of,
  decodeIndex,
  encodeIndex,
  FLAG_ANEW,
  FLAG_HOLLOW,
  FLAG_IMPLICIT,
  FLAG_OPAQUE,
  HASH_BYTES,
  HEADER_BYTES,
  hashOfIndex,
  Kind,
  type LayerIndex,
  NONE,
  STORED_RAW,
  storedBytes,
  stringAt,
  type TreeTables,
  tailBytes,
  WHITEOUT
} from './layer-index.ts'
export { deviceNumber, type Inode, LayerTree } from './layer-tree.ts'
export { checkListingHashes, listingHashOf } from './listing-hashes.ts'
export { bytesToPage, PAGE_BYTES } from './part-cuts.ts'
export { decodePartList, encodePartList, type Part, type PartList } from './part-list.ts'
export { PieceBuffer } from './piece-buffer.ts'
export { type Recipe, RecipeWriter, readRecipe, reconstructTar } from './recipe.ts'
export { latin1, StringTable } from './string-table.ts'
export { TreeHasher } from './tree-hasher.ts'
