import { StrataError } from '../values/index.ts'

/** The input of a decoder, for messages about its faults. */
export interface StreamPlace {
  /** The input as the user named it. */
  name: string
  compression: string
}

/** @param offset byte offset in the compressed input, as precisely as the decoder knows it */
export function streamInvalid(
  { name, compression }: StreamPlace,
  offset: number,
  message: string,
  hint?: string,
  cause?: unknown
): StrataError {
  return new StrataError('STREAM_INVALID', {
    message: `${name}: ${compression}, byte ${offset}: ${message}`,
    facts: { file: name, compression, offset },
    hint,
    cause
  })
}

const AGAIN = "the file was cut off or damaged: fetch it again and compare its hash with the publisher's"

export const streamTruncated = (place: StreamPlace, offset: number, cause?: unknown): StrataError =>
  streamInvalid(place, offset, 'the compressed stream ends too early', AGAIN, cause)

export const streamCorrupt = (
  place: StreamPlace,
  offset: number,
  reason: string,
  cause?: unknown
): StrataError => streamInvalid(place, offset, `corrupted data: ${reason}`, AGAIN, cause)

export const trailingBytes = (place: StreamPlace, offset: number): StrataError =>
  streamInvalid(
    place,
    offset,
    'the compressed stream is followed by other bytes',
    'if you know what they are, cut them off, or decompress the file and import the tar'
  )
