/**
 * How large the sidecar of a layer can be. The parser needs up to 100 bytes of memory for two bytes of text (`{},`), so what
 * comes from elsewhere is measured before it is parsed (spec/registry.md#proof).
 */

const LARGEST_SIDECAR_BYTES = 256 << 20
const USUAL_BYTES = 32 << 20
/** A path of 4 KiB, or attributes that fill a block of ext4, in base64. */
const BYTES_PER_ENTRY = 8192

/** Bytes of the largest sidecar that is taken for a layer with this many entries. */
export const mostSidecarBytes = (entries: number): number =>
  Math.min(LARGEST_SIDECAR_BYTES, USUAL_BYTES + entries * BYTES_PER_ENTRY)

const USUAL_MARKS = 1 << 20
const MARKS_PER_ENTRY = 32
/** The shortest entry, `{"acl":0,"path":""},`, has 20 bytes and 3 marks. The head of a sidecar has some more. */
const BYTES_PER_MARK = 5
const MARKS_OF_HEAD = 64

const [QUOTE, BACKSLASH, COMMA, BRACKET, BRACE] = Buffer.from('"\\,[{')

/**
 * The marks that begin a value (`{`, `[`, `,`) are counted outside of strings.
 * @param entries that the layer has
 * @throws RangeError for a text with more of them than its sidecar can need
 */
export function refuseManyValues(bytes: Uint8Array, entries: number): void {
  const most = Math.min(
    USUAL_MARKS + entries * MARKS_PER_ENTRY,
    MARKS_OF_HEAD + bytes.length / BYTES_PER_MARK
  )
  let marks = 0
  let isText = false
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]
    if (isText) {
      if (byte === BACKSLASH) i++
      else if (byte === QUOTE) isText = false
    } else if (byte === QUOTE) isText = true
    else if ((byte === COMMA || byte === BRACKET || byte === BRACE) && ++marks > most)
      throw new RangeError(
        `sidecar: more than ${Math.floor(most)} values, for a layer with ${entries} entries`
      )
  }
}
