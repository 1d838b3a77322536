import { type AclEntry, decodeAcl } from '../../store/acl/acl.ts'
import type { PathBytes } from '../../store/path-bytes.ts'
import type { AclEntry as PathWithAcl } from '../merge/index.ts'
import { type Audience, groupAudience } from './audience.ts'
import { type AclModes, type ModeInput, modeFor } from './image-mode.ts'
import { type Loss, lossesOf } from './losses.ts'

export interface LostGrant extends Loss {
  path: PathBytes
}

export interface AudienceReport {
  /** Paths with an access ACL. */
  aclPaths: number
  /** Those of them whose grants this audience cannot use in full. */
  paths: number
  /** In the order of the paths, then of the ACL. */
  lost: LostGrant[]
  /** What to type after `--for` to keep a grant that is lost: the one that keeps most paths first. */
  suggestions: string[]
  /** Paths whose mode bits give somebody of the audience more than the ACL: 0 but for `--acl-modes group`. */
  widened: number
}

export interface ReportOptions {
  aclModes?: AclModes
  /** A name for people; the id stands where there is none. */
  nameOf?: (kind: 'user' | 'group', id: number) => string | undefined
}

interface Finding {
  losses: Loss[]
  isWidened: boolean
  /** Keys of `keptBy`. */
  remedies: string[]
}

/**
 * What an image for this audience cannot say with mode bits.
 * @param entries paths with ACLs, as `pathsWithAcl` yields them
 * @throws StrataError ACL_INVALID
 */
export function audienceReport(
  audience: Audience,
  entries: Iterable<PathWithAcl>,
  { aclModes = 'audience', nameOf = () => undefined }: ReportOptions = {}
): AudienceReport {
  const known = new Map<string, Finding>()
  const report: AudienceReport = { aclPaths: 0, paths: 0, lost: [], suggestions: [], widened: 0 }
  const keeps = new Map<string, number>()
  for (const { path, access, mode, uid, gid, kind } of entries) {
    if (access === undefined) continue
    report.aclPaths++
    // A tree may have an ACL on every file, but few different ones.
    const key = `${mode}:${uid}:${gid}:${kind}:${Buffer.from(access).toString('latin1')}`
    let finding = known.get(key)
    if (finding === undefined) {
      finding = examine(audience, { mode, uid, gid, kind, access: decodeAcl(access) }, aclModes)
      known.set(key, finding)
    }
    if (finding.isWidened) report.widened++
    if (finding.losses.length === 0) continue
    report.paths++
    for (const loss of finding.losses) report.lost.push({ path, ...loss })
    for (const remedy of finding.remedies) keeps.set(remedy, (keeps.get(remedy) ?? 0) + 1)
  }
  report.suggestions = ranked(keeps, nameOf)
  return report
}

function examine(audience: Audience, input: ModeInput, aclModes: AclModes): Finding {
  const losses = lossesOf(audience, input, aclModes)
  const ruled = modeFor(audience, input)
  return {
    losses,
    isWidened: (modeFor(audience, input, aclModes) & ~ruled) !== 0,
    remedies: losses.map(({ entry }) => remedyOf(entry, input))
  }
}

const YOURSELF = 'me'

/** The audience that keeps the grant of an entry; one's own rights are kept by an image for oneself. */
function remedyOf(entry: AclEntry, input: ModeInput): string {
  if (entry.tag === 'user') return `user:${entry.id}`
  if (entry.tag !== 'group') return YOURSELF
  const isLostStill = lossesOf(groupAudience([{ gid: entry.id! }]), input).some(
    loss => loss.entry.tag === 'group' && loss.entry.id === entry.id
  )
  return isLostStill ? YOURSELF : `group:${entry.id}`
}

function ranked(keeps: Map<string, number>, nameOf: NonNullable<ReportOptions['nameOf']>): string[] {
  const order = ([a, countA]: [string, number], [b, countB]: [string, number]) =>
    Number(a === YOURSELF) - Number(b === YOURSELF) || countB - countA || (a < b ? -1 : 1)
  return [...keeps].sort(order).map(([remedy]) => {
    const [kind, id] = remedy.split(':')
    return id === undefined ? remedy : `${kind}:${nameOf(kind as 'user' | 'group', Number(id)) ?? id}`
  })
}
