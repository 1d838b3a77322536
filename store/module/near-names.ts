/** Names for users who mistyped one. */

/**
 * Names that contain the wanted one, or differ from it in a few letters; nearest first.
 * @param names `category/name`
 */
export function nearNames(names: readonly string[], wanted: string): string[] {
  const limit = Math.max(2, Math.floor(wanted.length / 4))
  const stem = withoutVersion(wanted)
  const comparedPart = (name: string) => (stem.includes('/') ? name : name.slice(name.indexOf('/') + 1))
  return names
    .filter(name => name.includes(stem) || Math.abs(comparedPart(name).length - stem.length) <= limit)
    .map(name => ({ name, distance: name.includes(stem) ? 0 : editDistance(stem, comparedPart(name)) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .map(({ name }) => name)
}

/** `mpi/openmpi` for `mpi/openmpi-4.1.6` and for `mpi/openmpi >= 4`. */
function withoutVersion(wanted: string): string {
  const [module] = wanted.split(/[<>=!]/)
  const nameAt = module.lastIndexOf('/') + 1
  return (
    module.slice(0, nameAt) +
    module
      .slice(nameAt)
      .trimEnd()
      .split(/-[0-9]/)[0]
  )
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)))
    row = next
  }
  return row[b.length]
}
