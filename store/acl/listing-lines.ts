import {
  detailsAt,
  type ErrorCode,
  type PathBytes,
  type Place,
  pathFromBuffer,
  StrataError,
  showPath
} from '../values/index.ts'

/**
 * Cuts a listing of getfacl or getfattr into lines of bytes. Either all lines end in LF, or all in CR LF. Both programs
 * escape a CR in a name, so a bare CR before LF comes from an editor or a mail program.
 */

/** Room for a text value of 65536 bytes, each escaped to four. */
const MAX_LINE_BYTES = 1 << 20

const BYTE_ORDER_MARKS: [string, string][] = [
  ['\xef\xbb\xbf', 'UTF-8 byte order mark'],
  ['\xff\xfe', 'UTF-16 byte order mark'],
  ['\xfe\xff', 'UTF-16 byte order mark']
]

export class ListingLines {
  readonly #source: string
  readonly #code: ErrorCode
  #rest = ''
  #line = 0
  #carriageReturns: boolean | undefined

  /** @param code thrown for lines that cannot belong to such a listing */
  constructor(source: string, code: ErrorCode) {
    this.#source = source
    this.#code = code
  }

  /** Place of the line yielded last. */
  get place(): Place {
    return { source: this.#source, line: this.#line }
  }

  /** Yields the lines that end within these bytes, without their line ends. */
  *push(bytes: Uint8Array): Generator<PathBytes> {
    const lines = (this.#rest + pathFromBuffer(bytes)).split('\n')
    this.#rest = lines.pop()!
    for (const line of lines) yield this.#take(line)
    if (this.#rest.length > MAX_LINE_BYTES)
      throw this.#fail(this.#line + 1, `longer than ${MAX_LINE_BYTES} bytes`)
  }

  /** Call this after the last bytes. A rest without line end may be half a line, and is refused. */
  end(): void {
    if (this.#rest === '') return
    throw this.#fail(
      this.#line + 1,
      `no line end after ${showPath(this.#rest.slice(0, 200))}: is the file cut short?`
    )
  }

  #take(raw: string): PathBytes {
    this.#line++
    if (raw.length > MAX_LINE_BYTES) throw this.#fail(this.#line, `longer than ${MAX_LINE_BYTES} bytes`)
    const returned = raw.endsWith('\r')
    this.#carriageReturns ??= returned
    if (returned !== this.#carriageReturns)
      throw this.#fail(this.#line, 'some lines end in CR LF and some in LF')
    if (this.#line === 1) this.#refuseMark(raw)
    if (raw.includes('\0')) throw this.#fail(this.#line, 'a NUL byte: this is not a text file')
    return returned ? raw.slice(0, -1) : raw
  }

  #refuseMark(line: string): void {
    const mark = BYTE_ORDER_MARKS.find(([bytes]) => line.startsWith(bytes))
    if (mark !== undefined)
      throw this.#fail(1, `begins with a ${mark[1]}; save it without one, in bytes as written`)
  }

  #fail(line: number, message: string): StrataError {
    return new StrataError(this.#code, detailsAt({ source: this.#source, line }, message))
  }
}

/** Makes blocks out of lines. It returns a block when a line, or the end, completes one. */
export interface BlockParser<Block> {
  line(text: PathBytes, place: Place): Block | undefined
  end(): Block | undefined
}

const CHUNK_BYTES = 1 << 20 // a string of the whole listing might exceed V8's limit of 512 MB

/** All blocks of a listing, in order. */
export function parseBlocks<Block>(
  bytes: Uint8Array,
  lines: ListingLines,
  parser: BlockParser<Block>
): Block[] {
  const blocks: Block[] = []
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES)
    for (const block of blocksOf(lines.push(bytes.subarray(at, at + CHUNK_BYTES)), lines, parser))
      blocks.push(block)
  lines.end()
  const last = parser.end()
  if (last !== undefined) blocks.push(last)
  return blocks
}

function* blocksOf<Block>(
  texts: Iterable<PathBytes>,
  lines: ListingLines,
  parser: BlockParser<Block>
): Generator<Block> {
  for (const text of texts) {
    const block = parser.line(text, lines.place)
    if (block !== undefined) yield block
  }
}
