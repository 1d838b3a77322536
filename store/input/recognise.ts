import { isZeroBlock, looksLikeHeader } from '../tar/index.ts'

/** Compressions by their first bytes (spec/tar.md#compression). */
export type Compression = 'plain' | 'gzip' | 'zstd' | 'xz' | 'bzip2'

/** Bytes needed for recognition: one tar block. */
export const RECOGNISED_BYTES = 512

interface Signature {
  name: string
  matches(start: Buffer): boolean
}

const startsWith = (hex: string) => {
  const wanted = Buffer.from(hex, 'hex')
  return (start: Buffer): boolean => start.subarray(0, wanted.length).equals(wanted)
}

const READ: (Signature & { name: Compression })[] = [
  { name: 'gzip', matches: startsWith('1f8b') },
  { name: 'zstd', matches: start => startsWith('28b52ffd')(start) || isSkippableFrame(start) },
  { name: 'xz', matches: startsWith('fd377a585a00') },
  // "BZh", the level, and the first block's or, in an empty stream, the end's magic.
  {
    name: 'bzip2',
    matches: start => /^BZh[1-9](?:1AY&SY|\x17rE8P\x90)/.test(start.toString('latin1', 0, 10))
  }
]

/** Formats that people also use for tarballs but that we do not read. A message names them, rather than a bad checksum. */
const REFUSED: Signature[] = [
  { name: 'lzip', matches: startsWith('4c5a4950') },
  {
    name: 'lzma',
    matches: start =>
      /^\x5d\0\0[\0-\xff]{2}(?:\xff{8}|[\0-\xff]{5}\0{3})/.test(start.toString('latin1', 0, 13))
  },
  { name: 'compress (.Z)', matches: startsWith('1f9d') },
  { name: 'lz4', matches: startsWith('04224d18') },
  { name: 'lzop', matches: startsWith('894c5a4f') },
  { name: 'zip', matches: startsWith('504b0304') },
  { name: '7z', matches: startsWith('377abcaf271c') },
  {
    name: 'bzip2 that was cut off',
    matches: start => start.length < 10 && /^BZh[1-9]/.test(start.toString('latin1'))
  },
  { name: 'rar', matches: startsWith('526172211a07') }
]

/** Magic 0x184D2A50 to 0x184D2A5F, little endian. */
const isSkippableFrame = (start: Buffer): boolean =>
  start.length >= 4 && start.readUInt32LE(0) >>> 4 === 0x184d2a5

/** A page that a server sent in place of a file is text, too. @param start as below @returns undefined for other bytes */
export function recogniseText(start: Buffer): string | undefined {
  if (looksLikeHeader(start) || start.some(byte => byte < 0x20 && !TEXT_CONTROLS.includes(byte)))
    return undefined
  return /^\s*<(!doctype html|html)/i.test(start.toString('latin1')) ? 'an HTML page' : 'a text file'
}

/** Tab, line feed, form feed, carriage return, escape. */
const TEXT_CONTROLS = [0x09, 0x0a, 0x0c, 0x0d, 0x1b]

/** @param start the first {@link RECOGNISED_BYTES} of the input */
export function recogniseCompression(start: Buffer): Compression {
  // A member's name may begin with any magic, so a valid header checksum is tested first.
  if (looksLikeHeader(start)) return 'plain'
  return READ.find(signature => signature.matches(start))?.name ?? 'plain'
}

/** Name of the format if we know it but do not read it. */
export function recogniseRefused(start: Buffer): string | undefined {
  const isArchive = looksLikeHeader(start) || (start.length === RECOGNISED_BYTES && isZeroBlock(start, 0))
  return isArchive ? undefined : REFUSED.find(signature => signature.matches(start))?.name
}
