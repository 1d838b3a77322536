/** Errors for an image that was not chosen or does not exist. The message lists the existing ones. */
import { StrataError } from '../values/index.ts'
import { showStart } from './json.ts'
import { formatPlatform, type Platform, showWanted, type WantedPlatform } from './platform.ts'

const SHOWN_CHOICES = 50

const listChoices = (choices: string[]): string[] =>
  [...new Set(choices)].slice(0, SHOWN_CHOICES).map(showStart)

export const severalImages = (name: string, references: string[]): StrataError =>
  new StrataError('SOURCE_CHOICE', {
    message: `${name} holds several images: choose one`,
    facts: { references: listChoices(references) },
    hint: `--ref ${showStart(references[0])}`
  })

/** @param there the existing references, at least one */
export const noSuchReference = (name: string, reference: string, there: string[]): StrataError =>
  new StrataError('SOURCE_CHOICE', {
    message: `${name}: no image "${showStart(reference)}"`,
    facts: { references: listChoices(there) },
    hint: `--ref ${showStart(there[0])}`
  })

/** Artifacts of other kinds than images have no platform. */
const noImage = (name: string): StrataError =>
  new StrataError('SOURCE_CHOICE', {
    message: `${name} holds no image, but something of another kind`,
    hint: name.startsWith('docker://')
      ? `compose pull ${name.slice('docker://'.length)}, if compose push sent it`
      : `compose pull oci-archive:${name}, if compose push wrote it`
  })

/** @param offered the existing platforms */
export const noSuchPlatform = (name: string, wanted: WantedPlatform, offered: Platform[]): StrataError => {
  if (offered.every(({ os }) => os === 'unknown')) return noImage(name)
  const there = listChoices(offered.map(formatPlatform))
  return new StrataError('SOURCE_CHOICE', {
    message: `${name}: no image for ${showWanted(wanted)}`,
    facts: { platforms: there },
    hint: there.length > 0 ? `--platform ${there[0]}` : undefined
  })
}

/** @param fitting images for the platform, of different variants or with different contents */
export const severalForPlatform = (
  name: string,
  wanted: WantedPlatform,
  fitting: { platform: Platform; digest: string }[]
): StrataError => {
  const platforms = listChoices(fitting.map(({ platform }) => formatPlatform(platform)))
  const digests = listChoices(fitting.map(({ digest }) => digest))
  return new StrataError('SOURCE_CHOICE', {
    message: `${name}: ${digests.length} images for ${showWanted(wanted)}`,
    facts: { platforms, digests },
    hint: platforms.length > 1 ? `--platform ${platforms[0]}` : `--ref ${digests[0]}`
  })
}
