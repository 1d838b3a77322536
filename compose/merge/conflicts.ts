import { count, type PathBytes, StrataError, showPath } from '../../store/values/index.ts'
import type { Difference } from './compare.ts'

/** A path on which two modules disagree. */
export interface Conflict {
  path: PathBytes
  /** Ordinals of the modules as the stack's layers give them. */
  lower: number
  upper: number
  lowerName: string
  upperName: string
  /** The change that the upper module wanted, as the end of a sentence: `differs in mode, owner`. */
  reason: string
  /** True for a directory of both modules to which the upper one admits fewer users. */
  isOfAccess: boolean
}

/** A directory that kept the attributes of the lower module. */
export interface KeptDirectory {
  path: PathBytes
  lower: number
  upper: number
  what: Difference[]
}

/** A path on which two modules disagree, where a flag or a record lets the upper one win. */
export interface Override extends Pick<Conflict, 'path' | 'lower' | 'upper' | 'reason'> {
  /** A flag of the build, or the upper module's record. */
  by: '--on-conflict upper' | '--directories' | 'replaces'
  /** Number of names of lower modules that were removed with it; 0 for a directory that stays with other access. */
  names: number
}

/** So many are kept, 20 MB of them: two trees of millions of files can differ in each. */
const MOST_KEPT = 100_000

/** The conflicts of a merge: all are counted, and the first {@link MOST_KEPT} kept. */
export class ConflictList {
  readonly kept: Conflict[] = []
  notKept = 0

  add(conflict: Conflict): void {
    if (this.kept.length < MOST_KEPT) this.kept.push(conflict)
    else this.notKept++
  }
}

/** Conflicts and decisions of a merge. */
export interface Findings {
  conflicts: ConflictList
  overrides: Override[]
  keptDirectories: KeptDirectory[]
}

export const noFindings = (): Findings => ({
  conflicts: new ConflictList(),
  overrides: [],
  keptDirectories: []
})

/** Number of paths of a pair of modules that a message lists; `conflicts` has all that were kept. */
const PATHS_SHOWN = 20

/** The conflicts of a merge, sorted by module pair and path. */
export class ConflictError extends StrataError {
  readonly conflicts: Conflict[]

  constructor({ kept, notKept }: ConflictList) {
    const sorted = withoutRepeats([...kept].sort(byPairAndPath))
    super('CONFLICT', {
      message: message(sorted, notKept),
      facts: Object.fromEntries(groups(sorted).map(group => [pairName(group[0]), lines(group)])),
      hint: hint(sorted)
    })
    this.conflicts = sorted
  }
}

const byPairAndPath = (a: Conflict, b: Conflict): number =>
  a.lower - b.lower || a.upper - b.upper || (a.path < b.path ? -1 : a.path > b.path ? 1 : 0)

/** Several layers of a module may bring one path; the lowest of them describes the conflict. */
const withoutRepeats = (sorted: Conflict[]): Conflict[] =>
  sorted.filter((conflict, i) => i === 0 || byPairAndPath(sorted[i - 1], conflict) !== 0)

function hint(conflicts: Conflict[]): string {
  const ofAccess = conflicts.filter(({ isOfAccess }) => isOfAccess).length
  const upper = 'let the upper module win with --on-conflict upper'
  const record = 'import the upper module with these paths as `replaces` (--replaces PATH)'
  if (ofAccess === 0) return `${upper}, or ${record}`
  const access =
    'directories: --directories narrow (the access of the module that admits fewer), keep (of the lower one) or replace (of the upper one)'
  return ofAccess === conflicts.length
    ? `${access}, or ${record}`
    : `${access}; other paths: ${upper}; or ${record}`
}

function groups(sorted: Conflict[]): Conflict[][] {
  const found: Conflict[][] = []
  for (const conflict of sorted) {
    const last = found.at(-1)
    if (last !== undefined && last[0].lower === conflict.lower && last[0].upper === conflict.upper)
      last.push(conflict)
    else found.push([conflict])
  }
  return found
}

const pairName = ({ lowerName, upperName }: Conflict) => `${lowerName}, ${upperName}`

function message(sorted: Conflict[], notKept: number): string {
  const [first] = sorted
  const more = notKept > 0 ? ` and up to ${count(notKept, 'more path')}` : ''
  const paths = `${count(sorted.length, 'path')}${more}`
  return `modules do not agree on ${paths}, first /${showPath(first.path)}: ${first.upperName} over ${first.lowerName}: ${first.reason}`
}

function lines(group: Conflict[]): string[] {
  const shown = group.slice(0, PATHS_SHOWN).map(({ path, reason }) => `/${showPath(path)}: ${reason}`)
  return group.length > PATHS_SHOWN ? [...shown, `and ${group.length - PATHS_SHOWN} more`] : shown
}
