/** Facts about a package as labels of the module that it becomes (spec/sources.md#package-labels). */

import { checkLabel } from '../module/index.ts'
import { StrataError } from '../values/index.ts'

/**
 * The package's name ends the key, because several packages of one module must not share a key. A key cannot hold `+`,
 * so it is written as `_`, which Debian package names do not contain.
 */
export const packageLabelKey = (family: 'org.debian' | 'org.rpm', fact: string, name: string): string =>
  `${family}.${fact}.${name.replaceAll('+', '_')}`

/**
 * @param facts by label key; undefined and empty ones are left out
 * @param notes gets a line for each fact that a label cannot hold
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
