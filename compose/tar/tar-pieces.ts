/** Writes parts of a merged tree as a canonical tar (spec/canonical-tar.md), piece by piece. */

import { TERMS_ATTRIBUTE } from '../../store/module/index.ts'
import { blocksOf, type DataSource, Kind, type LayerIndex } from '../../store/object/index.ts'
import {
  BLOCK_BYTES,
  type DataRun,
  encodeEnd,
  encodeHeader,
  entryWith,
  paddingBytes,
  type TarEntry
} from '../../store/tar/index.ts'
import { type PathBytes, StrataError, showPath } from '../../store/values/index.ts'
import type { ModeOf } from '../link/index.ts'
import type { MergedTree } from '../merge/index.ts'
import { ContentBlocks, type ContentPiece } from './content-blocks.ts'
import type { DeltaMember } from './tree-delta.ts'
import { TreeEntries } from './tree-entries.ts'

export interface TarSource {
  /** The tree that the inodes of the members belong to. */
  tree: MergedTree
  /** Data of each of its layers. */
  data: DataSource[]
  modeOf: ModeOf
  /** Terms of use, as an attribute of the root (store/module/terms.ts). */
  terms?: string
}

export interface TarPiecesOptions {
  /** True to write files with holes as GNU.sparse 1.0. */
  sparse: boolean
}

const ZEROS = new Uint8Array(BLOCK_BYTES)

/**
 * Yields pieces that are valid until the next one is taken. Members without an inode become whiteouts.
 * @throws StrataError OBJECT_CORRUPT for data that does not fit its index
 */
export function* tarPieces(
  members: Iterable<DeltaMember>,
  { tree, data, modeOf, terms }: TarSource,
  { sparse }: TarPiecesOptions
): Generator<ContentPiece> {
  const entries = new TreeEntries(tree, modeOf)
  const contents = tree.layers.map(({ index }, i) => new ContentBlocks(data[i], index))
  for (const { path, inode } of members) {
    if (inode === undefined) {
      yield { rawBytes: encodeHeader(entryWith({ path: whiteoutOf(path), kind: 'file' })) }
      continue
    }
    const entry = withTerms(entries.of(path, inode), terms)
    const layer = tree.inodeLayer[inode]
    const { index } = tree.layers[layer]
    const content = index.payload[tree.inodeSource[inode]]
    const runs = sparse && entry.kind === 'file' ? dataRuns(index, content) : undefined
    yield { rawBytes: encodeHeader(runs === undefined ? entry : { ...entry, runs }) }
    if (tree.inodeKind[inode] !== Kind.file || entry.kind !== 'file') continue
    let storedBytes = 0
    for (const piece of explainFaults(contents[layer].read(content), path, tree.layers[layer].name)) {
      if (piece.isHole && runs !== undefined) continue
      storedBytes += piece.rawBytes.length
      yield piece
    }
    const padding = paddingBytes(storedBytes)
    if (padding > 0) yield { rawBytes: ZEROS.subarray(0, padding) }
  }
  yield { rawBytes: encodeEnd() }
}

function whiteoutOf(path: PathBytes): PathBytes {
  const cut = path.lastIndexOf('/') + 1
  return `${path.slice(0, cut)}.wh.${path.slice(cut)}`
}

/** The parts of a file that are not holes, in whole blocks; undefined if it has no holes. */
function dataRuns(index: LayerIndex, content: number): DataRun[] | undefined {
  const { blockSize } = index.profile
  const size = index.contentSize[content]
  const first = index.contentFirstBlock[content]
  const blocks = blocksOf(index, content, blockSize)
  if (!index.blockStored.subarray(first, first + blocks).includes(0)) return undefined
  const runs: DataRun[] = []
  const add = (offset: number, lengthBytes: number) => {
    const last = runs.at(-1)
    if (last !== undefined && last.offset + last.lengthBytes === offset) last.lengthBytes += lengthBytes
    else if (lengthBytes > 0) runs.push({ offset, lengthBytes })
  }
  for (let i = 0; i < blocks; i++)
    if (index.blockStored[first + i] !== 0) add(i * blockSize, Math.min(blockSize, size - i * blockSize))
  add(blocks * blockSize, size - blocks * blockSize)
  return runs
}

function* explainFaults<T>(pieces: Iterable<T>, path: PathBytes, layer: string): Generator<T> {
  try {
    yield* pieces
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new StrataError('OBJECT_CORRUPT', {
      message: `the data of ${layer} does not fit its index: /${showPath(path)}: ${cause.message}`,
      facts: { layer, path: `/${showPath(path)}` },
      hint: 'compose fsck --repair',
      cause
    })
  }
}

const withTerms = (entry: TarEntry, terms: string | undefined): TarEntry =>
  terms === undefined || entry.path !== ''
    ? entry
    : { ...entry, attributes: new Map([...entry.attributes, [TERMS_ATTRIBUTE, Buffer.from(terms)]]) }
