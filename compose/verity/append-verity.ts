/**
 * A hash tree for dm-verity behind an image (spec/verity.md): the kernel then compares every block that it reads with
 * the root hash, whoever has written to the file or the disk since.
 */
import { createHash } from 'node:crypto'
import { readSync, writeSync } from 'node:fs'
import type { FileRange } from '../squashfs/index.ts'

export const BLOCK_BYTES = 4096
const HASH_BYTES = 32
const HASHES_PER_BLOCK = BLOCK_BYTES / HASH_BYTES
/** Of the reads that are hashed; a multiple of the block size. */
const PIECE_BYTES = 1 << 20
const UUID_BYTES = 16

export interface Verity {
  /** SHA-256, hexadecimal. */
  root: string
  /** Byte of the image at which the hash tree begins. */
  hashStart: number
  /** Image and tree. */
  lengthBytes: number
}

/** @param image a multiple of 4096 bytes, at least two blocks, in a file that is open for reading and writing */
export function appendVerity({ fd, startInFile, lengthBytes }: FileRange): Verity {
  const levels = hashLevels(hashesOfFile(fd, startInFile, lengthBytes))
  const root = hashOf(levels.at(-1)!)
  const superblock = encodeSuperblock(lengthBytes / BLOCK_BYTES, root)
  // The top level first.
  const tree = Buffer.concat([superblock, ...levels.reverse()])
  for (let done = 0; done < tree.length; )
    done += writeSync(fd, tree, done, tree.length - done, startInFile + lengthBytes + done)
  return { root: root.toString('hex'), hashStart: lengthBytes, lengthBytes: lengthBytes + tree.length }
}

/**
 * The root of a tree that `appendVerity` wrote, from its top block.
 * @param hashStart byte of the image at which the hash tree begins
 */
export function readVerityRoot({ fd, startInFile }: FileRange, hashStart: number): string {
  const top = Buffer.alloc(BLOCK_BYTES)
  readSync(fd, top, 0, BLOCK_BYTES, startInFile + hashStart + BLOCK_BYTES)
  return hashOf(top).toString('hex')
}

const hashOf = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()

/** One hash for each block, with zeros to the end of the last hash block. */
function hashesOfFile(fd: number, start: number, lengthBytes: number): Buffer {
  const hashes = hashBlocksFor(lengthBytes / BLOCK_BYTES)
  const piece = Buffer.allocUnsafe(PIECE_BYTES)
  let at = 0
  for (let done = 0; done < lengthBytes; done += PIECE_BYTES) {
    const wanted = Math.min(PIECE_BYTES, lengthBytes - done)
    for (let got = 0; got < wanted; ) {
      const bytes = readSync(fd, piece, got, wanted - got, start + done + got)
      if (bytes === 0) throw new RangeError(`the image ends at ${done + got}, wanted ${lengthBytes} bytes`)
      got += bytes
    }
    at = hashInto(hashes, at, piece.subarray(0, wanted))
  }
  return hashes
}

/** Levels from the leaves to the one block at the top. */
function hashLevels(leaves: Buffer): Buffer[] {
  const levels = [leaves]
  for (let below = leaves; below.length > BLOCK_BYTES; below = levels.at(-1)!) {
    const level = hashBlocksFor(below.length / BLOCK_BYTES)
    hashInto(level, 0, below)
    levels.push(level)
  }
  return levels
}

function hashInto(hashes: Buffer, start: number, blocks: Buffer): number {
  let at = start
  for (let i = 0; i < blocks.length; i += BLOCK_BYTES)
    at += hashOf(blocks.subarray(i, i + BLOCK_BYTES)).copy(hashes, at)
  return at
}

const hashBlocksFor = (hashes: number): Buffer =>
  Buffer.alloc(Math.ceil(hashes / HASHES_PER_BLOCK) * BLOCK_BYTES)

/** Of cryptsetup, a block long. */
function encodeSuperblock(dataBlocks: number, root: Buffer): Buffer {
  const bytes = Buffer.alloc(BLOCK_BYTES)
  bytes.write('verity', 0, 'latin1')
  bytes.writeUInt32LE(1, 8) // version
  bytes.writeUInt32LE(1, 12) // hash type: the salt, of which there is none, before the block
  root.copy(bytes, 16, 0, UUID_BYTES)
  bytes.write('sha256', 32, 'latin1')
  bytes.writeUInt32LE(BLOCK_BYTES, 64)
  bytes.writeUInt32LE(BLOCK_BYTES, 68)
  bytes.writeBigUInt64LE(BigInt(dataBlocks), 72)
  return bytes
}
