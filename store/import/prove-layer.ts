/**
 * Proves a layer that was packed elsewhere, in the pass that reads its tarball: the tarball, the tables of its data
 * file, and the tree. Nothing that a sender says is believed (spec/registry.md#proof).
 */
import { createHash } from 'node:crypto'
import { decodeSidecar, refuseManyValues } from '../acl/index.ts'
import type { LayerManifest } from '../module/index.ts'
import {
  buildIndex,
  ContentReader,
  checkIndex,
  checkPackedForms,
  type FinishedData,
  HASH_BYTES,
  type LayerIndex,
  NONE,
  type PartedBytes,
  type Recipe
} from '../object/index.ts'
import { type Limits, sha256Of } from '../values/index.ts'
import { type RecipeSink, scanTar } from './compile-tar.ts'
import { contentsOf, refusePrivileged } from './import-layer.ts'
import { marksOnTree } from './marks-collector.ts'
import { inodeFinder, placementOf } from './placement.ts'
import { dataTables } from './stored-data.ts'

export interface UnprovenLayer {
  manifest: LayerManifest
  sidecar: Uint8Array | undefined
  recipe: Recipe
  /** The tarball, as the recipe makes it. */
  chunks: AsyncIterable<Uint8Array>
  data: PartedBytes
}

export interface ProofOptions {
  limits: Limits
  allowPrivileged: boolean
}

/**
 * @returns the layer's tree index, for the recipe's profile
 * @throws RangeError that names what differs; StrataError as the parser, PRIVILEGED, LIMIT_EXCEEDED
 */
export async function proveLayer(
  { manifest, sidecar, recipe, chunks, data }: UnprovenLayer,
  { limits, allowPrivileged }: ProofOptions
): Promise<LayerIndex> {
  const tar = sha256Of(manifest.tar)
  const name = `tarball sha256:${tar}`
  const placement = placementOf(manifest)
  const { dataSha256, profile } = recipe
  const steps = new SameSteps(recipe)
  const onDigest = (found: string) => {
    if (found !== tar) throw new RangeError(`${name} hashes to sha256:${found}`)
  }
  const hasLower = manifest.parent !== undefined
  const input = { name, chunks, limits, endsAtMarker: true, placement, hasLower, onDigest }
  const known = { tables: dataTables(recipe.columns), dataBytes: data.lengthBytes, dataSha256 }
  const scanned = await scanTar(input, known, steps)
  steps.end()
  compareContents(scanned.data, steps, data, recipe)
  checkPackedForms(data, known.tables, profile)
  const { tree } = scanned
  const { entries, bytes } = contentsOf(tree, known.tables.contentSize)
  if (entries !== manifest.entries || bytes !== manifest.bytes)
    throw new RangeError(`${name} has ${entries} entries with ${bytes} bytes, its layer says otherwise`)
  if (sidecar !== undefined) refuseManyValues(sidecar, entries)
  const listed = sidecar === undefined ? [] : decodeSidecar(sidecar).entries
  const marks = marksOnTree(listed, inodeFinder(tree, placement, scanned.leftOut), name)
  if (!allowPrivileged) refusePrivileged(tree, marks, name)
  const index = buildIndex(tree, marks, scanned.data, profile)
  checkIndex(index)
  return index
}

/**
 * Compares the steps of a recipe with those that the tarball's own recipe has. As they are the same, the bytes that were
 * read for a step are those of the content that the tree names.
 */
class SameSteps implements RecipeSink {
  readonly #columns: Recipe['columns']
  /** 1 for each content that a step has read whole. */
  readonly #isRead: Uint8Array
  #step = 0
  #literalBytes = 0

  constructor({ columns }: Recipe) {
    this.#columns = columns
    this.#isRead = new Uint8Array(columns.contentSize.length)
  }

  literal(bytes: Uint8Array): void {
    this.#literalBytes += bytes.length
  }

  content(content: number, rangeStart: number, rangeBytes: number): void {
    this.#expect(content, rangeStart, rangeBytes)
    if (rangeStart === 0 && rangeBytes === this.#columns.contentSize[content]) this.#isRead[content] = 1
  }

  async drain(): Promise<void> {}

  /** @throws RangeError */
  end(): void {
    this.#expect(NONE, 0, 0)
    if (this.#step !== this.#columns.stepContent.length)
      throw new RangeError('its recipe goes on behind its end')
  }

  isRead(content: number): boolean {
    return this.#isRead[content] === 1
  }

  #expect(content: number, start: number, bytes: number): void {
    const { literalBytes, stepContent, rangeStart, rangeBytes } = this.#columns
    const step = this.#step++
    const isSame =
      literalBytes[step] === this.#literalBytes &&
      stepContent[step] === content &&
      rangeStart[step] === start &&
      rangeBytes[step] === bytes
    if (!isSame) throw new RangeError(`step ${step} of its recipe is not one of this tarball`)
    this.#literalBytes = 0
  }
}

/** Contents that no step has read whole: those of files with holes, of which a tarball has only the runs. */
function compareContents(
  { contentHash }: Pick<FinishedData, 'contentHash'>,
  steps: SameSteps,
  data: PartedBytes,
  { columns, profile }: Recipe
): void {
  const reader = new ContentReader(data, columns, profile)
  for (let content = 0; content < columns.contentSize.length; content++) {
    if (columns.contentSize[content] === 0 || steps.isRead(content)) continue
    const hash = createHash('sha256')
    for (const piece of reader.read(content)) hash.update(piece)
    const wanted = contentHash.subarray(content * HASH_BYTES, (content + 1) * HASH_BYTES)
    if (!hash.digest().equals(wanted)) throw new RangeError(`content ${content} has other bytes`)
  }
}
