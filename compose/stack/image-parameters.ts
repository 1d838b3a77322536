import { type Compressor, type Profile, StrataError } from '../../store/values/index.ts'

/** Raised by every release that writes other bytes for the same layers and parameters. */
export const IMAGE_FORMAT = 1

export const DIRECTORY_RULES = ['keep', 'narrow', 'replace'] as const

/** All that the bytes of an image depend on beside the list of layers (spec/lock.md#parameters). */
export interface ImageParameters {
  /** IMAGE_FORMAT of the release that made the lock. It stands for the rules of the linker and of generated files. */
  format: number
  profile: Profile
  /** Another version may pack the same content into other bytes. */
  compressorVersion: string
  /** The audience of the mode bits, with ids (spec/audience.md). */
  audience: string
  /** `group`: paths with ACLs get the mode bits of the owning group, which are wider (--acl-modes group). */
  aclModes: 'audience' | 'group'
  onConflict: 'error' | 'upper'
  /**
   * Rule for directories where an upper module admits fewer users (spec/merge.md#fewer); the default follows
   * onConflict.
   */
  directories?: (typeof DIRECTORY_RULES)[number]
  /** True if the image holds only the merged tree, without generated files. */
  bare: boolean
  /** True if a hash tree for dm-verity follows (spec/verity.md). */
  verity?: true
}

/** The parameters that the merge depends on. */
export type MergeParameters = Pick<ImageParameters, 'onConflict' | 'directories'>

export const mergeParameters = ({ onConflict, directories }: MergeParameters): MergeParameters => ({
  onConflict,
  ...(directories !== undefined && { directories })
})

/** @throws StrataError USAGE */
export function checkParameters(parameters: ImageParameters): ImageParameters {
  const { format, compressorVersion, audience, aclModes, onConflict, directories, bare, verity } = parameters
  const refuse = (what: string) => {
    throw new StrataError('USAGE', { message: what })
  }
  if (format !== IMAGE_FORMAT)
    refuse(
      `format is ${format}; this release writes images of format ${IMAGE_FORMAT}, so it cannot write the same bytes`
    )
  if (typeof compressorVersion !== 'string') refuse('compressorVersion is not a text')
  if (typeof audience !== 'string') refuse('audience is not a text')
  if (aclModes !== 'audience' && aclModes !== 'group')
    refuse(`aclModes is ${aclModes}, wanted audience or group`)
  if (onConflict !== 'error' && onConflict !== 'upper')
    refuse(`onConflict is ${onConflict}, wanted error or upper`)
  if (directories !== undefined && !DIRECTORY_RULES.includes(directories))
    refuse(`directories is ${directories}, wanted ${DIRECTORY_RULES.join(', ')}, or no such field`)
  if (verity !== undefined && verity !== true) refuse('verity is not true')
  if (typeof bare !== 'boolean') refuse('bare is neither true nor false')
  return parameters
}

/**
 * Packages that pack, with their pinned versions; a test compares them with package.json. They contain the source of
 * their library. Another version may pack the same content into other bytes.
 */
const PACKERS: Record<Compressor, string> = { zstd: 'zstd-napi 0.0.13', gzip: 'pako 3.0.3' }

export const compressorVersion = (compressor: Compressor): string => PACKERS[compressor]
