/** Sizes in the header of a link, directory, device or fifo, which have no content (spec/tar.md#members). */
import type { StrataError } from '../values/index.ts'
import type { HeaderFormat } from './header.ts'
import type { Member } from './member.ts'
import type { Oddities } from './oddities.ts'
import { type TarPlace, tarInvalid } from './refuse-tar.ts'

const OLD_FILE = 0 // a directory of v7 if the name ends with a slash
const HARD_LINK = 0x31 // '1'
const FIFO = 0x36 // '6', the last of a row

/** Only files have content, and readers disagree on whether to skip the size of another kind. */
export const refuseSize = ({ entry, unusedBytes }: Member, place: TarPlace): StrataError =>
  tarInvalid(
    place,
    `${entry.kind} with a size of ${unusedBytes}, wanted 0: readers disagree on whether content follows`
  )

/** Waits for the block behind a member with such a size. */
export class UnusedSize {
  readonly #oddities: Oddities
  #member: Member | undefined

  constructor(oddities: Oddities) {
    this.#oddities = oddities
  }

  get isPending(): boolean {
    return this.#member !== undefined
  }

  /**
   * @param hasPax true if the archive has had a PAX header: under POSIX 2001 a hard link may then have content, which
   * libarchive reads
   * @throws StrataError TAR_INVALID if readers disagree whatever follows
   */
  add(member: Member, type: number, format: HeaderFormat, hasPax: boolean, place: TarPlace): void {
    const isHeaderOnly = type === OLD_FILE || (type >= HARD_LINK && type <= FIFO)
    if (!isHeaderOnly || (type === HARD_LINK && hasPax)) throw refuseSize(member, place)
    // Before ustar, every hard link had the size of its file but no content.
    if (type === HARD_LINK && format !== 'ustar') this.#oddities.note('unused-size', place)
    else this.#member = member
  }

  /** @throws StrataError TAR_INVALID if no header follows, since the next bytes may be content */
  settle(isFollowedByHeader: boolean, place: TarPlace): void {
    const member = this.#member
    if (member === undefined) return
    this.#member = undefined
    const { path, headerOffset } = member.entry
    const ownPlace = { ...place, member: path, offset: headerOffset }
    if (!isFollowedByHeader) throw refuseSize(member, ownPlace)
    this.#oddities.note('unused-size', ownPlace)
  }
}
