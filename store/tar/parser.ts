import { type Limits, RATIO_FLOOR_BYTES } from '../limits.ts'
import type { TarSink } from './entry.ts'
import { ExtendedHeaders, GNU_LONG_LINK, GNU_LONG_NAME, PAX_GLOBAL, PAX_LOCAL } from './extended.ts'
import {
  BLOCK_BYTES,
  checkChecksum,
  headerFormat,
  headerSize,
  headerType,
  isZeroBlock,
  OwnerNames
} from './header.ts'
import { decodeMember, type Member } from './member.ts'
import { checkSize } from './number.ts'
import type { IgnoredKeys } from './pax-fields.ts'
import { limitExceeded, type TarPlace, tarInvalid } from './refuse.ts'
import { SparseMember } from './sparse-member.ts'
import { ChunkWindow } from './window.ts'

/**
 * A strict tar reader (spec/tar.md). Bytes are pushed in, in chunks of any size; nothing of a file's content
 * is kept. What two readers could read in two ways is refused rather than guessed.
 */

type State = 'header' | 'extended' | 'sparse-map' | 'content' | 'skip' | 'trailer'

const GNU_VOLUME_LABEL = 0x56 // 'V'
const GNU_MULTI_VOLUME = 0x4d // 'M'

const paddingOf = (sizeBytes: number): number => (BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES

export class TarParser {
  readonly #sink: TarSink
  readonly #limits: Limits
  readonly #place: TarPlace
  readonly #window: ChunkWindow
  readonly #extended: ExtendedHeaders
  readonly #owners = new OwnerNames()

  #state: State = 'header'
  #sparse: SparseMember | undefined
  #contentLeft = 0
  #skipLeft = 0
  #paddingBytes = 0
  #entryCount = 0
  #totalBytes = 0

  constructor(sink: TarSink, { archive, limits }: { archive: string; limits: Limits }) {
    this.#sink = sink
    this.#limits = limits
    this.#place = { source: archive, member: undefined, offset: 0 }
    this.#window = new ChunkWindow(sink)
    this.#extended = new ExtendedHeaders(limits, this.#place)
  }

  /** PAX keys that were read over, with the number of times: what a report of the import should mention. */
  get ignoredKeys(): IgnoredKeys {
    return this.#extended.ignoredKeys
  }

  /**
   * The next bytes of the archive. They may be overwritten once the call returns.
   * @throws StrataError TAR_INVALID or LIMIT_EXCEEDED; the parser is of no use after it
   */
  write(chunk: Uint8Array): void {
    this.#window.open(chunk)
    while (!this.#window.isUsedUp) this.#step()
    this.#window.close()
  }

  /**
   * The archive ends here.
   * @throws StrataError TAR_INVALID unless it ends where an archive may end: behind a block of zeros
   */
  end(): void {
    if (this.#state === 'trailer') return
    const place = this.#place
    place.offset = this.#window.offset
    const again = 'the file was cut off: fetch or pack it again'
    if (place.offset === 0) throw tarInvalid(place, 'empty, wanted a tar archive')
    if (this.#state === 'content') {
      throw tarInvalid(
        place,
        `the archive ends inside the content, ${this.#contentLeft} bytes are missing`,
        again
      )
    }
    if (this.#state === 'skip')
      throw tarInvalid(place, `the archive ends ${this.#skipLeft} bytes too early`, again)
    if (this.#state !== 'sparse-map') place.member = undefined
    if (this.#state === 'header' && !this.#window.isHolding && !this.#extended.isPending) {
      throw tarInvalid(place, 'the archive ends without an end marker: members may be missing', again)
    }
    throw tarInvalid(place, 'the archive ends inside a header', again)
  }

  #step(): void {
    switch (this.#state) {
      case 'header':
        if (this.#gather(BLOCK_BYTES)) this.#header()
        break
      case 'content':
        this.#content()
        break
      case 'skip':
        this.#skipLeft -= this.#window.skip(this.#skipLeft)
        if (this.#skipLeft === 0) this.#state = 'header'
        break
      case 'extended':
        if (this.#gather(this.#extended.sizeBytes)) this.#extendedBody()
        break
      case 'sparse-map':
        if (this.#gather(BLOCK_BYTES)) this.#sparseBlock(this.#sparse!)
        break
      case 'trailer':
        this.#trailer()
        break
    }
  }

  #gather(count: number): boolean {
    if (!this.#window.gather(count)) return false
    this.#place.offset = this.#window.offset - count
    return true
  }

  #header(): void {
    const { block, blockAt: at } = this.#window
    const place = this.#place
    place.member = undefined
    if (block[at] === 0 && isZeroBlock(block, at)) {
      this.#extended.refusePending('the end of the archive')
      this.#state = 'trailer'
      return
    }
    checkChecksum(block, at, place)
    const type = headerType(block, at)
    switch (type) {
      case PAX_LOCAL:
      case PAX_GLOBAL:
      case GNU_LONG_NAME:
      case GNU_LONG_LINK:
        this.#extended.begin(
          type,
          checkSize(headerSize(block, at, place), 'size of an extended header', place)
        )
        this.#state = 'extended'
        break
      case GNU_VOLUME_LABEL:
        this.#extended.refusePending('a volume label')
        this.#skipStored(checkSize(headerSize(block, at, place), 'size', place))
        break
      case GNU_MULTI_VOLUME:
        throw tarInvalid(place, 'part of a multi-volume archive', 'join the volumes with tar -M first')
      default:
        this.#member(block, at)
    }
  }

  #extendedBody(): void {
    const { block, blockAt } = this.#window
    const { sizeBytes } = this.#extended
    this.#extended.finish(block.subarray(blockAt, blockAt + sizeBytes))
    this.#skipBytes(paddingOf(sizeBytes))
  }

  /** Behind one zero block there may be zeros only, as many as the writer's record size asks for. */
  #trailer(): void {
    if (this.#window.skipZeros()) return
    this.#place.offset = this.#window.offset
    throw tarInvalid(
      this.#place,
      'data after the end of the archive: concatenated archives, or other bytes',
      'import the archives one by one, or join them with tar --concatenate'
    )
  }

  #member(block: Buffer, at: number): void {
    const place = this.#place
    const announced = this.#extended.take()
    const { fields, longName, longLink, firstOffset = place.offset } = announced
    const source = { block, at, format: headerFormat(block, at), fields, longName, longLink, firstOffset }
    const member = decodeMember(source, this.#owners, this.#limits, place)
    if (!member.isOldSparse && fields.sparse === undefined) {
      this.#announce(member)
      return
    }
    const sparse = new SparseMember(member, fields, block, at, this.#limits, place)
    this.#sparse = sparse
    if (sparse.wantsBlock) this.#state = 'sparse-map'
    else this.#announce(sparse.finish())
  }

  #sparseBlock(sparse: SparseMember): void {
    sparse.readBlock(this.#window.block, this.#window.blockAt)
    if (!sparse.wantsBlock) this.#announce(sparse.finish())
  }

  #announce({ entry, storedBytes }: Member): void {
    this.#entryCount++
    this.#totalBytes += entry.sizeBytes
    this.#checkLimits(storedBytes)
    this.#window.flushLiteral()
    this.#sink.entry(entry)
    if (entry.kind === 'file' && storedBytes > 0) {
      this.#contentLeft = storedBytes
      this.#paddingBytes = paddingOf(storedBytes)
      this.#state = 'content'
    } else {
      this.#sink.endEntry()
      this.#skipStored(storedBytes)
    }
  }

  #checkLimits(storedBytes: number): void {
    const { entries, totalBytes, expansionRatio } = this.#limits
    const place = this.#place
    if (this.#entryCount > entries)
      throw limitExceeded(place, `more than ${entries} members`, '--max-entries')
    if (this.#totalBytes > totalBytes) {
      throw limitExceeded(
        place,
        `files of ${this.#totalBytes} bytes together, more than ${totalBytes}`,
        '--max-bytes'
      )
    }
    if (this.#totalBytes <= RATIO_FLOOR_BYTES) return
    const readBytes = this.#window.offset + storedBytes
    if (this.#totalBytes > expansionRatio * readBytes) {
      const found = `files of ${this.#totalBytes} bytes in ${readBytes} bytes of archive`
      throw limitExceeded(place, `${found}, more than ${expansionRatio} times as many`, '--max-ratio')
    }
  }

  #content(): void {
    this.#contentLeft -= this.#window.passData(this.#contentLeft)
    if (this.#contentLeft > 0) return
    this.#sink.endEntry()
    this.#skipBytes(this.#paddingBytes)
  }

  #skipStored(storedBytes: number): void {
    this.#skipBytes(storedBytes + paddingOf(storedBytes))
  }

  #skipBytes(count: number): void {
    this.#skipLeft = count
    this.#state = count > 0 ? 'skip' : 'header'
  }
}
