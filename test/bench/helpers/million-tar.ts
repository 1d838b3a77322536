import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { encodeEnd, encodeHeader, paddingBytes } from '../../../store/tar/encode.ts'
import { type EntryKind, entryWith, type TarEntry } from '../../../store/tar/tar-entry.ts'

/** Entries of one directory: as many as a Python environment or a source tree has. */
const DIRECTORY_ENTRIES = 250
/** Every so many entries one is a symbolic link, or has an attribute. */
const LINK_EVERY = 20
const ATTRIBUTE_EVERY = 50

/**
 * A tarball of so many entries, made as it is written: small files, all different, in directories, some symbolic
 * links, some attributes. The same count gives the same bytes.
 */
export function writeManyEntries(path: string, entries: number): Promise<void> {
  return pipeline(chunked(members(entries)), createWriteStream(path))
}

function* members(entries: number): Generator<Buffer> {
  let directory = ''
  for (let i = 0; i < entries; i++) {
    if (i % DIRECTORY_ENTRIES === 0) {
      directory = `opt/package-${Math.floor(i / DIRECTORY_ENTRIES)}`
      yield encodeHeader(entry(directory, 'directory', 0o755))
    } else if (i % LINK_EVERY === 1)
      yield encodeHeader({
        ...entry(`${directory}/link-${i}`, 'symlink', 0o777),
        linkTarget: `file-${i + 1}`
      })
    else yield* file(`${directory}/file-${i}`, i)
  }
  yield encodeEnd()
}

function* file(path: string, i: number): Generator<Buffer> {
  const content = Buffer.from(`${String(i).repeat(1 + (i % 60))}\n`)
  const header = { ...entry(path, 'file', i % 7 === 0 ? 0o755 : 0o644), sizeBytes: content.length }
  if (i % ATTRIBUTE_EVERY === 2)
    header.attributes = new Map([['user.origin', Buffer.from(`package ${i % 9}`)]])
  yield encodeHeader(header)
  yield content
  yield Buffer.alloc(paddingBytes(content.length))
}

const entry = (path: string, kind: EntryKind, mode: number): TarEntry =>
  entryWith({ path, kind, mode, mtime: { seconds: 1_700_000_000, nanoseconds: 0 } })

const CHUNK_BYTES = 1 << 20

/** Millions of small writes would take longer than the rest. */
function* chunked(pieces: Iterable<Buffer>): Generator<Buffer> {
  let waiting: Buffer[] = []
  let waitingBytes = 0
  for (const piece of pieces) {
    waiting.push(piece)
    waitingBytes += piece.length
    if (waitingBytes < CHUNK_BYTES) continue
    yield Buffer.concat(waiting)
    waiting = []
    waitingBytes = 0
  }
  yield Buffer.concat(waiting)
}
