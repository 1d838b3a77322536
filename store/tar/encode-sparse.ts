import type { DataRun } from './tar-entry.ts'
import { BLOCK_BYTES } from './ustar.ts'

/**
 * The map at the start of a GNU.sparse 1.0 member: number of runs, then offset and length of each, decimal, one a line,
 * padded with zeros to 512 bytes. A file that ends in a hole gets an empty run at its end, as in GNU tar, which takes
 * the length to restore from there. Other empty runs are left out.
 */
export function encodeSparseMap(runs: DataRun[], sizeBytes: number): Buffer {
  const filled = runs.filter(run => run.lengthBytes > 0)
  const last = filled.at(-1)
  const dataEnd = last === undefined ? 0 : last.offset + last.lengthBytes
  if (dataEnd !== sizeBytes || filled.length === 0) filled.push({ offset: sizeBytes, lengthBytes: 0 })
  const text = `${filled.length}\n${filled.map(run => `${run.offset}\n${run.lengthBytes}\n`).join('')}`
  const map = Buffer.alloc(Math.ceil(text.length / BLOCK_BYTES) * BLOCK_BYTES)
  map.write(text, 'latin1')
  return map
}
