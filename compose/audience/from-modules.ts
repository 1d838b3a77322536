/**
 * The default audience: the users that all modules of the image admit. A module that names groups admits the members
 * of any of them, and one without groups admits everyone. So the audience is an intersection of unions of groups. A
 * mode or an ACL can express one union only. If the intersection needs more, the image is for its builder alone.
 * Listing members by name was rejected, because users who leave a group would keep the image.
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

/** A module, or a layer without a module, that does not admit everyone. */
export interface Restriction {
  /** Name, escaped for printing. */
  module: string
  /** Members of any of these groups are admitted; if there are none, only the owner. */
  groups: Group[]
  /** Groups that this host does not know and the record has no id for. Nobody here is a member of them. */
  unknown: string[]
}

export interface ModulesAudience {
  audience: Audience
  /** One line that says who the audience is, and why. */
  text: string
  /**
   * Suggests a narrower audience that mode bits and ACLs can express, if not everyone whom the modules admit can read
   * the image.
   */
  hint?: string
  restrictions: Restriction[]
}

/**
 * @param records modules of the stack, in its order
 * @param accounts database for groups that a record has no id for
 * @throws StrataError IO if the host cannot be asked
 */
export const audienceOfModules = async (
  records: RestrictedModule[],
  accounts: Accounts = hostAccounts
): Promise<ModulesAudience> => audienceOfRestrictions(await restrictionsOf(records, accounts), accounts)

/** Like `audienceOfModules`, from restrictions that are already known. */
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
    text: `${text}; no single group or ACL can express the users that all modules admit`,
    hint:
      inAll.length > 0
        ? `--for ${formatAudience(groupAudience(inAll))}: all of the modules admit this group`
        : undefined,
    restrictions
  }
}

/**
 * The modules that do not admit everyone, with ids of this host where a record has only a name. Ids in a record win
 * over names.
 */
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
 * Replaces a user's groups by those that the host knows, because anyone can write any group into `--for` or a lock.
 * The process's own user is not checked: that user owns the output, and can read its input anyway.
 * @returns undefined if nobody but that user can read the output
 * @throws StrataError ACCESS_WIDER for a user that the host does not know; IO if it cannot be asked
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
      message: `this host has no user ${uid}, so the groups of ${showAudience(audience)}, which restricted modules ask for, cannot be checked`,
      facts: { audience: formatAudience(audience) },
      hint: 'leave --for out, or build it where the user is known'
    })
  return { ...audience, groups: groups.filter(group => known.groups.includes(group)) }
}

/**
 * The restrictions of modules that may not admit all of this audience. An image for it would be wider than they
 * allow.
 */
export const restrictionsBroken = (audience: Audience, restrictions: Restriction[]): Restriction[] =>
  restrictions.filter(({ groups }) => !isAdmitted(audience, new Set(groups.map(({ gid }) => gid))))

function isAdmitted(audience: Audience, gids: Set<number>): boolean {
  switch (audience.kind) {
    case 'everyone':
      return false
    case 'mounted':
      return true // the mount admits those whom the modules admit
    case 'group':
    case 'groups':
      return groupsOf(audience).every(({ gid }) => gids.has(gid))
    case 'user':
      return audience.groups.some(gid => gids.has(gid))
  }
}

/** Drops a union that contains another one, because everybody in the smaller union is also in the larger one. */
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
