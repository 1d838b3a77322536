/** The log of `io-shim.c`: changes in the order in which they were made. */

export interface Change {
  call: string
  /** Result of the call; below 0 it changed nothing. */
  result: number
  inode: string
  /** Offset of a write; mode after open, mkdir and chmod; size of ftruncate. */
  offset: number
  /** Absolute; of link and rename the old name. */
  path: string
  /** New name of link and rename; of open `new`, `emptied` or `there`. */
  other: string
  data: Buffer
}

const NEWLINE = 0x0a

export function parseChanges(log: Buffer): Change[] {
  const changes: Change[] = []
  for (let at = 0; at < log.length; ) {
    const end = log.indexOf(NEWLINE, at)
    const [call, result, inode, offset, length, path, other] = log.toString('latin1', at, end).split('\t')
    at = end + 1 + Number(length)
    const data = log.subarray(end + 1, at)
    changes.push({ call, result: Number(result), inode, offset: Number(offset), path, other, data })
  }
  return changes
}
