import { type Limits, RATIO_FLOOR_BYTES } from '../limits.ts'
import type { PathBytes } from '../path-bytes.ts'
import type { TarSink } from './entry.ts'
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
import { cutPaxRecords, type PaxRecord } from './pax.ts'
import { applyRecords, type IgnoredKeys, isKeptGlobal, type PaxFields } from './pax-fields.ts'
import { limitExceeded, showType, type TarPlace, tarInvalid } from './refuse.ts'
import {
  checkedRuns,
  oldGnuRealSize,
  paxSparse,
  type RunNumbers,
  readOldGnuExtension,
  readOldGnuHeader,
  SparseMapReader
} from './sparse.ts'

/**
 * A strict tar reader (spec/tar.md). Bytes are pushed in, in chunks of any size; nothing of a file's content
 * is kept. What two readers could read in two ways is refused rather than guessed.
 */

type State = 'header' | 'extended' | 'sparse-extension' | 'sparse-map' | 'content' | 'skip' | 'trailer'

/** Extended headers seen since the last member; they speak for the next one. */
interface Pending {
  firstOffset: number
  records: PaxRecord[] | undefined
  longName: PathBytes | undefined
  longLink: PathBytes | undefined
}

/** A sparse member whose map is not complete yet, and which is not announced before it is. */
interface SparseMember {
  member: Member
  realSizeBytes: number
  numbers: RunNumbers
  mapReader: SparseMapReader
  /** Bytes of the map in the archive so far. */
  mapBytes: number
}

const PAX_LOCAL = 0x78 // 'x'
const PAX_GLOBAL = 0x67 // 'g'
const GNU_LONG_NAME = 0x4c // 'L'
const GNU_LONG_LINK = 0x4b // 'K'
const GNU_VOLUME_LABEL = 0x56 // 'V'
const GNU_MULTI_VOLUME = 0x4d // 'M'

const NO_BYTES = Buffer.alloc(0)
const NO_FIELDS: PaxFields = {}

