/**
 * Checks that blocks which somebody else packed have the form that our compressors give them. libzstd reads more than
 * the kernel does: of two frames, the kernel would read the first alone (spec/object.md#known-blocks).
 */
import type { Profile } from '../values/index.ts'
import { type DataSource, readStored } from './data-source.ts'
import { hasPackedForm } from './known-block.ts'
import { blocksOf, type DataTables, STORED_RAW } from './layer-index.ts'

/** @throws RangeError that names the block */
export function checkPackedForms(source: DataSource, tables: DataTables, profile: Profile): void {
  const room = new Uint8Array(profile.blockSize)
  const { contentSize, contentStart, contentFirstBlock, blockStored } = tables
  const check = (start: number, stored: number, rawBytes: number, what: string): void => {
    const lengthBytes = stored & ~STORED_RAW
    if (stored & STORED_RAW ? lengthBytes === rawBytes : lengthBytes === 0) return
    const isPacked =
      (stored & STORED_RAW) === 0 &&
      lengthBytes < rawBytes &&
      hasPackedForm(readStored(source, start, lengthBytes, room), rawBytes, profile)
    if (!isPacked) throw new RangeError(`${what} is not packed as a block of ${rawBytes} bytes is`)
  }
  for (let content = 0; content < contentSize.length; content++) {
    let start = contentStart[content]
    const blocks = blocksOf(tables, content, profile.blockSize)
    for (let i = 0; i < blocks; i++) {
      const stored = blockStored[contentFirstBlock[content] + i]
      const rawBytes = Math.min(profile.blockSize, contentSize[content] - i * profile.blockSize)
      check(start, stored, rawBytes, `block ${i} of content ${content}`)
      start += stored & ~STORED_RAW
    }
  }
  const { fragmentStart, fragmentStored, fragmentBytes } = tables
  for (let i = 0; i < fragmentStart.length; i++)
    check(fragmentStart[i], fragmentStored[i], fragmentBytes[i], `fragment ${i}`)
}
