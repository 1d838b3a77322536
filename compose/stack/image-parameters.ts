import { type Compressor, type Profile, StrataError } from '../../store/values/index.ts'

/** Raised by every release that would write other bytes for the same layers and parameters. */
export const IMAGE_FORMAT = 1

export const DIRECTORY_RULES = ['keep', 'narrow', 'replace'] as const

/** Beside the list of layers, all that the bytes of an image depend on (spec/lock.md#parameters). */
export interface ImageParameters {
  /** Which rules the linker and the generated files follow: IMAGE_FORMAT of the release that made the lock. */
  format: number
  profile: Profile
  /** Another version may pack the same bytes otherwise. */
  compressorVersion: string
  /** For whom the mode bits are right, ids resolved (spec/audience.md). */
  audience: string
  /** `group`: mode bits of paths with ACLs are those of the owning group, which is wider (--acl-modes group). */
  aclModes: 'audience' | 'group'
  onConflict: 'error' | 'upper'
  /** Where a directory of an upper module admits fewer (spec/merge.md#fewer); by default as onConflict says. */
  directories?: (typeof DIRECTORY_RULES)[number]
  /** The merged tree alone: nothing generated. */
  bare: boolean
}

/** Of them, what the merge depends on. */
export type MergeParameters = Pick<ImageParameters, 'onConflict' | 'directories'>

export const mergeParameters = ({ onConflict, directories }: MergeParameters): MergeParameters => ({
  onConflict,
  ...(directories !== undefined && { directories })
})

/** @throws StrataError USAGE */
export function checkParameters(parameters: ImageParameters): ImageParameters {
  const { format, compressorVersion, audience, aclModes, onConflict, directories, bare } = parameters
  const refuse = (what: string) => {
    throw new StrataError('USAGE', { message: what })
  }
  if (format !== IMAGE_FORMAT)
    refuse(
      `format is ${format}; this release writes images of format ${IMAGE_FORMAT}, so it cannot write the same bytes`
    )
  if (typeof compressorVersion !== 'string') refuse('compressorVersion is no text')
  if (typeof audience !== 'string') refuse('audience is no text')
  if (aclModes !== 'audience' && aclModes !== 'group')
    refuse(`aclModes is ${aclModes}, wanted audience or group`)
  if (onConflict !== 'error' && onConflict !== 'upper')
    refuse(`onConflict is ${onConflict}, wanted error or upper`)
  if (directories !== undefined && !DIRECTORY_RULES.includes(directories))
    refuse(`directories is ${directories}, wanted ${DIRECTORY_RULES.join(', ')}, or nothing`)
  if (typeof bare !== 'boolean') refuse('bare is neither true nor false')
  return parameters
}

/**
 * The package that packs, pinned, holds the library as source; a test compares it with package.json. Another release of it
 * may pack the same bytes otherwise.
 */
const PACKERS: Record<Compressor, string> = { zstd: 'zstd-napi 0.0.13', gzip: 'pako 3.0.3' }

export const compressorVersion = (compressor: Compressor): string => PACKERS[compressor]
