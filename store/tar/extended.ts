import type { Limits } from '../limits.ts'
import type { PathBytes } from '../path-bytes.ts'
import { cutPaxRecords, type PaxRecord } from './pax.ts'
import { applyRecords, type IgnoredKeys, isKeptGlobal, type PaxFields } from './pax-fields.ts'
import { limitExceeded, showType, type TarPlace, tarInvalid } from './refuse.ts'

/** Headers that speak for the next member, or, global ones, for all that follow (spec/tar.md#extended). */

export const PAX_LOCAL = 0x78 // 'x'
export const PAX_GLOBAL = 0x67 // 'g'
export const GNU_LONG_NAME = 0x4c // 'L'
export const GNU_LONG_LINK = 0x4b // 'K'

/** What was said about the next member before its own header. */
export interface Announced {
  fields: PaxFields
  longName: PathBytes | undefined
  longLink: PathBytes | undefined
  /** Offset of the first extended header; undefined if there is none. */
  firstOffset: number | undefined
}

interface Pending {
  firstOffset: number
  records: PaxRecord[] | undefined
  longName: PathBytes | undefined
  longLink: PathBytes | undefined
}

const NO_FIELDS: PaxFields = {}
const NOTHING: Announced = {
  fields: NO_FIELDS,
  longName: undefined,
  longLink: undefined,
  firstOffset: undefined
}

export class ExtendedHeaders {
  readonly ignoredKeys: IgnoredKeys = new Map()
  /** Bytes of the body of the header begun last. */
  sizeBytes = 0

  readonly #limits: Limits
  readonly #place: TarPlace
  readonly #globals = new Map<PathBytes, PaxRecord>()
  #pending: Pending | undefined
  #type = 0

  constructor(limits: Limits, place: TarPlace) {
    this.#limits = limits
    this.#place = place
  }

  get isPending(): boolean {
    return this.#pending !== undefined
  }

  /** @throws StrataError TAR_INVALID if a header waits for its member, and something else comes */
  refusePending(what: string): void {
    if (this.#pending === undefined) return
    throw tarInvalid(this.#place, `an extended header is followed by ${what}, wanted the member it describes`)
  }

  begin(type: number, sizeBytes: number): void {
    const place = this.#place
    if (sizeBytes > this.#limits.paxBytes) {
      const limit = this.#limits.paxBytes
      throw limitExceeded(place, `extended header of ${sizeBytes} bytes, more than ${limit}`, '--max-pax')
    }
    if (type === PAX_GLOBAL) this.refusePending('a global PAX header')
    else this.#open(type)
    this.#type = type
    this.sizeBytes = sizeBytes
  }

  #open(type: number): void {
    const firstOffset = this.#place.offset
    this.#pending ??= { firstOffset, records: undefined, longName: undefined, longLink: undefined }
    const { records, longName, longLink } = this.#pending
    const earlier = type === PAX_LOCAL ? records : type === GNU_LONG_NAME ? longName : longLink
    if (earlier === undefined) return
    throw tarInvalid(this.#place, `two extended headers of type ${showType(type)} before one member`)
  }

  /** @param body of the header begun last; copied, since its member may only come with a later chunk */
  finish(body: Buffer): void {
    if (this.#type === PAX_GLOBAL) this.#mergeGlobals(cutPaxRecords(Buffer.from(body), this.#place))
    else if (this.#type === PAX_LOCAL) this.#pending!.records = cutPaxRecords(Buffer.from(body), this.#place)
    else if (this.#type === GNU_LONG_NAME) this.#pending!.longName = this.#longName(body)
    else this.#pending!.longLink = this.#longName(body)
  }

  #mergeGlobals(records: PaxRecord[]): void {
    for (const record of records) {
      if (isKeptGlobal(record, this.#place)) this.#globals.set(record.key, record)
    }
    const bytes = [...this.#globals.values()].reduce(
      (sum, { key, value }) => sum + key.length + value.length,
      0
    )
    if (bytes <= this.#limits.paxBytes) return
    throw limitExceeded(this.#place, `global PAX headers hold ${bytes} bytes together`, '--max-pax')
  }

  /** GNU tar counts the NUL at the end of a long name, others do not write one. */
  #longName(bytes: Buffer): PathBytes {
    const nul = bytes.indexOf(0)
    const name = bytes.toString('latin1', 0, nul < 0 ? bytes.length : nul)
    if (name === '') throw tarInvalid(this.#place, 'GNU long name is empty')
    if (nul >= 0 && bytes.subarray(nul).some(byte => byte !== 0)) {
      throw tarInvalid(this.#place, 'GNU long name goes on behind a NUL byte')
    }
    return name
  }

  /** All that was said about the member whose header has come; nothing is pending after it. */
  take(): Announced {
    const pending = this.#pending
    if (pending === undefined && this.#globals.size === 0) return NOTHING
    this.#pending = undefined
    const fields: PaxFields = {}
    applyRecords(fields, this.#globals.values(), this.ignoredKeys, this.#place)
    if (pending?.records !== undefined) applyRecords(fields, pending.records, this.ignoredKeys, this.#place)
    const { longName, longLink, firstOffset } = pending ?? NOTHING
    return { fields, longName, longLink, firstOffset }
  }
}
