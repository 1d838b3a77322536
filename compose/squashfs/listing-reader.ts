import { Kind } from '../../store/object/index.ts'
import { type PathBytes, showPath } from '../../store/values/index.ts'
import { DIRECTORY_ENTRY_BYTES, DIRECTORY_HEADER_BYTES, ENTRIES_PER_HEADER } from './format-numbers.ts'
import type { MetadataCursor } from './metadata-reader.ts'

/** A name in a directory and the inode that it leads to. */
export interface ListingEntry {
  name: PathBytes
  /** A `Kind`. */
  kind: number
  number: number
  /** Position in the inode table. */
  blockStart: number
  offset: number
}

/** Reads a listing of exactly `lengthBytes` (spec/squashfs.md#listings). */
export function* readListing(cursor: MetadataCursor, lengthBytes: number): Generator<ListingEntry> {
  let left = lengthBytes
  const pass = (count: number) => {
    left -= count
    if (left < 0) cursor.refuse(`the listing of ${lengthBytes} bytes ends inside an entry`)
    return cursor.pass(count)
  }
  let before = ''
  while (left > 0) {
    const header = pass(DIRECTORY_HEADER_BYTES)
    const count = cursor.bytes.readUInt32LE(header) + 1
    const blockStart = cursor.bytes.readUInt32LE(header + 4)
    const firstNumber = cursor.bytes.readUInt32LE(header + 8)
    if (count > ENTRIES_PER_HEADER)
      cursor.refuse(`a header for ${count} entries, at most ${ENTRIES_PER_HEADER} are legal`)
    for (let i = 0; i < count; i++) {
      const entry = pass(DIRECTORY_ENTRY_BYTES)
      const { bytes } = cursor
      const kind = bytes.readUInt16LE(entry + 4)
      const number = firstNumber + bytes.readInt16LE(entry + 2)
      const offset = bytes.readUInt16LE(entry)
      const name = takeName(cursor, pass, bytes.readUInt16LE(entry + 6) + 1)
      checkName(cursor, name, before)
      before = name
      if (kind < Kind.directory || kind > Kind.socket)
        cursor.refuse(`entry ${showPath(name)} has type ${kind}, not 1..7`)
      yield { name, kind, number, blockStart, offset }
    }
  }
}

function takeName(cursor: MetadataCursor, pass: (count: number) => number, lengthBytes: number): PathBytes {
  const start = pass(lengthBytes)
  return cursor.bytes.toString('latin1', start, start + lengthBytes)
}

const NAME_LIMIT = 255

function checkName(cursor: MetadataCursor, name: PathBytes, before: PathBytes): void {
  if (name.length > NAME_LIMIT) cursor.refuse(`a name of ${name.length} bytes`)
  if (name === '.' || name === '..' || /[/\0]/.test(name)) cursor.refuse(`"${showPath(name)}" is not a name`)
  if (name <= before) cursor.refuse(`name ${showPath(name)} follows ${showPath(before)}: not in byte order`)
}
