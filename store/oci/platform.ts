/** What an image was made for: `os/architecture[/variant]`, in Go's words (OCI image specification, image index). */
import { StrataError } from '../values/index.ts'
import { type Json, shown } from './json.ts'

export interface Platform {
  os: string
  architecture: string
  variant?: string
}

/** Node's words for architectures, where Go has others. */
const GO_ARCHITECTURE: Partial<Record<NodeJS.Architecture | 'loong64', string>> = {
  x64: 'amd64',
  ia32: '386',
  mipsel: 'mipsle'
}

export const hostPlatform = (): Platform => ({
  os: 'linux',
  architecture: GO_ARCHITECTURE[process.arch] ?? process.arch
})

/** What an image means that leaves the variant out. */
const USUAL_VARIANT: Record<string, string> = { arm64: 'v8', arm: 'v7', amd64: 'v1' }

/**
 * @param what the flag, for messages
 * @throws StrataError USAGE
 */
export function parsePlatform(text: string, what: string): Platform {
  const found = /^([a-z0-9]+)\/([a-z0-9_]+)(?:\/([a-z0-9.]+))?$/.exec(text)
  if (found === null)
    throw new StrataError('USAGE', {
      message: `${what} "${shown(text)}" is no platform, wanted OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT`,
      hint: `${what} ${formatPlatform(hostPlatform())}`
    })
  const [, os, architecture, variant] = found
  return variant === undefined ? { os, architecture } : { os, architecture, variant }
}

/** Of a descriptor's `platform`, or of a config. @throws StrataError SOURCE_INVALID */
export function readPlatform(document: Json): Platform {
  const variant = document.member('variant').optionalText()
  return {
    os: document.member('os').text(),
    architecture: document.member('architecture').text(),
    ...(variant !== undefined && { variant })
  }
}

/** Printable as it is only when {@link parsePlatform} would take it: wrap what a stranger wrote in `shown`. */
export const formatPlatform = ({ os, architecture, variant }: Platform): string =>
  [os, architecture, ...(variant === undefined ? [] : [variant])].join('/')

/** Whether an image for `offered` is what was asked for; without a variant, any will do. */
export const isFor = (offered: Platform, wanted: Platform): boolean =>
  offered.os === wanted.os &&
  offered.architecture === wanted.architecture &&
  (wanted.variant === undefined || variantOf(offered) === wanted.variant)

/** The variant that is said or meant. */
export const variantOf = ({ architecture, variant }: Platform): string | undefined =>
  variant ?? USUAL_VARIANT[architecture]

export const isUsual = (platform: Platform): boolean =>
  variantOf(platform) === USUAL_VARIANT[platform.architecture]
