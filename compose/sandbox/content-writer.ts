import { ftruncateSync, writeSync } from 'node:fs'
import { blocksOf, type ContentReader, type DataTables } from '../../store/object/index.ts'

/** Writes a content into an empty file. Blocks of zeros, which layers do not store, become holes. */
export function writeContent(
  fd: number,
  reader: ContentReader,
  tables: DataTables,
  content: number,
  blockSize: number
): void {
  const { blockStored } = tables
  const firstBlock = tables.contentFirstBlock[content]
  const blocksEnd = blocksOf(tables, content, blockSize) * blockSize
  let position = 0
  let written = 0
  for (const piece of reader.read(content)) {
    const isHole = position < blocksEnd && blockStored[firstBlock + position / blockSize] === 0
    if (!isHole) {
      writeWhole(fd, piece, position)
      written = position + piece.length
    }
    position += piece.length
  }
  if (written < position) ftruncateSync(fd, position)
}

function writeWhole(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; )
    done += writeSync(fd, bytes, done, bytes.length - done, position + done)
}