const paddingOf = (sizeBytes: number): number => (BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES

export class TarParser {
  /** PAX keys that were read over, with the number of times: what a report of the import should mention. */
  readonly ignoredKeys: IgnoredKeys = new Map()

  readonly #sink: TarSink
  readonly #limits: Limits
  readonly #place: TarPlace
  readonly #owners = new OwnerNames()
  readonly #globals = new Map<PathBytes, PaxRecord>()

  #state: State = 'header'
  #chunk: Buffer = NO_BYTES
  #at = 0
  #literalStart = 0
  /** Offset of the chunk's first byte in the archive. */
  #chunkOffset = 0

  // A structure cut by the end of a chunk is put together here; #block and #blockAt say where it is whole.
  #held: Buffer = Buffer.allocUnsafe(BLOCK_BYTES)
  #heldBytes = 0
  #block: Buffer = NO_BYTES
  #blockAt = 0

  #pending: Pending | undefined
  #extendedType = 0
  #extendedBytes = 0
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
  }

  /**
   * The next bytes of the archive. They may be overwritten once the call returns.
   * @throws StrataError TAR_INVALID or LIMIT_EXCEEDED; the parser is of no use after it
   */
  write(chunk: Uint8Array): void {
    this.#chunk = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    this.#at = 0
    this.#literalStart = 0
    while (this.#at < chunk.length) this.#step()
    this.#flushLiteral()
    this.#chunkOffset += chunk.length
    this.#chunk = NO_BYTES
    this.#at = 0
  }

  /**
   * The archive ends here.
   * @throws StrataError TAR_INVALID unless it ends where an archive may end: behind a block of zeros
   */
  end(): void {
    if (this.#state === 'trailer') return
    const place = this.#place
    const again = 'the file was cut off: fetch or pack it again'
    place.offset = this.#chunkOffset
    if (this.#chunkOffset === 0) throw tarInvalid(place, 'empty, wanted a tar archive')
    if (this.#state === 'content') {
      throw tarInvalid(
        place,
        `the archive ends inside the content, ${this.#contentLeft} bytes are missing`,
        again
      )
    }
    if (this.#state === 'skip')
      throw tarInvalid(place, `the archive ends ${this.#skipLeft} bytes too early`, again)
    if (this.#state === 'header' || this.#state === 'extended') place.member = undefined
    if (this.#state === 'header' && this.#heldBytes === 0 && this.#pending === undefined) {
      throw tarInvalid(place, 'the archive ends without an end marker: members may be missing', again)
    }
    throw tarInvalid(place, 'the archive ends inside a header', again)
  }

  #step(): void {
    switch (this.#state) {
      case 'header':
        this.#header()
        break
      case 'content':
        this.#content()
        break
      case 'skip':
        this.#skip()
        break
      case 'extended':
        this.#extended()
        break
      case 'sparse-extension':
        this.#sparseExtension()
        break
      case 'sparse-map':
        this.#sparseMap()
        break
      case 'trailer':
        this.#trailer()
        break
    }
  }

  /** Have `count` bytes in one piece at #block, #blockAt: in place if the chunk holds them all, else a copy. */
  #gather(count: number): boolean {
    const available = this.#chunk.length - this.#at
    if (this.#heldBytes === 0 && available >= count) {
      this.#block = this.#chunk
      this.#blockAt = this.#at
      this.#at += count
    } else {
      if (this.#held.length < count) this.#held = Buffer.allocUnsafe(count)
      const taken = Math.min(available, count - this.#heldBytes)
      this.#chunk.copy(this.#held, this.#heldBytes, this.#at, this.#at + taken)
      this.#at += taken
      this.#heldBytes += taken
      if (this.#heldBytes < count) return false
      this.#heldBytes = 0
      this.#block = this.#held
      this.#blockAt = 0
    }
    this.#place.offset = this.#chunkOffset + this.#at - count
    return true
  }

  #flushLiteral(): void {
    if (this.#at > this.#literalStart) this.#sink.literal(this.#chunk.subarray(this.#literalStart, this.#at))
    this.#literalStart = this.#at
  }

  #header(): void {
    if (!this.#gather(BLOCK_BYTES)) return
    const place = this.#place
    const block = this.#block
    const at = this.#blockAt
    place.member = undefined
    if (block[at] === 0 && isZeroBlock(block, at)) {
      this.#refusePending('the end of the archive')
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
        this.#beginExtended(type)
        break
      case GNU_VOLUME_LABEL:
        this.#refusePending('a volume label')
        this.#skipStored(checkSize(headerSize(block, at, place), 'size', place))
        break
      case GNU_MULTI_VOLUME:
        throw tarInvalid(place, 'part of a multi-volume archive', 'join the volumes with tar -M first')
      default:
        this.#member()
    }
  }

  /** Behind one zero block there may be zeros only, as many as the writer's record size asks for. */
  #trailer(): void {
    while (this.#at < this.#chunk.length) {
      if (this.#chunk[this.#at] !== 0) {
        this.#place.offset = this.#chunkOffset + this.#at
        throw tarInvalid(
          this.#place,
          'data after the end of the archive: concatenated archives, or other bytes',
          'import the archives one by one, or join them with tar --concatenate'
        )
      }
      this.#at++
    }
  }

  #refusePending(what: string): void {
    if (this.#pending === undefined) return
    throw tarInvalid(this.#place, `an extended header is followed by ${what}, wanted the member it describes`)
  }

  #beginExtended(type: number): void {
    const place = this.#place
    const size = checkSize(headerSize(this.#block, this.#blockAt, place), 'size of an extended header', place)
    if (size > this.#limits.paxBytes) {
      throw limitExceeded(
        place,
        `extended header of ${size} bytes, more than ${this.#limits.paxBytes}`,
        '--max-pax'
      )
    }
    if (type === PAX_GLOBAL) this.#refusePending('a global PAX header')
    else this.#openPending(type)
    this.#extendedType = type
    this.#extendedBytes = size
    this.#state = 'extended'
    if (size === 0) this.#extended()
  }

  #openPending(type: number): void {
    const place = this.#place
    this.#pending ??= {
      firstOffset: place.offset,
      records: undefined,
      longName: undefined,
      longLink: undefined
    }
    const { records, longName, longLink } = this.#pending
    const earlier = type === PAX_LOCAL ? records : type === GNU_LONG_NAME ? longName : longLink
    if (earlier === undefined) return
    throw tarInvalid(place, `two extended headers of type ${showType(type)} before one member`)
  }

  #extended(): void {
    const size = this.#extendedBytes
    if (!this.#gather(size)) return
    const bytes = this.#block.subarray(this.#blockAt, this.#blockAt + size)
    if (this.#extendedType === PAX_GLOBAL) this.#mergeGlobals(cutPaxRecords(Buffer.from(bytes), this.#place))
    else this.#fillPending(this.#pending!, bytes)
    this.#skipBytes(paddingOf(size))
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

  /** Copied, since the member that the header describes may only come with a later chunk. */
  #fillPending(pending: Pending, bytes: Buffer): void {
    if (this.#extendedType === PAX_LOCAL) pending.records = cutPaxRecords(Buffer.from(bytes), this.#place)
    else if (this.#extendedType === GNU_LONG_NAME) pending.longName = this.#longName(bytes)
    else pending.longLink = this.#longName(bytes)
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

  #paxFields(): PaxFields {
    const records = this.#pending?.records
    if (this.#globals.size === 0 && records === undefined) return NO_FIELDS
    const fields: PaxFields = {}
    applyRecords(fields, this.#globals.values(), this.ignoredKeys, this.#place)
    if (records !== undefined) applyRecords(fields, records, this.ignoredKeys, this.#place)
    return fields
  }

  #member(): void {
    const block = this.#block
    const at = this.#blockAt
    const place = this.#place
    const pending = this.#pending
    const fields = this.#paxFields()
    const member = decodeMember(
      {
        block,
        at,
        format: headerFormat(block, at),
        fields,
        longName: pending?.longName,
        longLink: pending?.longLink,
        firstOffset: pending === undefined ? place.offset : pending.firstOffset
      },
      this.#owners,
      this.#limits,
      place
    )
    this.#pending = undefined
    if (member.isOldSparse) this.#beginOldSparse(member, fields)
    else if (fields.sparse !== undefined) this.#beginPaxSparse(member, fields)
    else this.#announce(member)
    if (fields.realSizeBytes !== undefined && fields.realSizeBytes !== member.entry.sizeBytes) {
      throw tarInvalid(
        place,
        'SCHILY.realsize is not the size: a sparse file in the way of star, which is not read'
      )
    }
  }

  #beginOldSparse(member: Member, fields: PaxFields): void {
    if (fields.sparse !== undefined) throw tarInvalid(this.#place, 'sparse maps of both GNU tar and PAX')
    const realSizeBytes = oldGnuRealSize(this.#block, this.#blockAt, this.#place)
    const sparse = newSparse(member, realSizeBytes, [])
    const isExtended = readOldGnuHeader(this.#block, this.#blockAt, sparse.numbers, this.#place)
    this.#sparse = sparse
    if (isExtended) this.#state = 'sparse-extension'
    else this.#endSparse(sparse)
  }

  #sparseExtension(): void {
    if (!this.#gather(BLOCK_BYTES)) return
    const sparse = this.#sparse!
    this.#countMapBlock(sparse)
    if (!readOldGnuExtension(this.#block, this.#blockAt, sparse.numbers, this.#place)) this.#endSparse(sparse)
  }

  #beginPaxSparse(member: Member, fields: PaxFields): void {
    if (member.entry.kind !== 'file')
      throw tarInvalid(this.#place, `sparse ${member.entry.kind}, wanted a file`)
    const { realSizeBytes, numbers } = paxSparse(fields.sparse!, this.#place)
    const sparse = newSparse(member, realSizeBytes, numbers ?? [])
    this.#sparse = sparse
    if (numbers === undefined) this.#state = 'sparse-map'
    else this.#endSparse(sparse)
  }

  #sparseMap(): void {
    const sparse = this.#sparse!
    if (sparse.member.storedBytes < sparse.mapBytes + BLOCK_BYTES) {
      throw tarInvalid(this.#place, `sparse map is longer than the ${sparse.member.storedBytes} bytes stored`)
    }
    if (!this.#gather(BLOCK_BYTES)) return
    this.#countMapBlock(sparse)
    if (!sparse.mapReader.read(this.#block, this.#blockAt, BLOCK_BYTES, this.#place)) return
    sparse.numbers = sparse.mapReader.numbers
    sparse.member.storedBytes -= sparse.mapBytes
    this.#endSparse(sparse)
  }

  #countMapBlock(sparse: SparseMember): void {
    sparse.mapBytes += BLOCK_BYTES
    if (sparse.mapBytes <= this.#limits.paxBytes) return
    throw limitExceeded(this.#place, `sparse map of more than ${this.#limits.paxBytes} bytes`, '--max-pax')
  }

  #endSparse({ member, numbers, realSizeBytes }: SparseMember): void {
    this.#sparse = undefined
    member.entry.runs = checkedRuns(numbers, realSizeBytes, member.storedBytes, this.#place)
    member.entry.sizeBytes = realSizeBytes
    this.#announce(member)
  }

  #announce({ entry, storedBytes }: Member): void {
    this.#entryCount++
    this.#totalBytes += entry.sizeBytes
    this.#checkLimits(storedBytes)
    this.#flushLiteral()
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
    if (this.#entryCount > entries)
      throw limitExceeded(this.#place, `more than ${entries} members`, '--max-entries')
    if (this.#totalBytes > totalBytes) {
      throw limitExceeded(
        this.#place,
        `the files hold ${this.#totalBytes} bytes together, more than ${totalBytes}`,
        '--max-bytes'
      )
    }
    const readBytes = this.#chunkOffset + this.#at + storedBytes
    if (this.#totalBytes > RATIO_FLOOR_BYTES && this.#totalBytes > expansionRatio * readBytes) {
      throw limitExceeded(
        this.#place,
        `the files hold ${this.#totalBytes} bytes in ${readBytes} of archive, more than ${expansionRatio} times as many`,
        '--max-ratio'
      )
    }
  }

  #content(): void {
    const taken = Math.min(this.#contentLeft, this.#chunk.length - this.#at)
    this.#flushLiteral()
    this.#sink.data(this.#chunk.subarray(this.#at, this.#at + taken))
    this.#at += taken
    this.#literalStart = this.#at
    this.#contentLeft -= taken
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

  #skip(): void {
    const taken = Math.min(this.#skipLeft, this.#chunk.length - this.#at)
    this.#at += taken
    this.#skipLeft -= taken
    if (this.#skipLeft === 0) this.#state = 'header'
  }
}

const newSparse = (member: Member, realSizeBytes: number, numbers: RunNumbers): SparseMember => ({
  member,
  realSizeBytes,
  numbers,
  mapReader: new SparseMapReader(),
  mapBytes: 0
})
