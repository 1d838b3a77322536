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
  const findings = new Findings(audience, aclModes)
  const report: AudienceReport = {
    aclPaths: 0,
    paths: 0,
    lost: [],
    lostCount: 0,
    suggestions: [],
    widened: 0
  }
  for (const entry of entries) {
    const { path, access } = entry
    if (access === undefined) continue
    report.aclPaths++
    addPath(report, path, findings.of(entry, access))
  }
  report.suggestions = rankRemedies(findings.pathsByRemedy(), nameOf)
  return report
}

function addPath(report: AudienceReport, path: PathBytes, finding: Finding): void {
  if (finding.isWidened) report.widened++
  if (finding.remedies.length === 0) return
  report.paths++
  report.lostCount += finding.remedies.length
  for (const loss of finding.losses.slice(0, MOST_LOST - report.lost.length))
    report.lost.push({ path, ...loss })
  finding.paths++
  if (report.lost.length === MOST_LOST) finding.losses = [] // no further losses will be listed
}

/** Examines each ACL once for each owner and mode: a tree may have an ACL on every file, but few different ones. */
class Findings {
  readonly #audience: Audience
  readonly #aclModes: AclModes
  readonly #known = new Map<string, Finding>()
  readonly #numberOfBytes = new Map<string, number>()
  /** Equal ACLs are mostly the same object, so most need not be compared byte by byte. */
  readonly #numberOfObject = new WeakMap<Uint8Array, number>()

  constructor(audience: Audience, aclModes: AclModes) {
    this.#audience = audience
    this.#aclModes = aclModes
  }

  of({ mode, uid, gid, kind }: PathWithAcl, access: Uint8Array): Finding {
    const key = `${mode}:${uid}:${gid}:${kind}:${this.#numberOf(access)}`
    let finding = this.#known.get(key)
    if (finding === undefined) {
      finding = examine(this.#audience, { mode, uid, gid, kind, access: decodeAcl(access) }, this.#aclModes)
      this.#known.set(key, finding)
    }
    return finding
  }

  /** Number of paths whose lost grants an audience would keep. */
  pathsByRemedy(): Map<Remedy, number> {
    const keeps = new Map<Remedy, number>()
    for (const { remedies, paths } of this.#known.values())
      for (const remedy of remedies) keeps.set(remedy, (keeps.get(remedy) ?? 0) + paths)
    return keeps
  }

  #numberOf(access: Uint8Array): number {
    let number = this.#numberOfObject.get(access)
    if (number === undefined) {
      const bytes = Buffer.from(access).toString('latin1')
      number = this.#numberOfBytes.get(bytes) ?? this.#numberOfBytes.size
      this.#numberOfBytes.set(bytes, number)
      this.#numberOfObject.set(access, number)
    }
    return number
  }
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
