/**
 * What an archive does against the rules of the format and every extractor takes in the same way
 * (spec/tar.md#oddities). Nothing is lost by taking it, but whoever publishes the archive should know.
 */
import { type PathBytes, showPath } from '../values/index.ts'
import { type TarPlace, tarInvalid } from './refuse-tar.ts'

export type OddityKind = keyof typeof SAID

/** What a report says of each kind; the place of the first one and their number are put behind it. */
const SAID = {
  'no-end-marker': 'no end marker: if the archive was cut off here, members are missing',
  'bytes-behind-end': 'bytes behind the end of the archive, which nothing reads',
  'members-behind-end': 'members behind the end of the archive, which no container engine reads',
  'unused-size': 'a link, directory or device with a size and no content',
  'sun-header': "an extended header of Sun's type X, read as PAX"
} as const

export interface Oddity {
  kind: OddityKind
  count: number
  /** Where the first of them is. */
  offset: number
  path?: PathBytes
}

export interface OddityOptions {
  /** Refuse each of them, and each record that would be read over. */
  strict: boolean
  /** The end marker ends the archive even if members follow, as container engines have it (eStargz puts some there). */
  endsAtMarker: boolean
}

/** At most this many different unknown keys are remembered, and so much of each: an archive cannot make the report grow. */
const IGNORED_KEYS = 100
const IGNORED_KEY_BYTES = 255

const WITHOUT_STRICT = 'without --strict it is taken, and reported'

export class Oddities {
  readonly endsAtMarker: boolean
  /** PAX keys that were read over, with the number of times. */
  readonly ignoredKeys = new Map<PathBytes, number>()
  readonly #isStrict: boolean
  readonly #found = new Map<OddityKind, Oddity>()

  constructor({ strict, endsAtMarker }: OddityOptions) {
    this.#isStrict = strict
    this.endsAtMarker = endsAtMarker
  }

  get found(): Oddity[] {
    return [...this.#found.values()]
  }

  /** @throws StrataError TAR_INVALID when the archive is read strictly */
  note(kind: OddityKind, place: TarPlace): void {
    if (this.#isStrict) throw tarInvalid(place, SAID[kind], WITHOUT_STRICT)
    const before = this.#found.get(kind)
    if (before !== undefined) before.count++
    else {
      const { offset, member: path } = place
      this.#found.set(kind, { kind, count: 1, offset, ...(path !== undefined && { path }) })
    }
  }

  /** @throws StrataError TAR_INVALID when the archive is read strictly */
  ignoreKey(key: PathBytes, place: TarPlace): void {
    if (this.#isStrict)
      throw tarInvalid(place, `PAX record ${showPath(key)} has no meaning here`, WITHOUT_STRICT)
    const start = key.slice(0, IGNORED_KEY_BYTES)
    const times = this.ignoredKeys.get(start)
    if (times !== undefined || this.ignoredKeys.size < IGNORED_KEYS)
      this.ignoredKeys.set(start, (times ?? 0) + 1)
  }
}

/** `a link, directory or device with a size and no content (3, the first at byte 512: d)`. */
export function describeOddity({ kind, count, offset, path }: Oddity): string {
  const where = `byte ${offset}${path === undefined ? '' : `: ${showPath(path) || '.'}`}`
  return `${SAID[kind]} (${count === 1 ? '' : `${count}, the first at `}${where})`
}
