import type { Origin, PackageVersion } from '../../store/module/index.ts'
import { showText } from '../../store/values/index.ts'

/** The sources of a layer: one line, then an indented line for each package and each line of a definition. */
export function originLines({
  kind,
  name,
  reference,
  platform,
  sha256,
  packages,
  removed,
  recipe
}: Origin): string[] {
  const words = [kind, name, reference, platform, sha256 && `sha256:${sha256}`]
  return [
    words.filter(word => word !== undefined).join(' '),
    ...(packages ?? []).map(packageLine),
    ...(removed ?? []).map(each => `${packageLine(each)} (removed)`),
    ...(recipe ?? '')
      .split('\n')
      .filter(line => line.trim() !== '')
      .map(line => `  | ${showText(line)}`)
  ]
}

const packageLine = ({ name, version, architecture, before }: PackageVersion): string =>
  `  ${[name, version, architecture].filter(word => word !== undefined).join(' ')}${before === undefined ? '' : ` (before: ${before})`}`
