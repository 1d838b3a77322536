import { detailsAt, type ErrorCode, type PathBytes, type Place, StrataError } from '../values/index.ts'

/** Where the parser stands, for messages: kept up to date by the parser, read only when something is refused. */
export interface TarPlace extends Place {
  /** Path of the member at hand, as far as it is known. */
  member: PathBytes | undefined
  /** Byte offset of the block at hand in the decoded archive. */
  offset: number
}

function refusal(code: ErrorCode, place: TarPlace, message: string, hint: string | undefined): StrataError {
  const { offset } = place
  return new StrataError(code, { ...detailsAt(place, `byte ${offset}: ${message}`, { offset }), hint })
}

/** The archive breaks the format, or asks for what no file system should be asked for. */
export const tarInvalid = (place: TarPlace, message: string, hint?: string): StrataError =>
  refusal('TAR_INVALID', place, message, hint)

/**
 * The archive may be well formed, but asks for more than the importer allows.
 * @param flag raises the limit, where one does
 */
export const limitExceeded = (place: TarPlace, message: string, flag?: string): StrataError =>
  refusal('LIMIT_EXCEEDED', place, message, flag && `if you trust this archive, raise ${flag}`)

/** A type flag, `'x'` where it can be printed. */
export const showType = (type: number): string =>
  type > 0x20 && type < 0x7f ? `'${String.fromCharCode(type)}'` : `0x${type.toString(16).padStart(2, '0')}`
