import { seekData, seekHole } from '../../native/index.ts'
import type { DataRun, ReadAt } from '../tar/index.ts'

/**
 * Holes are kept in pages of this size, whatever the block size of the file system: 1 to 64 KiB in ext4, up to some MiB
 * in Lustre and ZFS.
 */
const PAGE_BYTES = 4096

const SCAN_BYTES = 1 << 20

const ZERO_PAGE = Buffer.alloc(PAGE_BYTES)

/**
 * The runs of a file that are not zero; undefined for a file without holes.
 *
 * File systems differ in which zeros they keep as holes, and so do a file and its copy. So if a file has a hole at all,
 * every page of zeros in it counts as a hole, and the runs depend on the content alone. A file without any hole is
 * stored as it is, with its zeros.
 */
export function dataRuns(fd: number, sizeBytes: number, readAt: ReadAt): DataRun[] | undefined {
  if (sizeBytes === 0 || (seekHole(fd, 0) ?? sizeBytes) >= sizeBytes) return undefined
  const runs: DataRun[] = []
  const scratch = Buffer.allocUnsafe(SCAN_BYTES)
  for (const extent of pageExtents(fd, sizeBytes)) {
    for (let start = extent.start; start < extent.end; start += SCAN_BYTES) {
      const length = Math.min(SCAN_BYTES, extent.end - start)
      readAt(scratch, 0, length, start)
      addFilledPages(runs, scratch.subarray(0, length), start)
    }
  }
  const isWhole = runs.length === 1 && runs[0].lengthBytes === sizeBytes
  return isWhole ? undefined : runs
}

/** The file system's data extents widened to whole pages, each page once. The last ends at the file's end. */
function* pageExtents(fd: number, sizeBytes: number): Generator<{ start: number; end: number }> {
  let scannedTo = 0
  let data = seekData(fd, 0)
  while (data !== null && data < sizeBytes) {
    const hole = Math.min(seekHole(fd, data) ?? sizeBytes, sizeBytes)
    const start = Math.max(data - (data % PAGE_BYTES), scannedTo)
    const end = Math.min(Math.ceil(hole / PAGE_BYTES) * PAGE_BYTES, sizeBytes)
    if (start < end) yield { start, end }
    scannedTo = end
    data = hole < sizeBytes ? seekData(fd, hole) : null
  }
}

function addFilledPages(runs: DataRun[], bytes: Buffer, start: number): void {
  for (let at = 0; at < bytes.length; at += PAGE_BYTES) {
    const lengthBytes = Math.min(PAGE_BYTES, bytes.length - at)
    if (ZERO_PAGE.compare(bytes, at, at + lengthBytes, 0, lengthBytes) === 0) continue
    const last = runs.at(-1)
    if (last !== undefined && last.offset + last.lengthBytes === start + at) last.lengthBytes += lengthBytes
    else runs.push({ offset: start + at, lengthBytes })
  }
}
