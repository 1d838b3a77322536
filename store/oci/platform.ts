/** The platform of an image: `os/architecture[/variant]`, in Go's words (OCI image specification, image index). */
import { StrataError } from '../values/index.ts'
import { type Json, showStart } from './json.ts'

export interface Platform {
  os: string
  architecture: string
  variant?: string
}

export type WantedPlatform = Platform | 'any'

/** Go's words for architectures that Node calls otherwise. */
const GO_ARCHITECTURE: Partial<Record<NodeJS.Architecture | 'loong64', string>> = {
  x64: 'amd64',
  ia32: '386',
  mipsel: 'mipsle'
}

export const hostPlatform = (): Platform => ({
  os: 'linux',
  architecture: GO_ARCHITECTURE[process.arch] ?? process.arch
})

/** Variants of images that name none. */
const USUAL_VARIANT: Record<string, string> = { arm64: 'v8', arm: 'v7', amd64: 'v1' }

/**
 * @param what the flag, for messages
 * @throws StrataError USAGE
 */
export function parsePlatform(text: string, what: string): Platform {
  const found = /^([a-z0-9]+)\/([a-z0-9_]+)(?:\/([a-z0-9.]+))?$/.exec(text)
  if (found === null)
    throw new StrataError('USAGE', {
      message: `${what} "${showStart(text)}" is not a platform, wanted OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT`,
      hint: `${what} ${formatPlatform(hostPlatform())}`
    })
  const [, os, architecture, variant] = found
  return variant === undefined ? { os, architecture } : { os, architecture, variant }
}

/** Reads a descriptor's `platform`, or the fields of a config. @throws StrataError SOURCE_INVALID */
export function readPlatform(document: Json): Platform {
  const variant = document.member('variant').optionalText()
  return {
    os: document.member('os').text(),
    architecture: document.member('architecture').text(),
    ...(variant !== undefined && { variant })
  }
}

/** Safe to print only if {@link parsePlatform} would accept it; use `shown` for text from an input. */
export const formatPlatform = ({ os, architecture, variant }: Platform): string =>
  [os, architecture, ...(variant === undefined ? [] : [variant])].join('/')

/** True if an image for `offered` fits; without a variant, any will do. */
export const fitsPlatform = (offered: Platform, wanted: WantedPlatform): boolean =>
  wanted === 'any' ||
  (offered.os === wanted.os &&
    offered.architecture === wanted.architecture &&
    (wanted.variant === undefined || variantOf(offered) === wanted.variant))

export const showWanted = (wanted: WantedPlatform): string =>
  wanted === 'any' ? 'any platform' : formatPlatform(wanted)

/** The stated variant, or the usual one. */
export const variantOf = ({ architecture, variant }: Platform): string | undefined =>
  variant ?? USUAL_VARIANT[architecture]

export const isUsual = (platform: Platform): boolean =>
  variantOf(platform) === USUAL_VARIANT[platform.architecture]
