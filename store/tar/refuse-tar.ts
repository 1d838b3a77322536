import { detailsAt, type ErrorCode, type PathBytes, type Place, StrataError } from '../values/index.ts'

/** The parser's position, for messages. The parser keeps it up to date; it is read only when something is refused. */
export interface TarPlace extends Place {
  /** Path of the current member, as far as it is known. */
  member: PathBytes | undefined
  /** Byte offset of the current block in the decoded archive. */
  offset: number
}

function refusal(code: ErrorCode, place: TarPlace, message: string, hint: string | undefined): StrataError {
  const { offset } = place
  return new StrataError(code, { ...detailsAt(place, `byte ${offset}: ${message}`, { offset }), hint })
}

/** The archive breaks the format, or holds something that no file system can. */
export const tarInvalid = (place: TarPlace, message: string, hint?: string): StrataError =>
  refusal('TAR_INVALID', place, message, hint)

/**
 * The archive may be well formed, but exceeds a limit of the importer.
 * @param flag the option that raises the limit, if there is one
 */
export const limitExceeded = (place: TarPlace, message: string, flag?: string): StrataError =>
  refusal('LIMIT_EXCEEDED', place, message, flag && `if you trust this archive, raise ${flag}`)

/** A type flag, as `'x'` if it can be printed. */
export const showType = (type: number): string =>
  type > 0x20 && type < 0x7f ? `'${String.fromCharCode(type)}'` : `0x${type.toString(16).padStart(2, '0')}`
