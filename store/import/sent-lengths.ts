/**
 * How much a sender may send. The tables of a recipe say how long its data file is, so parts of any other length are
 * refused before the first of them is asked for, and a receiver writes no more than the limits of an import allow.
 */
import { dataBytesOf, type Recipe } from '../object/index.ts'
import { bytesOf, type Digest, type Limits, StrataError } from '../values/index.ts'

/**
 * A recipe has the headers of the tarball, packed, and rows for its contents and blocks. So it is smaller than these
 * together: half a KiB for each entry, all names and attributes, and 4 bytes for each of the smallest blocks.
 */
const RECIPE_BYTES_PER_ENTRY = 512
const BLOCKED_BYTES_PER_RECIPE_BYTE = 1024

/** @throws StrataError LIMIT_EXCEEDED */
export function refuseLargeRecipe(
  tar: Digest,
  { lengthBytes }: { lengthBytes: number },
  { entries, metadataBytes, totalBytes }: Limits
): void {
  const most = entries * RECIPE_BYTES_PER_ENTRY + metadataBytes + totalBytes / BLOCKED_BYTES_PER_RECIPE_BYTE
  if (lengthBytes > most)
    throw exceeded(
      tar,
      `its recipe has ${lengthBytes} bytes, the limits allow ${Math.floor(most)}`,
      '--max-entries'
    )
}

/**
 * @param data as the sender names it
 * @throws RangeError if they are longer or shorter than the data file; StrataError LIMIT_EXCEEDED
 */
export function refuseOtherLength(
  tar: Digest,
  { columns, profile }: Recipe,
  data: readonly { lengthBytes: number }[],
  { entries, totalBytes }: Limits
): void {
  const { contentSize } = columns
  if (contentSize.length > entries)
    throw exceeded(
      tar,
      `it has ${contentSize.length} contents or more, the limit is ${entries}`,
      '--max-entries'
    )
  const bytes = contentSize.reduce((sum, size) => sum + size, 0)
  if (bytes > totalBytes)
    throw exceeded(tar, `it has contents of ${bytes} bytes, the limit is ${totalBytes}`, '--max-bytes')
  const wanted = dataBytesOf(columns, profile)
  const sent = bytesOf(data)
  if (sent !== wanted)
    throw new RangeError(`it sends ${sent} bytes of data, but its recipe has a data file of ${wanted} bytes`)
}

const exceeded = (tar: Digest, fault: string, flag: string): StrataError =>
  new StrataError('LIMIT_EXCEEDED', {
    message: `tarball sha256:${tar}: ${fault}`,
    facts: { tar },
    hint: `if you trust who sent it, raise ${flag}`
  })
