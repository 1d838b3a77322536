import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { StrataError } from '../../store/errors.ts'
import type { Compressor, Profile } from '../../store/object/profile.ts'

/** Raised by every release that would write other bytes for the same layers and parameters. */
export const IMAGE_FORMAT = 1

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
  /** The merged tree alone: nothing generated. */
  bare: boolean
}

/** @throws StrataError USAGE */
export function checkParameters(parameters: ImageParameters): ImageParameters {
  const { format, compressorVersion, audience, aclModes, onConflict, bare } = parameters
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
  if (typeof bare !== 'boolean') refuse('bare is neither true nor false')
  return parameters
}

const PACKAGES: Record<Compressor, string> = { zstd: 'zstd-napi', gzip: 'pako' }

/** `zstd-napi 0.0.13`: the package that packs, pinned, holds the library as source. */
export function compressorVersion(compressor: Compressor): string {
  const name = PACKAGES[compressor]
  const path = createRequire(import.meta.url).resolve(`${name}/package.json`)
  return `${name} ${JSON.parse(readFileSync(path, 'utf8')).version}`
}
