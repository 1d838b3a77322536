/**
 * For whom an image is when nobody said: whom all of its modules admit. A module that names groups admits the members
 * of any of them, one that names none admits everyone, so the image admits an intersection of unions of groups. A
 * mode or an ACL says one union; where it takes more, the image is for its builder alone. Listing the members by
 * name was rejected: who leaves a group would keep the image.
 */

import { type AccessGroup, formatModuleName, type ModuleName } from '../../store/module/index.ts'
import { pathFromText, StrataError, showPath } from '../../store/values/index.ts'
import { type Accounts, hostAccounts } from './accounts.ts'
import {
  type Audience,
  EVERYONE,
  formatAudience,
  type Group,
  groupAudience,
  groupsOf,
  showAudience,
  showGroup
} from './audience.ts'

export interface RestrictedModule extends ModuleName {
  accessGroups: AccessGroup[]
}

/** A module, or a layer without one, that does not admit everyone. */
export interface Restriction {
  /** Fit to print. */
  module: string
  /** Members of any of them are admitted; where there are none, its owner alone. */
  groups: Group[]
  /** Names that this host does not know, and the record has no id for: nobody here is a member. */
  unknown: string[]
}

export interface ModulesAudience {
  audience: Audience
  /** One line: for whom, and why. */
  text: string
  /** A narrower audience than all whom the modules admit, but one that can be said. */
  hint?: string
  restrictions: Restriction[]
}

/**
 * @param records modules of the stack, in its order
 * @param accounts who is asked for groups that a record has no id for
 * @throws StrataError IO where the host cannot be asked
 */
export const audienceOfModules = async (
  records: RestrictedModule[],
  accounts: Accounts = hostAccounts
): Promise<ModulesAudience> => audienceOfRestrictions(await restrictionsOf(records, accounts), accounts)

/** The same where it is known already what they demand. */
export function audienceOfRestrictions(
  restrictions: Restriction[],
  accounts: Accounts = hostAccounts
): ModulesAudience {
  if (restrictions.length === 0)
    return { audience: EVERYONE, text: 'for everyone: no module names access groups', restrictions }
  const unions = smallestUnions(restrictions)
  if (unions.length === 1 && unions[0].length > 0) {
    const audience = groupAudience(unions[0])
    return { audience, text: `for ${showAudience(audience)}: ${why(restrictions)}`, restrictions }
  }
  const audience = accounts.me()
  const text = `for you alone (${showAudience(audience)}): ${why(restrictions)}`
  if (unions.length === 1) return { audience, text, restrictions }
  const inAll = unions[0].filter(({ gid }) => unions.every(union => union.some(group => group.gid === gid)))
  return {
    audience,
    text: `${text}; no group or ACL says who is admitted by all`,
    hint:
      inAll.length > 0
        ? `--for ${formatAudience(groupAudience(inAll))}: all of the modules admit it`
        : undefined,
    restrictions
  }
}

/** What modules demand, with ids of this host where a record has only a name. Ids in a record decide over names. */
export async function restrictionsOf(
  records: RestrictedModule[],
  accounts: Accounts = hostAccounts
): Promise<Restriction[]> {
  const restrictions: Restriction[] = []
  for (const record of records) {
    if (record.accessGroups.length === 0) continue
    const restriction: Restriction = { module: formatModuleName(record), groups: [], unknown: [] }
    for (const { name, gid } of record.accessGroups) {
      const group = gid === undefined ? await accounts.group(name!) : { gid, ...(name && { name }) }
      if (group === undefined) restriction.unknown.push(name!)
      else restriction.groups.push(group)
    }
    restrictions.push(restriction)
  }
  return restrictions
}

/**
 * The audience as far as it is true: of a user in the groups that the host says. Whoever writes `--for` or a lock can
 * write any. The process's own user is taken as he is: he owns what is built, and could read what it is made of.
 * @returns undefined where nobody but that user can get anything that he did not have
 * @throws StrataError ACCESS_WIDER for a user whom the host does not know; IO where it cannot be asked
 */
export async function confirmedAudience(
  audience: Audience,
  accounts: Accounts = hostAccounts
): Promise<Audience | undefined> {
  if (audience.kind !== 'user') return audience
  const { uid, groups } = audience
  if (uid === accounts.me().uid) return undefined
  const known = await accounts.user(String(uid))
  if (known === undefined || known.uid !== uid)
    throw new StrataError('ACCESS_WIDER', {
      message: `this host knows no user ${uid}: nothing says that ${showAudience(audience)} is in the groups that restricted modules admit`,
      facts: { audience: formatAudience(audience) },
      hint: 'leave --for out, or build it where the user is known'
    })
  return { ...audience, groups: groups.filter(group => known.groups.includes(group)) }
}

/** The restrictions that may admit somebody of this audience whom the module does not: an image for it is wider. */
export const restrictionsBroken = (audience: Audience, restrictions: Restriction[]): Restriction[] =>
  restrictions.filter(({ groups }) => !isAdmitted(audience, new Set(groups.map(({ gid }) => gid))))

function isAdmitted(audience: Audience, gids: Set<number>): boolean {
  switch (audience.kind) {
    case 'everyone':
      return false
    case 'group':
    case 'groups':
      return groupsOf(audience).every(({ gid }) => gids.has(gid))
    case 'user':
      return audience.groups.some(gid => gids.has(gid))
  }
}

/** The different unions, without those that hold another: whom the smaller admits the larger admits too. */
function smallestUnions(restrictions: Restriction[]): Group[][] {
  const kept: Group[][] = []
  for (const { groups } of restrictions) {
    if (kept.some(other => isWithin(other, groups))) continue
    const rest = kept.filter(other => !isWithin(groups, other))
    kept.splice(0, kept.length, ...rest, groups)
  }
  return kept
}

const isWithin = (inner: Group[], outer: Group[]): boolean =>
  inner.every(({ gid }) => outer.some(group => group.gid === gid))

/** `apps/a-1 admits group alpha (7), apps/b-1 and apps/c-2 admit gid 8`. */
function why(restrictions: Restriction[]): string {
  const byGroups = new Map<string, string[]>()
  for (const { module, groups, unknown } of restrictions) {
    const names = unknown.map(name => `group ${showPath(pathFromText(name))} (unknown here)`)
    const text = [...groups.map(showGroup), ...names].join(' or ') || 'its owner alone'
    byGroups.set(text, [...(byGroups.get(text) ?? []), module])
  }
  return [...byGroups]
    .map(([text, modules]) => `${modules.join(' and ')} ${modules.length === 1 ? 'admits' : 'admit'} ${text}`)
    .join(', ')
}
