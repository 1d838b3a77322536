import { type Limits, RATIO_FLOOR_BYTES } from '../values/index.ts'
import {
  ExtendedHeaders,
  GNU_LONG_LINK,
  GNU_LONG_NAME,
  PAX_GLOBAL,
  PAX_LOCAL,
  SUN_LOCAL
} from './extended.ts'
import {
  checkChecksum,
  headerFormat,
  headerSize,
  headerType,
  isZeroBlock,
  looksLikeHeader,
  OwnerNames
} from './header.ts'
import { decodeMember, type Member } from './member.ts'
import { checkSize } from './number.ts'
import { Oddities, type OddityKind } from './oddities.ts'
import { limitExceeded, type TarPlace, tarInvalid } from './refuse-tar.ts'
import { SparseMember } from './sparse-member.ts'
import type { TarSink } from './tar-entry.ts'
import { UnusedSize } from './unused-size.ts'
import { BLOCK_BYTES } from './ustar.ts'
import { ChunkWindow } from './window.ts'

/**
 * A strict tar reader (spec/tar.md). Callers push bytes in, in chunks of any size; it keeps no file content. If two
 * readers could read something in two ways, it is refused. If something breaks a rule but all readers read it in one
 * way, it is an oddity.
 */

export interface ParserOptions {
  /** For messages. */
  archive: string
  limits: Limits
  /**
   * The end marker ends the archive, whatever follows: for a layer of an image, and for a tarball that was imported
   * before.
   */
  endsAtMarker?: boolean
}

type State = 'header' | 'extended' | 'sparse-map' | 'content' | 'skip' | 'trailer'

const GNU_VOLUME_LABEL = 0x56 // 'V'
const GNU_MULTI_VOLUME = 0x4d // 'M'

/** POSIX wants two blocks of zeros; most readers stop at one. */
const MARKER_BLOCKS = 2

const paddingOf = (sizeBytes: number): number => (BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES

export class TarParser {
  readonly #sink: TarSink
  readonly #limits: Limits
  readonly #place: TarPlace
  readonly #window: ChunkWindow
  readonly #oddities: Oddities
  readonly #extended: ExtendedHeaders
  readonly #unusedSize: UnusedSize
  readonly #owners = new OwnerNames()

  #state: State = 'header'
  #sparse: SparseMember | undefined
  #contentLeft = 0
  #skipLeft = 0
  #paddingBytes = 0
  #entryCount = 0
  #totalBytes = 0
  #metadataBytes = 0
  #zeroBlocks = 0
  #behind: OddityKind | undefined

  constructor(sink: TarSink, { archive, limits, endsAtMarker = false }: ParserOptions) {
    this.#sink = sink
    this.#limits = limits
    this.#place = { source: archive, member: undefined, offset: 0 }
    this.#window = new ChunkWindow(sink)
    this.#oddities = new Oddities({ strict: limits.strict, endsAtMarker })
    this.#unusedSize = new UnusedSize(this.#oddities)
    this.#extended = new ExtendedHeaders(limits, this.#oddities, this.#place)
  }

  /** Oddities for the report of the import. */
  get oddities(): Oddities {
    return this.#oddities
  }

  /**
   * Takes the next bytes of the archive. The chunk may be overwritten once the call returns.
   * @throws StrataError TAR_INVALID or LIMIT_EXCEEDED; the parser cannot be used after it
   */
  write(chunk: Uint8Array): void {
    this.#window.open(chunk)
    while (!this.#window.isUsedUp) this.#step()
    this.#window.close()
  }

  /**
   * Call this at the end of the archive.
   * @throws StrataError TAR_INVALID unless it ends where an archive may end: behind a block of zeros, or at least
   * behind a whole member
   */
  end(): void {
    const place = this.#place
    if (this.#state === 'trailer') {
      const { held } = this.#window
      place.offset = this.#window.offset - held.length
      if (held.some(byte => byte !== 0)) this.#noteBehind('bytes-behind-end')
      return
    }
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
    this.#unusedSize.settle(false, place)
    if (this.#state === 'header' && !this.#window.isHolding && !this.#extended.isPending) {
      this.#oddities.note('no-end-marker', place)
      return
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
        if (this.#gather(BLOCK_BYTES)) this.#trailerBlock()
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
    const isEnd = block[at] === 0 && isZeroBlock(block, at)
    if (this.#unusedSize.isPending) this.#unusedSize.settle(isEnd || looksLikeHeader(block, at), place)
    place.member = undefined
    if (isEnd) {
      this.#extended.refusePending('the end of the archive')
      this.#zeroBlocks = 1
      this.#state = 'trailer'
      return
    }
    checkChecksum(block, at, place)
    const type = headerType(block, at)
    switch (type) {
      case PAX_LOCAL:
      case SUN_LOCAL:
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

  /**
   * Behind the end come zeros, up to the writer's record size, or old bytes of the writer's buffer. Another archive
   * there is refused, because its members would be lost.
   */
  #trailerBlock(): void {
    const { block, blockAt: at } = this.#window
    if (isZeroBlock(block, at)) {
      if (this.#behind === undefined) this.#zeroBlocks++
      return
    }
    const isMember = looksLikeHeader(block, at) && !this.#window.repeatsRecord(BLOCK_BYTES)
    if (!isMember) this.#noteBehind('bytes-behind-end')
    else if (this.#oddities.endsAtMarker && this.#zeroBlocks >= MARKER_BLOCKS)
      this.#noteBehind('members-behind-end')
    else
      throw tarInvalid(
        this.#place,
        'another archive begins behind the end of this one: its members would be lost',
        'import the archives one by one, or join them with tar --concatenate'
      )
  }

  /** Only the first finding behind the end is reported. */
  #noteBehind(kind: OddityKind): void {
    if (this.#behind === undefined) this.#oddities.note(kind, this.#place)
    this.#behind ??= kind
  }

  #member(block: Buffer, at: number): void {
    const place = this.#place
    const announced = this.#extended.take()
    const { fields, longName, longLink, firstOffset = place.offset } = announced
    const source = { block, at, format: headerFormat(block, at), fields, longName, longLink, firstOffset }
    const member = decodeMember(source, this.#owners, this.#limits, place)
    if (member.unusedBytes > 0)
      this.#unusedSize.add(member, headerType(block, at), source.format, this.#extended.hasPax, place)
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

  #announce(member: Member): void {
    const { entry, storedBytes } = member
    this.#entryCount++
    this.#totalBytes += entry.sizeBytes
    this.#metadataBytes += entry.path.length + entry.linkTarget.length
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
    const { entries, metadataBytes, totalBytes, expansionRatio } = this.#limits
    const place = this.#place
    if (this.#entryCount > entries)
      throw limitExceeded(place, `more than ${entries} members`, '--max-entries')
    if (this.#metadataBytes > metadataBytes)
      throw limitExceeded(
        place,
        `paths and link targets of more than ${metadataBytes} bytes together`,
        '--max-metadata'
      )
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
