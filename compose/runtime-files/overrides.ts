/**
 * `/.compose/overrides`: paths of lower modules that the image lacks because a flag or record let an upper module win
 * (spec/image-metadata.md#overrides).
 */
import type { Override } from '../merge/index.ts'
import { escapedPath } from './tree-paths.ts'

/** @param names of the modules by ordinal; undefined for bare layers */
export function formatOverrides(overrides: Override[], names: (string | undefined)[]): Uint8Array {
  const lines = overrides.map(override =>
    [
      `/${escapedPath(override.path)}`,
      nameOf(names, override.lower),
      nameOf(names, override.upper),
      override.by,
      override.names,
      escapedPath(override.reason)
    ].join('\t')
  )
  return Buffer.from(lines.map(line => `${line}\n`).join(''), 'latin1')
}

const nameOf = (names: (string | undefined)[], module: number): string => names[module] ?? '-'
