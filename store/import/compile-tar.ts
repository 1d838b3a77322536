/**
 * One pass over a tarball: hashed, parsed, its file contents packed into a data file, the rest kept as a recipe, its
 * entries put into a tree. Nothing is published here: the two files are temporary.
 */
import { createHash } from 'node:crypto'
import type { Digest } from '../digest.ts'
import type { Limits } from '../limits.ts'
import { CompressPool } from '../object/compress-pool.ts'
import { type ContentSink, DataWriter, type FinishedData } from '../object/data-writer.ts'
import { HashedFile } from '../object/hashed-file.ts'
import { KnownData, type KnownTables } from '../object/known-data.ts'
import { NONE } from '../object/layer-index.ts'
import { LayerTree } from '../object/layer-tree.ts'
import type { Profile } from '../object/profile.ts'
import { RecipeWriter } from '../object/recipe.ts'
import type { PathBytes } from '../path-bytes.ts'
import type { TarEntry, TarSink } from '../tar/entry.ts'
import { TarParser } from '../tar/parser.ts'
import { TemporaryFile } from '../temporary-file.ts'
import { type Placement, placeEntry } from './placement.ts'

export interface TarInput {
  /** For messages. */
  name: string
  /** The tarball, decompressed. */
  chunks: AsyncIterable<Uint8Array>
  limits: Limits
  placement: Placement
  /** Called with every entry as the archive has it, before it is placed. */
  onEntry?: (entry: TarEntry) => void
  /** Called with the hash of the tarball when all of it was read, and nothing is done with it; may throw. */
  onDigest?: (digest: Digest) => void
}

export interface ParsedTar {
  tree: LayerTree
  data: FinishedData
  recipeFile: TemporaryFile
  digest: Digest
  /** Bytes of the tarball. */
  tarBytes: number
  /** Paths of the archive that stripping left out. */
  leftOut: ReadonlySet<PathBytes>
  /** PAX keys that were read over, with the number of times. */
  ignoredKeys: ReadonlyMap<string, number>
}

export interface CompiledTar extends ParsedTar {
  dataFile: TemporaryFile
}

/** Larger pieces are cut, so that what waits to be packed stays within a few blocks. */
const PIECE_BYTES = 1 << 20

/** @throws StrataError as the parser, the tree and the input do; no file is left behind then */
export async function compileTar(storeRoot: string, profile: Profile, input: TarInput): Promise<CompiledTar> {
  const pool = new CompressPool()
  const dataFile = await TemporaryFile.create(storeRoot)
  try {
    const data = new DataWriter(new HashedFile(dataFile.handle), profile, pool)
    return { ...(await parseTar(storeRoot, profile, input, data, pool)), dataFile }
  } catch (error) {
    await dataFile.discard()
    throw error
  } finally {
    await pool.close()
  }
}

/**
 * The same of a tarball whose data file is in the store: its contents are hashed, and not packed.
 * @param known what its recipe says of the data file, which is of the profile
 * @throws StrataError as compileTar; BLOB_CORRUPT when the recipe is that of another tarball
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
  } finally {
    await pool.close()
  }
}

async function parseTar(
  storeRoot: string,
  profile: Profile,
  input: TarInput,
  data: ContentSink,
  pool: CompressPool
): Promise<ParsedTar> {
  const recipeFile = await TemporaryFile.create(storeRoot)
  try {
    const recipe = new RecipeWriter(new HashedFile(recipeFile.handle), pool)
    const compiler = new TarCompiler(input, data, recipe)
    const { digest, tarBytes, ignoredKeys } = await feed(input, compiler, data, recipe)
    input.onDigest?.(digest)
    compiler.tree.finish()
    const finished = await data.finish()
    await recipe.finish(finished.tables, profile, finished.dataSha256)
    const { tree, leftOut } = compiler
    return { tree, data: finished, recipeFile, digest, tarBytes, leftOut, ignoredKeys }
  } catch (error) {
    await recipeFile.discard()
    throw error
  }
}

async function feed(input: TarInput, compiler: TarCompiler, data: ContentSink, recipe: RecipeWriter) {
  const parser = new TarParser(compiler, { archive: input.name, limits: input.limits })
  const hash = createHash('sha256')
  let tarBytes = 0
  for await (const chunk of input.chunks)
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
      const piece = chunk.subarray(at, at + PIECE_BYTES)
      hash.update(piece)
      tarBytes += piece.length
      parser.write(piece)
      await data.drained()
      await recipe.drained()
    }
  parser.end()
  return { digest: hash.digest('hex') as Digest, tarBytes, ignoredKeys: parser.ignoredKeys }
}

/** Sends what the parser finds to the data file, the recipe and the tree. */
class TarCompiler implements TarSink {
  readonly tree: LayerTree
  readonly leftOut = new Set<PathBytes>()
  readonly #input: TarInput
  readonly #data: ContentSink
  readonly #recipe: RecipeWriter
  #entry: TarEntry | undefined
  /** Logical bytes of the current file so far. */
  #position = 0
  #run = 0
  #runFilled = 0

  constructor(input: TarInput, data: ContentSink, recipe: RecipeWriter) {
    this.#input = input
    this.#data = data
    this.#recipe = recipe
    this.tree = new LayerTree(input.name)
  }

  literal(bytes: Uint8Array): void {
    this.#recipe.literal(bytes)
  }

  entry(entry: TarEntry): void {
    this.#entry = entry
    this.#position = 0
    this.#run = 0
    this.#runFilled = 0
    this.#input.onEntry?.(entry)
  }

  data(bytes: Uint8Array): void {
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
    // The tarball has the runs alone; the content has the holes as well.
    for (const { offset, lengthBytes } of runs ?? [{ offset: 0, lengthBytes: sizeBytes }])
      if (lengthBytes > 0) this.#recipe.content(content, offset, lengthBytes)
    return content
  }

  #fillTo(position: number): void {
    if (position > this.#position) this.#data.writeZeros(position - this.#position)
    this.#position = position
  }
}
