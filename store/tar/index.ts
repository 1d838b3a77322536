/** A strict tar reader and a canonical tar writer (spec/tar.md, spec/canonical-tar.md). */
export { Chunks } from './chunks.ts'
export { encodeEnd, encodeHeader, paddingBytes } from './encode.ts'
export { ExtendedHeaders, GNU_LONG_LINK, GNU_LONG_NAME, PAX_GLOBAL, PAX_LOCAL } from './extended.ts'
export { firstPaxRecord } from './first-record.ts'
export {
  checkChecksum,
  headerFormat,
  headerSize,
  headerType,
  isZeroBlock,
  looksLikeHeader,
  OwnerNames
} from './header.ts'
export { decodeMember } from './member.ts'
export { checkSize } from './number.ts'
export { describeOddity, Oddities, type Oddity } from './oddities.ts'
export { TarParser } from './parser.ts'
export { type TarPlace, tarInvalid } from './refuse-tar.ts'
export {
  type DataRun,
  type EntryKind,
  entryWith,
  type TarEntry,
  type TarSink,
  type Timestamp
} from './tar-entry.ts'
export { refuseSize } from './unused-size.ts'
export { BLOCK_BYTES } from './ustar.ts'
export { type ReadAt, type TarMember, writeMembers } from './write-members.ts'
