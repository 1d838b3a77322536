import { StrataError } from '../../store/errors.ts'
import { type PathBytes, showPath } from '../../store/path-bytes.ts'
import type { Difference } from './compare.ts'

/** One path on which two modules do not agree. */
export interface Conflict {
  path: PathBytes
  /** Ordinals of the modules as the stack's layers give them. */
  lower: number
  upper: number
  lowerName: string
  upperName: string
  /** What the upper module wanted, as the end of a sentence: `differs in mode, owner`. */
  reason: string
}

/** A directory that kept the attributes of the lower module. */
export interface KeptDirectory {
  path: PathBytes
  lower: number
  upper: number
  what: Difference[]
}

/** Paths of one pair of modules that a message lists; `conflicts` holds all. */
const PATHS_SHOWN = 20

/** All conflicts of a merge, sorted by module pair and path. */
export class ConflictError extends StrataError {
  readonly conflicts: Conflict[]

  constructor(conflicts: Conflict[]) {
    const sorted = [...conflicts].sort(byPairAndPath)
    super('CONFLICT', {
      message: message(sorted),
      facts: Object.fromEntries(groups(sorted).map(group => [pairName(group[0]), lines(group)])),
      hint: 'let the upper module win with --on-conflict upper, or list these paths as `replaces` in its record'
    })
    this.conflicts = sorted
  }
}

const byPairAndPath = (a: Conflict, b: Conflict): number =>
  a.lower - b.lower || a.upper - b.upper || (a.path < b.path ? -1 : a.path > b.path ? 1 : 0)

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

function message(sorted: Conflict[]): string {
  const [first] = sorted
  const paths = sorted.length === 1 ? '1 path' : `${sorted.length} paths`
  return `modules do not agree on ${paths}, first /${showPath(first.path)}: ${first.upperName} over ${first.lowerName}: ${first.reason}`
}

function lines(group: Conflict[]): string[] {
  const shown = group.slice(0, PATHS_SHOWN).map(({ path, reason }) => `/${showPath(path)}: ${reason}`)
  return group.length > PATHS_SHOWN ? [...shown, `and ${group.length - PATHS_SHOWN} more`] : shown
}
