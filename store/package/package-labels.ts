/** Facts of a package as labels of the module that it becomes (spec/sources.md#package-labels). */

import { checkLabel } from '../module/index.ts'
import { StrataError } from '../values/index.ts'

/**
 * Several packages of one module must not share a key, so the package's name ends it. Keys have no `+`: it is written
 * as `_`, which no Debian package has in its name.
 */
export const packageLabelKey = (family: 'org.debian' | 'org.rpm', fact: string, name: string): string =>
  `${family}.${fact}.${name.replaceAll('+', '_')}`

/**
 * @param facts by label key; undefined and empty ones are left out
 * @param notes is told of what no label can hold
 */
export function packageLabels(
  facts: Record<string, string | undefined>,
  notes: string[],
  source: string
): Record<string, string> {
  const labels: Record<string, string> = {}
  for (const [key, value] of Object.entries(facts)) {
    if (value === undefined || value === '') continue
    try {
      checkLabel(key, value, source)
      labels[key] = value
    } catch (error) {
      if (!(error instanceof StrataError)) throw error
      notes.push(error.message)
    }
  }
  return labels
}
