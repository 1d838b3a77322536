/**
 * Refuses a publish that would open something to more users than before, or let it leave the site, unless the publisher
 * has consented to that by a flag (spec/store-layout.md#widening). So a command that is typed again with a flag missing
 * cannot open what the first one closed.
 */

import { hostGroup, type IdNames } from '../accounts/index.ts'
import { accessFor, EVERYONE, type FileAccess, isWithin, showAccess, unionOf } from '../files/index.ts'
import { type AccessGroup, parseAccessGroup } from '../module/index.ts'
import { count, type PathBytes, StrataError, showPath, showText } from '../values/index.ts'

/** Widening to which the publisher has consented by flags. */
export interface Consent {
  /** `--open-to everyone`. */
  everyone: boolean
  /** `--open-to group:G`. */
  groups: AccessGroup[]
  /** `--allow-redistribution`. */
  redistribution: boolean
  /** `--drop-acls`. */
  droppedAcls: boolean
}

export const NO_CONSENT: Consent = { everyone: false, groups: [], redistribution: false, droppedAcls: false }

export interface ConsentFlags {
  openTo?: string[]
  allowRedistribution?: boolean
  dropAcls?: boolean
}

/** @throws StrataError USAGE */
export function parseConsent(flags: ConsentFlags, names: IdNames): Consent {
  const { openTo = [], allowRedistribution = false, dropAcls = false } = flags
  const groups = openTo
    .filter(who => who !== EVERYONE)
    .map(who => {
      const group = /^group:(.+)$/s.exec(who)?.[1]
      if (group !== undefined) return parseAccessGroup(group, '--open-to group', names)
      throw new StrataError('USAGE', {
        message: `--open-to "${showText(who.slice(0, 80))}" should be everyone or group:NAME`,
        hint: '--open-to group:vasp'
      })
    })
  return {
    everyone: openTo.includes(EVERYONE),
    groups,
    redistribution: allowRedistribution,
    droppedAcls: dropAcls
  }
}

/** Access for users whom the publisher named, in ids of this host. A name unknown to the host has no members here. */
function accessOfConsent({ everyone, groups }: Consent): FileAccess {
  if (everyone) return EVERYONE
  const gids = groups.map(({ name, gid }) => gid ?? hostGroup(name!)?.gid)
  return accessFor(gids.filter(gid => gid !== undefined))
}

/** True if the publisher has named everyone, or the group with this id. */
export const admits = (consent: Consent, gid: number): boolean => isWithin([gid], accessOfConsent(consent))

/** Published earlier, and part of the module to be published. */
export interface Bound {
  /** As the subject of a sentence. */
  what: string
  access: FileAccess
  redistributable: boolean
}

export interface Opened {
  /** The thing that was closed, as the subject of a sentence: `app/vasp-6.4`. */
  what: string
  before: FileAccess
  after: FileAccess
  /** Follows the sentence: who has closed it. */
  because?: string
}

/** @throws StrataError ACCESS_WIDER if users are admitted who were not before, and whom the publisher has not named */
export function refuseOpening({ what, before, after, because }: Opened, consent: Consent): void {
  if (isWithin(after, unionOf(before, accessOfConsent(consent)))) return
  const added = after === EVERYONE ? EVERYONE : after.filter(gid => !isWithin([gid], before))
  const flags =
    added === EVERYONE ? ['--open-to everyone'] : added.map(gid => `--open-to group:${nameOf(gid)}`)
  const kept = before === EVERYONE ? [] : before.map(gid => `--access-group ${nameOf(gid)}`)
  throw new StrataError('ACCESS_WIDER', {
    message: `${what} is for ${showAccess(before)}, and would be open to ${showAccess(added)}${because === undefined ? '' : `: ${because}`}`,
    facts: { before: showAccess(before), after: showAccess(after) },
    hint: [
      `${flags.join(' ')} opens it`,
      ...(kept.length > 0 ? [`compose import ${kept.join(' ')} keeps it for those who have it`] : [])
    ].join('; ')
  })
}

const nameOf = (gid: number): string => showAccess([gid]).replace(/^(group|gid) /, '')

/** @throws StrataError NOT_REDISTRIBUTABLE */
export function refuseLeaving(what: string, { redistribution }: Consent): void {
  if (redistribution) return
  throw new StrataError('NOT_REDISTRIBUTABLE', {
    message: `${what} must not leave the site, but this would allow it`,
    hint: '--allow-redistribution lets it leave; compose import --no-redistribute keeps it'
  })
}

const ADDS_ACLS =
  '--acl FILE adds them (compose export writes FILE from the former record); --drop-acls imports without them'

/** @param hint what the user can do @throws StrataError ACCESS_WIDER */
export function refuseDroppedAcls(
  module: string,
  paths: PathBytes[],
  { droppedAcls }: Consent,
  hint = ADDS_ACLS
): void {
  if (droppedAcls || paths.length === 0) return
  throw new StrataError('ACCESS_WIDER', {
    message: `${count(paths.length, 'path')} of ${module} had an ACL, but would have none: tar and most other tools lose ACLs`,
    facts: { paths: paths.map(showPath) },
    hint
  })
}
