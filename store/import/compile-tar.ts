/**
 * Compiles a tarball in one pass: it is hashed and parsed, its file contents are packed into a data file, its other
 * bytes go into a recipe and its entries into a tree. Nothing is published: the files are temporary.
 */
import { createHash } from 'node:crypto'
import { type StoreRoot, TemporaryFile } from '../files/index.ts'
import { KnownPlaces } from '../index/index.ts'
import {
  CompressPool,
  type ContentSink,
  DataWriter,
  type FinishedData,
  HashedFile,
  KnownData,
  type KnownTables,
  LayerTree,
  NONE,
  RecipeWriter
} from '../object/index.ts'
import { type Oddities, type TarEntry, TarParser, type TarSink } from '../tar/index.ts'
import { type Digest, type Limits, type PathBytes, type Profile, StrataError } from '../values/index.ts'
import { PartFiles } from './part-files.ts'
import { type Placement, placeEntry } from './placement.ts'

export interface TarInput {
  /** For messages. */
  name: string
  /** The tarball, decompressed. */
  chunks: AsyncIterable<Uint8Array>
  limits: Limits
  /**
   * The end marker ends the tarball, whatever follows: for a layer of an image, and for a tarball that was imported
   * before.
   */
  endsAtMarker?: boolean
  placement: Placement
  /** Stores whose packed blocks are used, if they hold the same bytes. */
  searched?: readonly StoreRoot[]
  /** True if the module has layers below this one, to whose files hard links may lead. */
  hasLower?: boolean
  /** Called with every entry as it is in the archive, before it is placed. */
  onEntry?: (entry: TarEntry) => void
  /** If true, the rest is read only for its entries, because `onDigest` is going to throw. */
  isInVain?: () => boolean
  /** Called with the hash of the whole tarball before its results are used; may throw. */
  onDigest?: (digest: Digest) => void | Promise<void>
}

export interface ScannedTar {
  tree: LayerTree
  data: FinishedData
  digest: Digest
  /** Bytes of the tarball. */
  tarBytes: number
  /** Paths of the archive that stripping left out. */
  leftOut: ReadonlySet<PathBytes>
  /** Oddities of the archive, and keys that were ignored. */
  oddities: Oddities
}

export interface ParsedTar extends ScannedTar {
  recipeFile: TemporaryFile
}

export interface CompiledTar extends ParsedTar {
  /** The parts of the data file. */
  dataFiles: PartFiles
}

/** Larger pieces are cut, so that only a few blocks wait to be packed. */
const PIECE_BYTES = 1 << 20

/** @throws StrataError as the parser, the tree and the input do; no file is left behind then */
export async function compileTar(storeRoot: string, profile: Profile, input: TarInput): Promise<CompiledTar> {
  const pool = new CompressPool()
  const known = new KnownPlaces(input.searched ?? [], profile)
  const dataFiles = new PartFiles(storeRoot)
  try {
    const data = new DataWriter(dataFiles, profile, pool, known)
    return { ...(await parseTar(storeRoot, profile, input, data, pool)), dataFiles }
  } catch (error) {
    await dataFiles.discard()
    throw error
  } finally {
    await pool.close()
    await known.close()
  }
}

/**
 * Like `compileTar`, for a tarball whose data file is in the store: its contents are hashed but not packed.
 * @param known the recipe's tables about the data file, which is of the profile
 * @throws StrataError as compileTar; BLOB_CORRUPT if the recipe is that of another tarball
 */
export async function compileStoredTar(
  storeRoot: string,
  profile: Profile,
  input: TarInput,
  known: KnownTables
): Promise<ParsedTar> {
  const pool = new CompressPool()
  try {
    return await parseTar(storeRoot, profile, input, new KnownData(known), pool)
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new StrataError('BLOB_CORRUPT', {
      message: `the recipe of ${input.name} is that of another tarball: ${cause.message}`,
      hint: 'compose fsck --repair',
      cause
    })
  } finally {
    await pool.close()
  }
}

/**
 * The tree of a tarball and the hashes of its contents. Nothing is written.
 * @param recipe told how a recipe of this tarball puts it together
 * @throws StrataError as the parser, the tree and the input do; RangeError if the tables are of other contents
 */
export const scanTar = (
  input: TarInput,
  known: KnownTables,
  recipe: RecipeSink = NO_RECIPE
): Promise<ScannedTar> => scan(input, new KnownData(known), recipe)

async function parseTar(
  storeRoot: string,
  profile: Profile,
  input: TarInput,
  data: ContentSink,
  pool: CompressPool
): Promise<ParsedTar> {
  const recipeFile = TemporaryFile.create(storeRoot)
  try {
    const recipe = new RecipeWriter(new HashedFile(recipeFile.handle), pool)
    const scanned = await scan(input, data, recipe)
    await recipe.finish(scanned.data.tables, profile, scanned.data.dataSha256)
    return { ...scanned, recipeFile }
  } catch (error) {
    await recipeFile.discard()
    throw error
  }
}

