import { type Limits, RATIO_FLOOR_BYTES, StrataError } from '../values/index.ts'
import { ByteReader } from './byte-reader.ts'
import { unbzip2 } from './bzip2.ts'
import { gunzip } from './gzip.ts'
import {
  type Compression,
  RECOGNISED_BYTES,
  recogniseCompression,
  recogniseRefused,
  recogniseText
} from './recognise.ts'
import type { StreamPlace } from './refuse-stream.ts'
import { unlzma, unxz } from './xz.ts'
import { unzstd } from './zstd.ts'

/**
 * Decompresses a tarball. The compression is recognised by content and never by the file's name
 * (spec/tar.md#compression). Every decoder refuses a stream that is damaged, cut off, or followed by other bytes.
 */

export interface TarStreamOptions {
  /** The input as the user named it, for messages. */
  name: string
  limits: Limits
  /** Given if another source states the compression; `lzma` cannot be recognised by content. */
  compression?: Compression | 'lzma'
  /** Shared by streams that count as one, such as those of an image, which together must not decode to too much either. */
  expansion?: Expansion
  /** Called with the length of every chunk of the input, before it is decoded. */
  onRead?: (bytes: number) => void
}

/** Bytes read and decoded so far. */
export interface Expansion {
  readBytes: number
  decodedBytes: number
}

type Decoder = (reader: ByteReader, place: StreamPlace) => AsyncIterable<Uint8Array>

const DECODERS: Record<Compression | 'lzma', Decoder> = {
  plain,
  gzip: gunzip,
  zstd: unzstd,
  xz: unxz,
  bzip2: unbzip2,
  lzma: unlzma
}

/**
 * Yields the decoded bytes in chunks that belong to the caller. The input is read no further than asked for.
 * @throws StrataError STREAM_INVALID; LIMIT_EXCEEDED if it decodes to more than `expansionRatio` times its size
 */
export async function* openTarStream(
  input: AsyncIterable<Uint8Array>,
  {
    name,
    limits,
    compression: said,
    expansion = { readBytes: 0, decodedBytes: 0 },
    onRead = () => {}
  }: TarStreamOptions
): AsyncGenerator<Uint8Array, void, void> {
  const reader = new ByteReader(input, onRead)
  try {
    const start = await reader.peek(RECOGNISED_BYTES)
    if (said === undefined) refuseUnread(start, name)
    const compression = said ?? recogniseCompression(start)
    const before = expansion.readBytes
    for await (const chunk of DECODERS[compression](reader, { name, compression })) {
      expansion.readBytes = before + reader.offset
      expansion.decodedBytes += chunk.length
      checkRatio(expansion, limits, name)
      yield chunk
    }
  } finally {
    await reader.close()
  }
}

function refuseText(start: Buffer, name: string): void {
  if (recogniseCompression(start) !== 'plain') return
  const text = recogniseText(start)
  if (text === undefined) return
  throw new StrataError('STREAM_INVALID', {
    message: `${name} is ${text}, wanted a tar archive, an image, a package or a directory`,
    facts: { file: name },
    hint: 'look into it: a server may have sent it in place of the archive, or it may be a list of files'
  })
}

async function* plain(reader: ByteReader): AsyncGenerator<Uint8Array, void, void> {
  for (let chunk = await reader.next(); chunk !== undefined; chunk = await reader.next()) yield chunk
}

function refuseUnread(start: Buffer, name: string): void {
  if (start.length === 0) {
    throw new StrataError('STREAM_INVALID', {
      message: `${name}: empty, wanted a tar archive`,
      facts: { file: name, offset: 0 },
      hint: 'fetch or pack it again: a full disk or a failed command leaves empty files'
    })
  }
  refuseText(start, name)
  const format = recogniseRefused(start)
  if (format === undefined) return
  throw new StrataError('STREAM_INVALID', {
    message: `${name}: ${format}, wanted a tar archive, plain or compressed with gzip, zstd, xz or bzip2`,
    facts: { file: name, offset: 0 },
    hint: 'decompress it, and import the tar archive, or pipe it into "compose import MODULE -"'
  })
}

function checkRatio({ readBytes, decodedBytes }: Expansion, { expansionRatio }: Limits, name: string): void {
  if (decodedBytes <= RATIO_FLOOR_BYTES || decodedBytes <= expansionRatio * readBytes) return
  throw new StrataError('LIMIT_EXCEEDED', {
    message: `${name}: ${readBytes} bytes decode to ${decodedBytes} and more, over ${expansionRatio} times as many`,
    facts: { file: name, offset: readBytes, decodedBytes },
    hint: 'if you trust this archive, raise --max-ratio'
  })
}
