/**
 * Oddities: breaches of the format's rules that every extractor handles in the same way (spec/tar.md#oddities).
 * Accepting them loses nothing, but the publisher of the archive should know.
 */
import { type PathBytes, showPath } from '../values/index.ts'
import { type TarPlace, tarInvalid } from './refuse-tar.ts'

export type OddityKind = keyof typeof SAID

/** Text of each kind in reports; the place of the first one and their number follow it. */
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
  /** Offset of the first of them. */
  offset: number
  path?: PathBytes
}

export interface OddityOptions {
  /** Refuse each oddity, and each record that would be ignored. */
  strict: boolean
  /** The end marker ends the archive even if members follow, as in container engines (eStargz puts some there). */
  endsAtMarker: boolean
}

/** Limits on remembered unknown keys, and on the bytes of each, so that an archive cannot make the report grow. */
const IGNORED_KEYS = 100
const IGNORED_KEY_BYTES = 255

const WITHOUT_STRICT = 'without --strict it is taken, and reported'

export class Oddities {
  readonly endsAtMarker: boolean
  /** PAX keys that were ignored, with the number of times. */
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
