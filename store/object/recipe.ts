/**
 * A recipe reconstructs a tarball from literals (headers, padding and all other bytes that are not file content) and
 * the contents in a data file (spec/store-layout.md#recipe). So a tarball and its compiled layer are stored once, and
 * nothing is compressed twice.
 *
 * File: literal frames, one after another | columns, packed | footer of fixed size
 */
import { createHash } from 'node:crypto'
import zstd from 'zstd-napi/binding.js'
import type { OpenFile } from '../disk/index.ts'
import { COMPRESSOR_ID, checkProfile, compressorOfId, type Profile } from '../values/index.ts'
import { type Packing, unpackBlock } from './block-codec.ts'
import { type Columns, decodeColumns, encodeColumns } from './column-codec.ts'
import { InlinePacker, type PackedBlock, type Packer } from './compress-pool.ts'
import { ContentReader } from './content-reader.ts'
import type { DataSource } from './data-source.ts'
import { growingColumns, viewColumns } from './growing-column.ts'
import { type HashedFile, readRange } from './hashed-file.ts'
import { blocksOf, DATA_SCHEMA, type DataTables, NONE, STORED_RAW } from './layer-index.ts'

/** One step: some literal bytes, then a range of a content. With NONE as content, the recipe ends. */
const STEP_SCHEMA = {
  literalBytes: 'f64',
  stepContent: 'u32',
  rangeStart: 'f64',
  rangeBytes: 'f64',
  /** Stored size of each literal frame, | STORED_RAW. All but the last unpack to LITERAL_FRAME bytes. */
  frameStored: 'u32'
} as const

const SCHEMA = { ...STEP_SCHEMA, ...DATA_SCHEMA } as const
type RecipeColumns = Columns<typeof SCHEMA>

const LITERAL_FRAME = 1 << 20
const MAX_FRAMES_UNDER_WAY = 8
/** Headers are mostly zeros, so a higher level would cost time and save next to nothing. */
const LITERAL_PACKING: Packing = { compressor: 'zstd', level: 3 }

/** A smaller last frame is packed in the calling thread: that takes 0.2 ms, and starting a worker 50 ms. */
const INLINE_BYTES = 1 << 16
const INLINE = new InlinePacker()

const MAGIC = 'STRATARC'
const VERSION = 1
const FOOTER_BYTES = 128

export interface Recipe {
  profile: Profile
  /** SHA-256 of the data file. */
  dataSha256: Buffer
  /** Bytes of the tarball. */
  sizeBytes: number
  columns: RecipeColumns
}

/** Collects the steps, and writes the literals as they come. */
export class RecipeWriter {
  readonly #file: HashedFile
  readonly #pool: Packer
  #frame = new Uint8Array(LITERAL_FRAME)
  #filled = 0
  #sizeBytes = 0
  #literalBytes = 0
  #writing: Promise<void> = Promise.resolve()
  #framesUnderWay = 0
  readonly #columns = growingColumns(STEP_SCHEMA)

  constructor(file: HashedFile, pool: Packer) {
    this.#file = file
    this.#pool = pool
  }

