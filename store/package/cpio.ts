/**
 * The payload of an .rpm: cpio in the "new ASCII" form, or rpm's own form for files of 4 GiB and more, whose headers
 * hold only a file's number (spec/sources.md#rpm). Field widths: cpio(5), rpm's lib/cpio.c.
 */
import { type PathBytes, pathFromBuffer, showPath } from '../values/index.ts'
import type { ByteStream } from './byte-stream.ts'

const NEWC = '070701'
const NEWC_CRC = '070702'
const STRIPPED = '07070X'
const MAGIC_BYTES = 6
const FIELDS = 13
const FIELD_BYTES = 8
const SIZE_FIELD = 6
const NAME_SIZE_FIELD = 11
const LONGEST_NAME_BYTES = 4096
const TRAILER = 'TRAILER!!!'

/** The next member's header: its name and size, or only its number. */
export type CpioHeader = { name: PathBytes; sizeBytes: number } | { number: number }

/** The content follows in the stream. Undefined at the end. @throws StrataError SOURCE_INVALID */
export async function readCpioHeader(stream: ByteStream): Promise<CpioHeader | undefined> {
  await stream.align(4)
  const magic = (await stream.read(MAGIC_BYTES)).toString('latin1')
  if (magic === STRIPPED) {
    const [number] = await readFields(stream, 1)
    await stream.align(4)
    return { number }
  }
  if (magic !== NEWC && magic !== NEWC_CRC)
    stream.refuse(`magic "${showPath(magic)}", wanted ${NEWC}, ${NEWC_CRC} or ${STRIPPED}`)
  const fields = await readFields(stream, FIELDS)
  const nameBytes = fields[NAME_SIZE_FIELD]
  if (nameBytes < 2 || nameBytes > LONGEST_NAME_BYTES) stream.refuse(`a name of ${nameBytes} bytes`)
  const bytes = await stream.read(nameBytes)
  if (bytes.indexOf(0) !== nameBytes - 1) stream.refuse('the name does not end with its only NUL')
  await stream.align(4)
  const name = pathFromBuffer(bytes.subarray(0, -1))
  return name === TRAILER ? undefined : { name, sizeBytes: fields[SIZE_FIELD] }
}

async function readFields(stream: ByteStream, count: number): Promise<number[]> {
  const text = (await stream.read(count * FIELD_BYTES)).toString('latin1')
  if (!/^[0-9A-Fa-f]+$/.test(text)) stream.refuse('a field of the header is not a hexadecimal number')
  return Array.from({ length: count }, (_, i) =>
    Number.parseInt(text.slice(i * FIELD_BYTES, (i + 1) * FIELD_BYTES), 16)
  )
}
