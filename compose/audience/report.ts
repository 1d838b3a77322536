import { type AclEntry, decodeAcl } from '../../store/acl/index.ts'
import type { PathBytes } from '../../store/values/index.ts'
import type { AclEntry as PathWithAcl } from '../merge/index.ts'
import type { Audience } from './audience.ts'
import { type AclModes, type ModeInput, modeFor } from './image-mode.ts'
import { groupKeeps, type Loss, lossesOf } from './losses.ts'

export interface LostGrant extends Loss {
  path: PathBytes
}

/** Further lost grants are counted but not listed: a tree of a million files can lose a thousand in each. */
export const MOST_LOST = 10_000

export interface AudienceReport {
  /** Paths with an access ACL. */
  aclPaths: number
  /** Number of these paths whose grants the audience cannot use in full. */
  paths: number
  /** The first {@link MOST_LOST} lost grants, in the order of paths and of ACL entries. */
  lost: LostGrant[]
  /** Number of all lost grants. */
  lostCount: number
  /** Values for `--for` that would keep a lost grant; the one that keeps most paths comes first. */
  suggestions: string[]
  /** Paths whose mode bits give a member of the audience more than the ACL. 0 except with `--acl-modes group`. */
  widened: number
}

export interface ReportOptions {
  aclModes?: AclModes
  /** A name for messages; without one the id is shown. */
  nameOf?: (kind: 'user' | 'group', id: number) => string | undefined
}

interface Finding {
  losses: Loss[]
  isWidened: boolean
  /** One remedy for each loss. */
  remedies: Float64Array<ArrayBuffer>
  /** Number of paths with these losses. */
  paths: number
}

/**
 * Reports the ACL grants that mode bits cannot express for this audience.
 * @param entries paths with ACLs, as `pathsWithAcl` yields them
 * @throws StrataError ACL_INVALID
 */
export function audienceReport(
  audience: Audience,
  entries: Iterable<PathWithAcl>,
  { aclModes = 'audience', nameOf = () => undefined }: ReportOptions = {}
): AudienceReport {
  const known = new Map<string, Finding>()
  const contents = new Map<string, number>()
  const numbers = new WeakMap<Uint8Array, number>()
  const report: AudienceReport = {
    aclPaths: 0,
    paths: 0,
    lost: [],
    lostCount: 0,
    suggestions: [],
    widened: 0
  }
  const keeps = new Map<Remedy, number>()
  for (const { path, access, mode, uid, gid, kind } of entries) {
    if (access === undefined) continue
    report.aclPaths++
    // A tree may have an ACL on every file, but it has few different ACLs.
    let number = numbers.get(access)
    if (number === undefined) {
      const bytes = Buffer.from(access).toString('latin1')
      number = contents.get(bytes) ?? contents.size
      contents.set(bytes, number)
      numbers.set(access, number)
    }
    const key = `${mode}:${uid}:${gid}:${kind}:${number}`
    let finding = known.get(key)
    if (finding === undefined) {
      finding = examine(audience, { mode, uid, gid, kind, access: decodeAcl(access) }, aclModes)
      known.set(key, finding)
    }
    if (finding.isWidened) report.widened++
    if (finding.remedies.length === 0) continue
    report.paths++
    report.lostCount += finding.remedies.length
    for (const loss of finding.losses.slice(0, MOST_LOST - report.lost.length))
      report.lost.push({ path, ...loss })
    finding.paths++
    if (report.lost.length === MOST_LOST) finding.losses = [] // no further losses will be listed
  }
  for (const { remedies, paths } of known.values())
    for (const remedy of remedies) keeps.set(remedy, (keeps.get(remedy) ?? 0) + paths)
  report.suggestions = rankRemedies(keeps, nameOf)
  return report
}

function examine(audience: Audience, input: ModeInput, aclModes: AclModes): Finding {
  const losses = lossesOf(audience, input, aclModes)
  const ruled = modeFor(audience, input)
  const isKept = groupKeeps(input)
  return {
    losses,
    paths: 0,
    isWidened: (modeFor(audience, input, aclModes) & ~ruled) !== 0,
    remedies: Float64Array.from(losses, ({ entry }) => remedyOf(entry, isKept))
  }
}

/**
 * An audience that would keep a grant, packed into one number, because there can be thousands for each of thousands
 * of ACLs: 2 * gid for a group, 2 * uid + 1 for a user, or a value for grants that only an image for oneself keeps.
 */
type Remedy = number

const YOURSELF: Remedy = -1

/** The audience that keeps the grant of an entry. Only an image for oneself keeps the owner's rights. */
function remedyOf(entry: AclEntry, isKept: (entry: AclEntry) => boolean): Remedy {
  if (entry.tag === 'user') return 2 * entry.id! + 1
  return entry.tag === 'group' && isKept(entry) ? 2 * entry.id! : YOURSELF
}

/** More suggestions would not help anybody. */
const MOST_SUGGESTIONS = 1000

function rankRemedies(keeps: Map<Remedy, number>, nameOf: NonNullable<ReportOptions['nameOf']>): string[] {
  const textOf = (remedy: Remedy): string =>
    remedy === YOURSELF ? 'me' : `${remedy % 2 === 1 ? 'user' : 'group'}:${Math.floor(remedy / 2)}`
  return [...keeps]
    .map(([remedy, paths]) => ({ remedy, paths, text: textOf(remedy) }))
    .sort(
      (a, b) =>
        Number(a.remedy === YOURSELF) - Number(b.remedy === YOURSELF) ||
        b.paths - a.paths ||
        (a.text < b.text ? -1 : 1)
    )
    .slice(0, MOST_SUGGESTIONS)
    .map(({ remedy, text }) => {
      const id = Math.floor(remedy / 2)
      const kind = remedy % 2 === 1 ? 'user' : 'group'
      const name = remedy === YOURSELF ? undefined : nameOf(kind, id)
      return name === undefined ? text : `${kind}:${name}`
    })
}
