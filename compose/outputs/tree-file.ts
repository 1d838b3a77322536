/** Links and files of a merged tree. */
import { ContentReader, joinPieces, Kind, stringAt } from '../../store/object/index.ts'
import { type PathBytes, pathFromBuffer, showPath } from '../../store/values/index.ts'
import { type LookedUp, MAX_TEXT_BYTES, resolvePath } from '../inspect/index.ts'
import { findPath, type MergedTree } from '../merge/index.ts'
import type { Composition } from './composition.ts'

/** The path without links; undefined if it leads nowhere. Links on the way are followed inside the tree. */
export const resolveInTree = (
  tree: MergedTree,
  path: PathBytes,
  options: { followLast: boolean }
): PathBytes | undefined => resolvePath(path, name => lookUp(tree, name), options)

function lookUp(tree: MergedTree, path: PathBytes): LookedUp | undefined {
  const found = findPath(tree, path)
  if (found?.kind !== Kind.symlink) return found && {}
  const { index } = tree.layers[tree.inodeLayer[found.inode]]
  return { linkTarget: pathFromBuffer(stringAt(index, index.payload[tree.inodeSource[found.inode]])) }
}

/** Why a file that is there was not read. */
export interface UnreadFile {
  why: string
}

/** Undefined for a file that may be read whole. */
export const tooLarge = (path: PathBytes, sizeBytes: number): UnreadFile | undefined =>
  sizeBytes > MAX_TEXT_BYTES
    ? { why: `/${showPath(path)} has ${sizeBytes} bytes, and at most ${MAX_TEXT_BYTES} are read` }
    : undefined

/** Bytes of a file, or why it is not read; undefined if there is none. Links are followed inside the tree. */
export function readTreeFile(
  { tree, objects, profile }: Pick<Composition, 'tree' | 'objects' | 'profile'>,
  path: PathBytes
): Buffer | UnreadFile | undefined {
  const resolved = resolveInTree(tree, path, { followLast: true })
  const found = resolved === undefined ? undefined : findPath(tree, resolved)
  if (found?.kind !== Kind.file) return undefined
  const { index, data } = objects[tree.inodeLayer[found.inode]]
  const content = index.payload[tree.inodeSource[found.inode]]
  const unread = tooLarge(path, index.contentSize[content])
  return unread ?? joinPieces(new ContentReader(data.parts, index, profile).read(content))
}