  /** Adds bytes of the tarball as literals. They are copied. */
  literal(bytes: Uint8Array): void {
    this.#sizeBytes += bytes.length
    this.#literalBytes += bytes.length
    let position = 0
    while (position < bytes.length) {
      const taken = Math.min(bytes.length - position, LITERAL_FRAME - this.#filled)
      this.#frame.set(bytes.subarray(position, position + taken), this.#filled)
      this.#filled += taken
      position += taken
      if (this.#filled === LITERAL_FRAME) this.#submitFrame()
    }
  }

  /** Adds a range of a content as the next bytes of the tarball. */
  content(content: number, rangeStart: number, rangeBytes: number): void {
    this.#sizeBytes += rangeBytes
    this.#step(content, rangeStart, rangeBytes)
  }

  /** Resolves when few frames wait to be written. @throws errors of writing and packing */
  async drain(): Promise<void> {
    if (this.#framesUnderWay > MAX_FRAMES_UNDER_WAY) await this.#writing
  }

  async finish(tables: DataTables, profile: Profile, dataSha256: Buffer): Promise<void> {
    this.#step(NONE, 0, 0)
    if (this.#filled > 0) this.#submitFrame(this.#filled < INLINE_BYTES ? INLINE : this.#pool)
    await this.#writing
    const columns = encodeColumns(SCHEMA, { ...viewColumns(this.#columns), ...tables })
    const packed = packColumns(columns)
    const columnsStart = this.#file.position
    await this.#file.append(packed)
    await this.#file.append(
      encodeFooter({
        columnsStart,
        packedBytes: packed.length,
        rawBytes: columns.length,
        columnsSha256: createHash('sha256').update(columns).digest(),
        sizeBytes: this.#sizeBytes,
        dataSha256,
        profile
      })
    )
    await this.#file.finish()
  }

  #step(content: number, rangeStart: number, rangeBytes: number): void {
    this.#columns.literalBytes.push(this.#literalBytes)
    this.#columns.stepContent.push(content)
    this.#columns.rangeStart.push(rangeStart)
    this.#columns.rangeBytes.push(rangeBytes)
    this.#literalBytes = 0
  }

  #submitFrame(packer = this.#pool): void {
    const packed = packer.pack(this.#frame.buffer, this.#filled, LITERAL_PACKING)
    this.#frame = new Uint8Array(LITERAL_FRAME)
    this.#filled = 0
    this.#framesUnderWay++
    this.#writing = this.#writing.then(() => this.#append(packed))
    this.#writing.catch(() => {}) // reported by drained and finish
    packed.catch(() => {})
  }

  async #append(packed: Promise<PackedBlock>): Promise<void> {
    const { bytes, stored } = await packed
    this.#framesUnderWay--
    this.#columns.frameStored.push(stored)
    await this.#file.append(bytes)
  }
}

/**
 * Tables of a recipe are mostly hashes and places, which packing hardly makes smaller; those of large files with holes
 * are the exception. So tables of a stranger that unpack to more than either of these are made to fill the memory.
 */
const MOST_STRANGE_RATIO = 256
const STRANGE_FLOOR_BYTES = 64 << 20

/**
 * Reads a recipe's tables; the literals stay in the file.
 * @param isStrange true for one that somebody sent, whose tables must not unpack to more than they can be
 * @throws RangeError that says what is wrong
 */
export async function readRecipe(file: OpenFile, isStrange = false): Promise<Recipe> {
  const { size } = await file.stat()
  if (size < FOOTER_BYTES) throw new RangeError(`a recipe of ${size} bytes is shorter than its footer`)
  const footer = decodeFooter(await readRange(file, size - FOOTER_BYTES, FOOTER_BYTES))
  if (footer.columnsStart + footer.packedBytes + FOOTER_BYTES !== size)
    throw new RangeError('its tables do not end where its footer begins')
  if (isStrange && footer.rawBytes > Math.max(STRANGE_FLOOR_BYTES, footer.packedBytes * MOST_STRANGE_RATIO))
    throw new RangeError(`its ${footer.packedBytes} bytes of tables would unpack to ${footer.rawBytes}`)
  const packed = await readRange(file, footer.columnsStart, footer.packedBytes)
  const raw = unpackColumns(packed, footer.rawBytes)
  if (!createHash('sha256').update(raw).digest().equals(footer.columnsSha256))
    throw new RangeError('its tables do not match their hash')
  const { profile, dataSha256, sizeBytes } = footer
  const recipe = { profile, dataSha256, sizeBytes, columns: decodeColumns(SCHEMA, raw) }
  checkRecipe(recipe)
  return recipe
}

/**
 * Checks a recipe whose hash is right. The hash only excludes accidents: the recipe's author may have meant harm.
 * @throws RangeError
 */
function checkRecipe(recipe: Recipe): void {
  checkLengths(recipe.columns)
  checkBlocks(recipe)
  checkContents(recipe)
  checkSteps(recipe)
}

const refuse = (what: string): never => {
  throw new RangeError(`its tables contradict themselves: ${what}`)
}

const isBytes = (value: number): boolean => Number.isSafeInteger(value) && value >= 0

function checkLengths(columns: RecipeColumns): void {
  const { literalBytes, stepContent, rangeStart, rangeBytes } = columns
  const { contentSize, contentStart, contentFirstBlock, contentFragment, contentFragmentOffset } = columns
  const { fragmentStart, fragmentStored, fragmentBytes } = columns
  for (const column of [literalBytes, rangeStart, rangeBytes])
    if (column.length !== stepContent.length || !column.every(isBytes))
      refuse('a step has an impossible number of bytes')
  for (const column of [contentStart, contentFirstBlock, contentFragment, contentFragmentOffset])
    if (column.length !== contentSize.length) refuse('columns of contents differ in length')
  for (const column of [fragmentStored, fragmentBytes])
    if (column.length !== fragmentStart.length) refuse('columns of fragments differ in length')
}

function checkBlocks({ profile, columns }: Recipe): void {
  const { contentSize, contentStart, fragmentStart, blockStored, fragmentStored } = columns
  if (![contentSize, contentStart, fragmentStart].every(column => column.every(isBytes)))
    refuse('a content has an impossible number of bytes')
  for (const column of [blockStored, fragmentStored])
    if (column.some(stored => (stored & ~STORED_RAW) > profile.blockSize))
      refuse('a block exceeds the block size')
}

function checkContents({ profile: { blockSize }, columns }: Recipe): void {
  const { contentSize, contentFirstBlock, contentFragment, contentFragmentOffset } = columns
  const { blockStored, fragmentBytes } = columns
  for (let i = 0; i < contentSize.length; i++) {
    const blocks = blocksOf(columns, i, blockSize)
    if (blocks > 0 && contentFirstBlock[i] + blocks > blockStored.length)
      refuse(`content ${i} names missing blocks`)
    const fragment = contentFragment[i]
    const tail = fragment === NONE ? 0 : contentSize[i] - blocks * blockSize
    if (tail > 0 && !(contentFragmentOffset[i] + tail <= (fragmentBytes[fragment] ?? -1)))
      refuse(`the tail of content ${i} lies outside its fragment`)
  }
  if (fragmentBytes.some(bytes => bytes > blockSize)) refuse('a fragment exceeds the block size')
}

function checkSteps({ sizeBytes, columns }: Recipe): void {
  const { literalBytes, stepContent, rangeStart, rangeBytes, contentSize } = columns
  let total = 0
  for (let step = 0; step < stepContent.length; step++) {
    total += literalBytes[step]
    const content = stepContent[step]
    if (content === NONE) continue
    if (content >= contentSize.length || rangeStart[step] + rangeBytes[step] > contentSize[content])
      refuse(`step ${step} takes bytes that no content has`)
    total += rangeBytes[step]
  }
  if (total !== sizeBytes) refuse(`it makes ${total} bytes, not ${sizeBytes}`)
}

/** Yields the tarball, piece by piece. A piece is valid until the next is asked for. @throws RangeError */
export async function* reconstructTar(
  recipe: Recipe,
  file: OpenFile,
  data: DataSource
): AsyncGenerator<Uint8Array> {
  const { columns } = recipe
  const contents = new ContentReader(data, columns, recipe.profile)
  const literals = new LiteralReader(file, columns.frameStored)
  let sizeBytes = 0
  for (let step = 0; step < columns.stepContent.length; step++) {
    yield* literals.take(columns.literalBytes[step])
    sizeBytes += columns.literalBytes[step]
    const content = columns.stepContent[step]
    if (content === NONE) continue
    const from = columns.rangeStart[step]
    yield* contents.read(content, from, from + columns.rangeBytes[step])
    sizeBytes += columns.rangeBytes[step]
  }
  if (sizeBytes !== recipe.sizeBytes)
    throw new RangeError(`it makes ${sizeBytes} bytes, not ${recipe.sizeBytes}`)
}

/** Reads literal frames in order, cut as the steps need them. */
class LiteralReader {
  readonly #file: OpenFile
  readonly #frameStored: Uint32Array
  readonly #room = new Uint8Array(LITERAL_FRAME)
  #frame = 0
  #frameStart = 0
  #current: Uint8Array = new Uint8Array(0)

  constructor(file: OpenFile, frameStored: Uint32Array) {
    this.#file = file
    this.#frameStored = frameStored
  }

  async *take(lengthBytes: number): AsyncGenerator<Uint8Array> {
    let left = lengthBytes
    while (left > 0) {
      if (this.#current.length === 0) await this.#nextFrame()
      const piece = this.#current.subarray(0, Math.min(left, this.#current.length))
      this.#current = this.#current.subarray(piece.length)
      left -= piece.length
      yield piece
    }
  }

  async #nextFrame(): Promise<void> {
    if (this.#frame === this.#frameStored.length) throw new RangeError('its literals end too early')
    const stored = this.#frameStored[this.#frame++]
    const lengthBytes = stored & ~STORED_RAW
    const bytes = await readRange(this.#file, this.#frameStart, lengthBytes)
    this.#frameStart += lengthBytes
    this.#current = this.#room.subarray(0, this.#unpack(bytes, stored))
    if (this.#current.length === 0) throw new RangeError('a literal frame is empty')
  }

  #unpack(bytes: Uint8Array, stored: number): number {
    try {
      return unpackBlock(bytes, stored, this.#room, LITERAL_PACKING.compressor)
    } catch (cause) {
      throw new RangeError(`a literal frame cannot be unpacked: ${(cause as Error).message}`, { cause })
    }
  }
}

/**
 * Packs the tables as one zstd frame, or keeps them raw if that is not shorter. They are not packed as a block: the
 * tables of a million files exceed 16 MiB, above which a stored size overlaps STORED_RAW.
 */
function packColumns(columns: Uint8Array): Uint8Array {
  const room = new Uint8Array(zstd.compressBound(columns.length))
  const packedBytes = new zstd.CCtx().compress(room, columns, LITERAL_PACKING.level)
  return packedBytes < columns.length ? room.subarray(0, packedBytes) : columns
}

/** @throws RangeError */
function unpackColumns(packed: Buffer, rawBytes: number): Buffer {
  // Views of 8-byte numbers are made of it, so it must not lie in Node's pool at an odd position.
  const raw = Buffer.alloc(rawBytes)
  try {
    const length = packed.length === rawBytes ? packed.copy(raw) : new zstd.DCtx().decompress(raw, packed)
    if (length === rawBytes) return raw
  } catch (error) {
    throw new RangeError(`its tables cannot be unpacked: ${(error as Error).message}`, { cause: error })
  }
  throw new RangeError(`its tables do not have ${rawBytes} bytes`)
}

interface Footer {
  columnsStart: number
  packedBytes: number
  rawBytes: number
  columnsSha256: Buffer
  sizeBytes: number
  dataSha256: Buffer
  profile: Profile
}

function encodeFooter(footer: Footer): Buffer {
  const out = Buffer.alloc(FOOTER_BYTES)
  out.write(MAGIC, 'latin1')
  out.writeUInt16LE(VERSION, 8)
  out.writeUInt8(COMPRESSOR_ID[footer.profile.compressor], 10)
  out.writeUInt8(footer.profile.level, 11)
  out.writeUInt32LE(footer.profile.blockSize, 12)
  out.writeDoubleLE(footer.columnsStart, 16)
  out.writeDoubleLE(footer.packedBytes, 24)
  out.writeDoubleLE(footer.rawBytes, 32)
  out.writeDoubleLE(footer.sizeBytes, 40)
  footer.columnsSha256.copy(out, 48)
  footer.dataSha256.copy(out, 80)
  return out
}

/** Limit for the tables of a recipe; a tarball of ten million entries needs less. */
const MAX_COLUMNS_BYTES = 2 ** 31

function decodeFooter(bytes: Buffer): Footer {
  if (bytes.toString('latin1', 0, 8) !== MAGIC) throw new RangeError('it does not end like a recipe')
  if (bytes.readUInt16LE(8) !== VERSION)
    throw new RangeError(`version ${bytes.readUInt16LE(8)} is not ${VERSION}`)
  const [columnsStart, packedBytes, rawBytes, sizeBytes] = [16, 24, 32, 40].map(at => bytes.readDoubleLE(at))
  const sizes = [columnsStart, packedBytes, rawBytes, sizeBytes]
  if (!sizes.every(n => Number.isSafeInteger(n) && n >= 0) || rawBytes > MAX_COLUMNS_BYTES)
    throw new RangeError('its footer names impossible sizes')
  if (bytes.subarray(112).some(byte => byte !== 0)) throw new RangeError('its footer does not end in zeros')
  return {
    columnsStart,
    packedBytes,
    rawBytes,
    sizeBytes,
    columnsSha256: Buffer.from(bytes.subarray(48, 80)),
    dataSha256: Buffer.from(bytes.subarray(80, 112)),
    profile: checkRecipeProfile({
      compressor: compressorOfId(bytes[10]),
      level: bytes[11],
      blockSize: bytes.readUInt32LE(12)
    })
  }
}

/** Refuses sizes of 0, for instance, with which a loop over blocks would not end. @throws RangeError */
function checkRecipeProfile(profile: Profile): Profile {
  try {
    return checkProfile(profile)
  } catch (cause) {
    throw new RangeError((cause as Error).message, { cause })
  }
}
