/** Writes a merged tree as one tarball (spec/outputs.md). */
export { ContentBlocks, type ContentPiece } from './content-blocks.ts'
export { mergedTar } from './merged-tar.ts'
export { writeOutputFile } from './output-file.ts'
export { type TarSource, tarPieces } from './tar-pieces.ts'
export { treeDelta } from './tree-delta.ts'
