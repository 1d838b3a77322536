import type { Limits, PathBytes } from '../values/index.ts'
import type { Oddities } from './oddities.ts'
import { cutPaxRecords, type PaxRecord } from './pax.ts'
import { applyRecords, isKeptGlobal, ownFields, type PaxFields } from './pax-fields.ts'
import { limitExceeded, showType, type TarPlace, tarInvalid } from './refuse-tar.ts'

/** Headers that describe the next member or, if global, all later ones (spec/tar.md#extended). */

export const PAX_LOCAL = 0x78 // 'x'
export const SUN_LOCAL = 0x58 // 'X': written by Sun's tar -E before POSIX defined 'x'
export const PAX_GLOBAL = 0x67 // 'g'
export const GNU_LONG_NAME = 0x4c // 'L'
export const GNU_LONG_LINK = 0x4b // 'K'

/** Facts about the next member from the extended headers before it. */
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

/**
 * Limits for global headers, whose records stay for all later members. Programs put a comment, or an owner and a time,
 * into them.
 */
const MOST_GLOBAL_RECORDS = 64
const MOST_GLOBAL_BYTES = 65_536
const NOTHING: Announced = {
  fields: NO_FIELDS,
  longName: undefined,
  longLink: undefined,
  firstOffset: undefined
}

export class ExtendedHeaders {
  /** Length of the body of the latest header. */
  sizeBytes = 0

  readonly #limits: Limits
  readonly #oddities: Oddities
  readonly #place: TarPlace
  readonly #globals = new Map<PathBytes, PaxRecord>()
  /** The decoded global records, shared by all members. */
  #globalFields: PaxFields = NO_FIELDS
  #pending: Pending | undefined
  #hasPax = false
  #type = 0

  constructor(limits: Limits, oddities: Oddities, place: TarPlace) {
    this.#limits = limits
    this.#oddities = oddities
    this.#place = place
  }

  get isPending(): boolean {
    return this.#pending !== undefined
  }

  /** True after a PAX header: the archive then follows POSIX 2001, where a hard link may have content. */
  get hasPax(): boolean {
    return this.#hasPax
  }

  /** @throws StrataError TAR_INVALID if a header waits for its member and something else comes */
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
    if (type === SUN_LOCAL) this.#oddities.note('sun-header', place)
    this.#type = type === SUN_LOCAL ? PAX_LOCAL : type
    if (this.#type === PAX_LOCAL || type === PAX_GLOBAL) this.#hasPax = true
    if (type === PAX_GLOBAL) this.refusePending('a global PAX header')
    else this.#open(this.#type)
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

  /** @param body of the latest header; copied, because its member may come with a later chunk */
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
    const kept = [...this.#globals.values()]
    const bytes = kept.reduce((sum, { key, value }) => sum + key.length + value.length, 0)
    if (kept.length > MOST_GLOBAL_RECORDS || bytes > MOST_GLOBAL_BYTES)
      throw limitExceeded(
        this.#place,
        `global PAX headers hold ${kept.length} records of ${bytes} bytes together, ` +
          `wanted at most ${MOST_GLOBAL_RECORDS} of ${MOST_GLOBAL_BYTES}`
      )
    applyRecords({}, records, this.#oddities, this.#place)
    this.#globalFields = {}
    applyRecords(this.#globalFields, kept, undefined, this.#place)
  }

  /** GNU tar counts the NUL at the end of a long name, others do not write one. */
  #longName(bytes: Buffer): PathBytes {
    const nul = bytes.indexOf(0)
    const name = bytes.toString('latin1', 0, nul < 0 ? bytes.length : nul)
    if (name === '') throw tarInvalid(this.#place, 'GNU long name is empty')
    if (nul >= 0 && bytes.subarray(nul).some(byte => byte !== 0)) {
      throw tarInvalid(this.#place, 'GNU long name continues after a NUL byte')
    }
    return name
  }

  /** Takes the facts about the member whose header has come. Nothing is pending afterwards. */
  take(): Announced {
    const pending = this.#pending
    if (pending === undefined && this.#globals.size === 0) return NOTHING
    this.#pending = undefined
    const { longName, longLink, firstOffset } = pending ?? NOTHING
    return { fields: this.#fieldsWith(pending?.records), longName, longLink, firstOffset }
  }

  #fieldsWith(records: PaxRecord[] | undefined): PaxFields {
    if (records === undefined) return this.#globalFields
    const fields = ownFields(this.#globalFields)
    applyRecords(fields, records, this.#oddities, this.#place)
    return fields
  }
}
