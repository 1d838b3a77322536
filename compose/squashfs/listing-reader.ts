import { Kind } from '../../store/object/index.ts'
import { type PathBytes, pathFromBuffer, showPath } from '../../store/values/index.ts'
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
  const take = (count: number) => {
    left -= count
    if (left < 0) cursor.refuse(`the listing of ${lengthBytes} bytes ends inside an entry`)
    return cursor.read(count)
  }
  let before = ''
  while (left > 0) {
    const header = take(DIRECTORY_HEADER_BYTES)
    const count = header.readUInt32LE(0) + 1
    if (count > ENTRIES_PER_HEADER)
      cursor.refuse(`a header for ${count} entries, at most ${ENTRIES_PER_HEADER} are legal`)
    for (let i = 0; i < count; i++) {
      const entry = take(DIRECTORY_ENTRY_BYTES)
      const name = pathFromBuffer(take(entry.readUInt16LE(6) + 1))
      checkName(cursor, name, before)
      before = name
      const kind = entry.readUInt16LE(4)
      if (kind < Kind.directory || kind > Kind.socket)
        cursor.refuse(`entry ${showPath(name)} has type ${kind}, not 1..7`)
      yield {
        name,
        kind,
        number: header.readUInt32LE(8) + entry.readInt16LE(2),
        blockStart: header.readUInt32LE(4),
        offset: entry.readUInt16LE(0)
      }
    }
  }
}

const NAME_LIMIT = 255

function checkName(cursor: MetadataCursor, name: PathBytes, before: PathBytes): void {
  if (name.length > NAME_LIMIT) cursor.refuse(`a name of ${name.length} bytes`)
  if (name === '.' || name === '..' || /[/\0]/.test(name)) cursor.refuse(`"${showPath(name)}" is not a name`)
  if (name <= before) cursor.refuse(`name ${showPath(name)} follows ${showPath(before)}: not in byte order`)
}
