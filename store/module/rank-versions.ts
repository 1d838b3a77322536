import { matchesVersion } from './name.ts'

export interface PublishedVersion {
  version: string
  /** True if one of the stores marks it as default. */
  isDefault: boolean
}

/**
 * Versions that fit, best first: the exact version asked for, then defaults (the highest first, if stores differ), then
 * the others from the highest down.
 * @param versions highest first
 */
export function rankVersions(versions: PublishedVersion[], asked: string | undefined): PublishedVersion[] {
  const fitting = versions.filter(({ version }) => matchesVersion(asked, version))
  const rank = ({ version, isDefault }: PublishedVersion) => (version === asked ? 0 : isDefault ? 1 : 2)
  return [0, 1, 2].flatMap(wanted => fitting.filter(version => rank(version) === wanted))
}
