import { FLAG, MAGIC, NO_TABLE, SUPERBLOCK_BYTES } from './format-numbers.ts'

/** spec/squashfs.md#superblock; positions are bytes from the start of the image. */
export interface Superblock {
  inodes: number
  mkfsTimeSeconds: number
  blockSize: number
  fragments: number
  compressorId: number
  flags: number
  ids: number
  rootReference: bigint
  bytesUsed: number
  idTable: number
  /** Undefined if the image has no attributes. */
  attributeTable: number | undefined
  inodeTable: number
  directoryTable: number
  /** Undefined if the image has no such table; ours always have one. */
  fragmentTable: number | undefined
  exportTable: number | undefined
}

export function encodeSuperblock(superblock: Superblock): Buffer {
  const bytes = Buffer.alloc(SUPERBLOCK_BYTES)
  bytes.writeUInt32LE(MAGIC, 0)
  bytes.writeUInt32LE(superblock.inodes, 4)
  bytes.writeUInt32LE(superblock.mkfsTimeSeconds, 8)
  bytes.writeUInt32LE(superblock.blockSize, 12)
  bytes.writeUInt32LE(superblock.fragments, 16)
  bytes.writeUInt16LE(superblock.compressorId, 20)
  bytes.writeUInt16LE(Math.log2(superblock.blockSize), 22)
  bytes.writeUInt16LE(superblock.flags, 24)
  bytes.writeUInt16LE(superblock.ids, 26)
  bytes.writeUInt16LE(4, 28)
  bytes.writeUInt16LE(0, 30)
  bytes.writeBigUInt64LE(superblock.rootReference, 32)
  const { bytesUsed, idTable, attributeTable, inodeTable, directoryTable, fragmentTable, exportTable } =
    superblock
  const positions = [
    bytesUsed,
    idTable,
    attributeTable,
    inodeTable,
    directoryTable,
    fragmentTable,
    exportTable
  ]
  positions.forEach((position, i) => {
    bytes.writeBigUInt64LE(position === undefined ? NO_TABLE : BigInt(position), 40 + 8 * i)
  })
  return bytes
}

/** @throws RangeError naming the field and its byte */
export function decodeSuperblock(bytes: Buffer, fileBytes: number): Superblock {
  checkFormat(bytes)
  const blockSize = decodeBlockSize(bytes)
  const bytesUsed = decodeBytesUsed(bytes, fileBytes)
  const flags = bytes.readUInt16LE(24)
  const superblock: Superblock = {
    inodes: bytes.readUInt32LE(4),
    mkfsTimeSeconds: bytes.readUInt32LE(8),
    blockSize,
    fragments: bytes.readUInt32LE(16),
    compressorId: bytes.readUInt16LE(20),
    flags,
    ids: bytes.readUInt16LE(26),
    rootReference: bytes.readBigUInt64LE(32),
    bytesUsed,
    ...decodeTablePositions(bytes, flags, bytesUsed)
  }
  if (superblock.inodes === 0) refuse('no inodes (byte 4)')
  return superblock
}

const refuse = (message: string): never => {
  throw new RangeError(message)
}

function checkFormat(bytes: Buffer): void {
  if (bytes.length < SUPERBLOCK_BYTES)
    refuse(
      `this is no SquashFS image: the file has ${bytes.length} bytes, wanted at least ${SUPERBLOCK_BYTES}`
    )
  if (bytes.readUInt32LE(0) !== MAGIC) refuse('no "hsqs" at byte 0: this is no SquashFS image')
  const [major, minor] = [bytes.readUInt16LE(28), bytes.readUInt16LE(30)]
  if (major !== 4 || minor !== 0) refuse(`version ${major}.${minor} at byte 28, wanted 4.0`)
}

function decodeBlockSize(bytes: Buffer): number {
  const blockSize = bytes.readUInt32LE(12)
  const blockLog = bytes.readUInt16LE(22)
  if (blockSize !== 2 ** blockLog || blockLog < 12 || blockLog > 20)
    refuse(`block size ${blockSize} at byte 12 and its logarithm ${blockLog} at byte 22 do not fit`)
  return blockSize
}

function decodeBytesUsed(bytes: Buffer, fileBytes: number): number {
  const bytesUsed = Number(bytes.readBigUInt64LE(40))
  if (bytesUsed < SUPERBLOCK_BYTES || bytesUsed > fileBytes)
    refuse(`${bytesUsed} bytes in use at byte 40, but the file has ${fileBytes}: it was cut off`)
  return bytesUsed
}

type TablePositions = Pick<
  Superblock,
  'idTable' | 'attributeTable' | 'inodeTable' | 'directoryTable' | 'fragmentTable' | 'exportTable'
>

function decodeTablePositions(bytes: Buffer, flags: number, bytesUsed: number): TablePositions {
  const position = (offset: number, what: string): number | undefined => {
    const value = bytes.readBigUInt64LE(offset)
    if (value === NO_TABLE) return undefined
    if (value < BigInt(SUPERBLOCK_BYTES) || value > BigInt(bytesUsed))
      refuse(`${what} at ${value} (byte ${offset}) lies outside the ${bytesUsed} bytes in use`)
    return Number(value)
  }
  const needed = (offset: number, what: string) =>
    position(offset, what) ?? refuse(`no ${what} (byte ${offset})`)
  const tables: TablePositions = {
    idTable: needed(48, 'id table'),
    attributeTable: flags & FLAG.noAttributes ? undefined : position(56, 'attribute table'),
    inodeTable: needed(64, 'inode table'),
    directoryTable: needed(72, 'directory table'),
    fragmentTable: position(80, 'fragment table'),
    exportTable: position(88, 'export table')
  }
  const { inodeTable, directoryTable } = tables
  if (inodeTable > directoryTable)
    refuse(`inode table at ${inodeTable} lies behind the directory table at ${directoryTable}`)
  return tables
}
