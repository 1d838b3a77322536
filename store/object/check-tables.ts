/**
 * Checks the tables of a data file (spec/object.md#tables), and how long the file is that they describe. A recipe has
 * these tables as well as a tree index, so the length is known before a byte of the file is there.
 */
import type { BlockForm } from '../values/index.ts'
import { blocksOf, type DataTables, NONE, STORED_RAW, storedBytes, tailBytes } from './layer-index.ts'
import { bytesToPage } from './part-cuts.ts'

/** In bytes: the limit of SquashFS. */
const LARGEST_BLOCK = 1 << 20

export function refuse(what: string): never {
  throw new RangeError(`it contradicts itself: ${what}`)
}

/**
 * @param dataBytes length of the data file
 * @throws RangeError that says which row is wrong
 */
export function checkTables(tables: DataTables, profile: BlockForm, dataBytes: number): void {
  if (!Number.isSafeInteger(dataBytes) || dataBytes < 0) refuse(`a data file of ${dataBytes} bytes`)
  const end = checkedEnd(tables, profile)
  if (end > dataBytes) refuse(`the block that ends at byte ${end} lies outside the data file`)
  if (end < dataBytes) refuse(`byte ${end} of the data file belongs to no block`)
  checkTails(tables, profile.blockSize)
}

/**
 * The length of the data file that a stranger's tables describe.
 * @param tables whose columns are as long as each other
 * @throws RangeError if no data file has these tables, or if a block is longer than what it unpacks to
 */
export function dataBytesOf(tables: DataTables, profile: BlockForm): number {
  const dataBytes = checkedEnd(tables, profile)
  checkTails(tables, profile.blockSize)
  checkSavings(tables, profile.blockSize)
  return dataBytes
}

function checkedEnd(tables: DataTables, profile: BlockForm): number {
  const { blockSize, level } = profile
  if (!Number.isInteger(Math.log2(blockSize)) || blockSize < 4096 || blockSize > LARGEST_BLOCK || level < 1)
    refuse(`level ${level} with blocks of ${blockSize} bytes`)
  checkBlocks(tables, blockSize)
  return endOfData(tables, blockSize)
}

function checkBlocks(tables: DataTables, blockSize: number): void {
  const { contentSize, contentFirstBlock, blockStored, fragmentStored, fragmentBytes } = tables
  for (let i = 0; i < blockStored.length; i++)
    if ((blockStored[i] & ~STORED_RAW) > blockSize) refuse('a block exceeds the block size')
  for (let i = 0; i < fragmentBytes.length; i++)
    if (fragmentBytes[i] > blockSize || (fragmentStored[i] & ~STORED_RAW) > blockSize)
      refuse(`fragment ${i} exceeds the block size`)
  let block = 0
  for (let i = 0; i < contentSize.length; i++) {
    const size = contentSize[i]
    if (!Number.isSafeInteger(size) || size < 0) refuse(`content ${i} has ${size} bytes`)
    // Blocks that several contents share would be counted for each of them, so a small index could ask for any amount
    // of work.
    const blocks = blocksOf(tables, i, blockSize)
    if (blocks > 0 && contentFirstBlock[i] !== block)
      refuse(`the blocks of content ${i} begin at ${contentFirstBlock[i]}`)
    block += blocks
    if (block > blockStored.length) refuse(`content ${i} names missing blocks`)
  }
  if (block !== blockStored.length) refuse(`block ${block} belongs to no content`)
}

/**
 * The end of the last block, after a check that blocks of contents and fragment blocks follow each other in the order of
 * their numbers, because linking copies all of them except those of hidden files. Between them, zeros may lead to the
 * next page.
 */
function endOfData(tables: DataTables, blockSize: number): number {
  const { contentSize, contentStart, contentFirstBlock, blockStored, fragmentStart, fragmentStored } = tables
  let at = 0
  let fragment = 0
  const follows = (start: number) => start === at || start === at + bytesToPage(at)
  const passFragments = (end: number) => {
    for (; fragment < fragmentStart.length && fragmentStart[fragment] < end; fragment++) {
      if (!follows(fragmentStart[fragment])) break
      at = fragmentStart[fragment] + (fragmentStored[fragment] & ~STORED_RAW)
    }
  }
  for (let i = 0; i < contentSize.length; i++) {
    const first = contentFirstBlock[i]
    const blocks = blocksOf(tables, i, blockSize)
    const lengthBytes = blocks === 0 ? 0 : storedBytes(blockStored, first, first + blocks)
    if (lengthBytes === 0) continue
    passFragments(contentStart[i])
    if (!follows(contentStart[i])) refuse(`byte ${at} of the data file belongs to no block, or to several`)
    at = contentStart[i] + lengthBytes
  }
  passFragments(Number.POSITIVE_INFINITY)
  if (fragment !== fragmentStart.length)
    refuse(`byte ${at} of the data file belongs to no block, or to several`)
  return at
}

/** Checks that tails fill the fragments in the order of their contents' numbers. */
function checkTails(tables: DataTables, blockSize: number): void {
  const { contentSize, contentFragment, contentFragmentOffset, fragmentBytes } = tables
  let fragment = 0
  let filled = 0
  for (let i = 0; i < contentSize.length; i++) {
    if (contentFragment[i] === NONE) continue
    const bytes = tailBytes(tables, i, blockSize)
    if (bytes === 0) refuse(`content ${i} has no tail, but a fragment`)
    if (filled === fragmentBytes[fragment]) {
      fragment++
      filled = 0
    }
    if (contentFragment[i] !== fragment || contentFragmentOffset[i] !== filled)
      refuse(`the tail of content ${i} is not after the one before`)
    filled += bytes
    if (filled > fragmentBytes[fragment]) refuse(`the tail of content ${i} lies outside its fragment`)
  }
  const isFull =
    fragmentBytes.length === 0 ||
    (fragment === fragmentBytes.length - 1 && filled === fragmentBytes[fragment])
  if (!isFull) refuse(`fragment ${fragment} has bytes of no content`)
}

/** What packing does not make smaller is stored as it is, so tables of small files cannot ask for large data. */
function checkSavings(tables: DataTables, blockSize: number): void {
  const { contentSize, contentFirstBlock, blockStored, fragmentStored, fragmentBytes } = tables
  for (let i = 0; i < contentSize.length; i++) {
    const blocks = blocksOf(tables, i, blockSize)
    for (let block = 0; block < blocks; block++) {
      const rawBytes = Math.min(blockSize, contentSize[i] - block * blockSize)
      if ((blockStored[contentFirstBlock[i] + block] & ~STORED_RAW) > rawBytes)
        refuse(`block ${block} of content ${i} is longer than its ${rawBytes} bytes`)
    }
  }
  for (let i = 0; i < fragmentBytes.length; i++)
    if ((fragmentStored[i] & ~STORED_RAW) > fragmentBytes[i])
      refuse(`fragment ${i} is longer than its ${fragmentBytes[i]} bytes`)
}
