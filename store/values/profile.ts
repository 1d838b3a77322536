import { StrataError } from './errors.ts'
import { type Fields, integer, oneOf } from './fields.ts'

/** The form of packed blocks. */
export interface BlockForm {
  compressor: ImageCompressor
  /** zstd 1..22, gzip (zlib) 1..9; others are only read. */
  level: number
  /** Bytes of a data block before compression, a power of two, 4 KiB..1 MiB. */
  blockSize: number
}

/**
 * The parameters for compiling layers. Objects of one profile can be linked into one image; the level is part of
 * the profile because the same inputs must give the same bytes.
 */
export interface Profile extends BlockForm {
  compressor: Compressor
}

export type Compressor = 'zstd' | 'gzip'

/** Compressors of images: ours have one of the first two, images that others made may have any. */
export type ImageCompressor = Compressor | 'xz' | 'lz4' | 'lzo' | 'lzma'

/** Compressor ids as SquashFS superblocks carry them (spec/squashfs.md#superblock). */
export const COMPRESSOR_ID: Record<Compressor, number> = { gzip: 1, zstd: 6 }

export const IMAGE_COMPRESSOR_ID: Record<ImageCompressor, number> = {
  ...COMPRESSOR_ID,
  xz: 4,
  lz4: 5,
  lzo: 3,
  lzma: 2
}

/** @throws RangeError */
export function compressorOfId(id: number): Compressor {
  for (const [name, known] of Object.entries(COMPRESSOR_ID)) if (known === id) return name as Compressor
  throw new RangeError(`compressor ${id} is unknown`)
}

/** Part of the profile's key. It is raised when the compiler begins to give other bytes for the same input. */
export const OBJECT_FORMAT = 2

export const DEFAULT_PROFILE: Profile = { compressor: 'zstd', level: 15, blockSize: 131072 }

const LEVELS: Record<Compressor, [number, number]> = { zstd: [1, 22], gzip: [1, 9] }

/** @throws StrataError USAGE */
export function checkProfile(profile: Profile): Profile {
  const refuse = (message: string): never => {
    throw new StrataError('USAGE', { message, hint: '--comp zstd --level 15 --block 128K' })
  }
  const range = Object.hasOwn(LEVELS, profile.compressor) ? LEVELS[profile.compressor] : undefined
  if (range === undefined) return refuse(`compressor ${profile.compressor} is not one of zstd, gzip`)
  const [lowest, highest] = range
  if (!Number.isInteger(profile.level) || profile.level < lowest || profile.level > highest)
    refuse(`level ${profile.level} of ${profile.compressor} is not in ${lowest}..${highest}`)
  const { blockSize } = profile
  if (!Number.isInteger(Math.log2(blockSize)) || blockSize < 4096 || blockSize > 1 << 20)
    refuse(`block size ${blockSize} is not a power of two from 4096 to 1048576`)
  return profile
}

/** Reads a profile from the fields of a document. @throws StrataError as the document's fields */
export function readProfile(fields: Fields, defaults?: Profile): Profile {
  const profile = {
    compressor: fields.optional('compressor', oneOf('zstd', 'gzip')) ?? defaults?.compressor,
    level: fields.optional('level', integer(1, 22)) ?? defaults?.level,
    blockSize: fields.optional('blockSize', integer(4096, 1 << 20)) ?? defaults?.blockSize
  }
  for (const [name, value] of Object.entries(profile))
    if (value === undefined) fields.field.in(name).refuse('is missing')
  return fields.field.check(() => checkProfile(profile as Profile))
}

/** Folder name of a profile: `zstd-15-128k-1` (spec/store-layout.md#objects). */
export const profileKey = ({ compressor, level, blockSize }: BlockForm): string =>
  `${compressor}-${level}-${blockSize / 1024}k-${OBJECT_FORMAT}`

/** @throws TypeError for a form that is only read: images that others made are not linked */
export function packingProfile({ compressor, level, blockSize }: BlockForm): Profile {
  if (compressor === 'zstd' || compressor === 'gzip') return { compressor, level, blockSize }
  throw new TypeError(`blocks of ${compressor} are read, not written`)
}