/** The methods for making a recipe. */
export type RecipeSink = Pick<RecipeWriter, 'literal' | 'content' | 'drain'>

const NO_RECIPE: RecipeSink = { literal() {}, content() {}, async drain() {} }

async function scan(input: TarInput, data: ContentSink, recipe: RecipeSink): Promise<ScannedTar> {
  const compiler = new TarCompiler(input, data, recipe)
  const { digest, tarBytes, oddities } = await feed(input, compiler, data, recipe)
  await input.onDigest?.(digest)
  compiler.tree.finish()
  const { tree, leftOut } = compiler
  return { tree, data: await data.finish(), digest, tarBytes, leftOut, oddities }
}

async function feed(input: TarInput, compiler: TarCompiler, data: ContentSink, recipe: RecipeSink) {
  const parser = new TarParser(compiler, {
    archive: input.name,
    limits: input.limits,
    endsAtMarker: input.endsAtMarker
  })
  const hash = createHash('sha256')
  let tarBytes = 0
  for await (const chunk of input.chunks)
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
      const piece = chunk.subarray(at, at + PIECE_BYTES)
      hash.update(piece)
      tarBytes += piece.length
      parser.write(piece)
      await data.drain()
      await recipe.drain()
    }
  parser.end()
  return { digest: hash.digest('hex') as Digest, tarBytes, oddities: parser.oddities }
}

const depthOf = (path: PathBytes): number => (path === '' ? 0 : path.split('/').length)

/** Sends the parser's output to the data file, the recipe and the tree. */
class TarCompiler implements TarSink {
  readonly tree: LayerTree
  readonly leftOut = new Set<PathBytes>()
  readonly #input: TarInput
  readonly #data: ContentSink
  readonly #recipe: RecipeSink
  #entry: TarEntry | undefined
  /** Logical bytes of the current file so far. */
  #position = 0
  #run = 0
  #runFilled = 0
  /** True if later bytes are not kept. */
  #isInVain = false

  constructor(input: TarInput, data: ContentSink, recipe: RecipeSink) {
    this.#input = input
    this.#data = data
    this.#recipe = recipe
    this.tree = new LayerTree(input.name, {
      mostDepth: input.limits.pathDepth + depthOf(input.placement.prefix),
      hasLower: input.hasLower
    })
  }

  literal(bytes: Uint8Array): void {
    if (!this.#isInVain) this.#recipe.literal(bytes)
  }

  entry(entry: TarEntry): void {
    this.#entry = entry
    this.#position = 0
    this.#run = 0
    this.#runFilled = 0
    this.#input.onEntry?.(entry)
    this.#isInVain = this.#input.isInVain?.() === true
    if (entry.kind === 'file') this.#data.beginFile(entry.sizeBytes)
  }

  data(bytes: Uint8Array): void {
    if (this.#isInVain) return
    const runs = this.#entry!.runs
    if (runs === undefined) {
      this.#data.write(bytes)
      return
    }
    let at = 0
    while (at < bytes.length) {
      const { offset, lengthBytes } = runs[this.#run]
      const taken = bytes.subarray(at, at + lengthBytes - this.#runFilled)
      this.#fillTo(offset + this.#runFilled)
      this.#data.write(taken)
      this.#position += taken.length
      this.#runFilled += taken.length
      at += taken.length
      if (this.#runFilled === lengthBytes) {
        this.#run++
        this.#runFilled = 0
      }
    }
  }

  endEntry(): void {
    if (this.#isInVain) return
    const entry = this.#entry!
    const content = entry.kind === 'file' ? this.#endFile(entry) : NONE
    const placed = placeEntry(entry, this.#input.placement, this.#input.name)
    if (placed === undefined) {
      this.leftOut.add(entry.path)
      return
    }
    this.leftOut.delete(entry.path)
    this.tree.add(placed, placed.path, content)
  }

  #endFile({ runs, sizeBytes }: TarEntry): number {
    if (runs !== undefined) this.#fillTo(sizeBytes)
    const content = this.#data.endFile()
    // The tarball has only the runs; the content has the holes as well.
    for (const { offset, lengthBytes } of runs ?? [{ offset: 0, lengthBytes: sizeBytes }])
      if (lengthBytes > 0) this.#recipe.content(content, offset, lengthBytes)
    return content
  }

  #fillTo(position: number): void {
    if (position > this.#position) this.#data.writeZeros(position - this.#position)
    this.#position = position
  }
}
