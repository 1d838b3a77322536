/**
 * The audience of an image: the users who can open its file, and for whom its mode bits are right (spec/audience.md).
 * Only ids decide. Names are for messages and are never stored, because they mean other users on another host.
 */

import { MAX_ID, parseId } from '../../store/accounts/index.ts'
import { pathFromText, StrataError, showPath } from '../../store/values/index.ts'

export type Audience = Everyone | Mounted | GroupAudience | GroupsAudience | UserAudience

export interface Everyone {
  kind: 'everyone'
}

/** Whoever root mounts the image for: the kernel enforces the ACLs, and nobody else can read the file. */
export interface Mounted {
  kind: 'mounted'
}

export interface Group {
  gid: number
  name?: string
}

export interface GroupAudience extends Group {
  kind: 'group'
}

/** Members of at least one of the groups. */
export interface GroupsAudience {
  kind: 'groups'
  /** Two or more, by gid. */
  groups: Group[]
}

export interface UserAudience {
  kind: 'user'
  uid: number
  /** Primary group. */
  gid: number
  /** All groups of the user when the image is built, the primary one too; ascending. */
  groups: number[]
  name?: string
}

export const EVERYONE: Everyone = { kind: 'everyone' }
export const MOUNTED: Mounted = { kind: 'mounted' }

/** @param groups at least one, in any order; of several with one gid the first stays */
export function groupAudience(groups: Group[]): GroupAudience | GroupsAudience {
  const byGid = new Map<number, Group>()
  for (const group of groups) if (!byGid.has(group.gid)) byGid.set(group.gid, group)
  const distinct = [...byGid.values()].sort((a, b) => a.gid - b.gid)
  return distinct.length === 1 ? { kind: 'group', ...distinct[0] } : { kind: 'groups', groups: distinct }
}

/** @param groups in any order, with or without the primary one */
export function userAudience(uid: number, gid: number, groups: number[], name?: string): UserAudience {
  const all = [...new Set([gid, ...groups])].sort((a, b) => a - b)
  return { kind: 'user', uid, gid, groups: all, ...(name === undefined ? {} : { name }) }
}

/** The groups whose members form the audience; none for a user and for everyone. */
export const groupsOf = (audience: Audience): Group[] =>
  audience.kind === 'groups' ? audience.groups : audience.kind === 'group' ? [audience] : []

/** Formats an audience for a lock: `everyone`, `mounted`, `group:1234`, `group:1234,2000`, `user:1000:1000:4,27,1000`. */
export function formatAudience(audience: Audience): string {
  switch (audience.kind) {
    case 'everyone':
    case 'mounted':
      return audience.kind
    case 'group':
    case 'groups':
      return `group:${groupsOf(audience).map(({ gid }) => gid)}`
    case 'user':
      return `user:${audience.uid}:${audience.gid}:${audience.groups}`
  }
}

/**
 * Formats an audience for messages: `everyone`, `group vasp (1234)`, `members of gid 7 or gid 8`, `user alice
 * (1000)`.
 */
export function showAudience(audience: Audience): string {
  switch (audience.kind) {
    case 'everyone':
      return 'everyone'
    case 'mounted':
      return 'root to mount'
    case 'group':
      return showGroup(audience)
    case 'groups':
      return `members of ${audience.groups.map(showGroup).join(' or ')}`
    case 'user':
      return audience.name === undefined
        ? `uid ${audience.uid}`
        : `user ${showTyped(audience.name)} (${audience.uid})`
  }
}

export const showGroup = ({ gid, name }: Group): string =>
  name === undefined ? `gid ${gid}` : `group ${showTyped(name)} (${gid})`

const showTyped = (text: string): string => showPath(pathFromText(text.slice(0, 80)))

/**
 * Accepts only the form that `formatAudience` writes, so that equal audiences are equal strings.
 * @param what the field or option, for the message
 * @throws StrataError USAGE
 */
export function parseAudience(text: string, what: string): Audience {
  const audience = readAudience(text)
  if (audience === undefined)
    throw new StrataError('USAGE', {
      message: `${what} "${showTyped(text)}": wanted everyone, mounted, group:GID,… or user:UID:GID:GID,… with ids 0 to ${MAX_ID}`
    })
  const canonical = formatAudience(audience)
  if (canonical !== text)
    throw new StrataError('USAGE', { message: `${what} "${showTyped(text)}": wanted the form ${canonical}` })
  return audience
}

/** Reads an audience given in ids, with groups in any order. Returns undefined for any other text. */
export function readAudience(text: string): Audience | undefined {
  if (text === 'everyone') return EVERYONE
  if (text === 'mounted') return MOUNTED
  const [kind, first, second, third, ...rest] = text.split(':')
  if (kind === 'group' && second === undefined) {
    const gids = readIds(first)
    return gids && groupAudience(gids.map(gid => ({ gid })))
  }
  if (kind !== 'user' || rest.length > 0) return undefined
  const uid = parseId(first ?? '')
  const gid = parseId(second ?? '')
  const groups = readIds(third)
  if (uid === undefined || gid === undefined || groups === undefined) return undefined
  return userAudience(uid, gid, groups)
}

function readIds(text: string | undefined): number[] | undefined {
  const ids = (text ?? '').split(',').map(parseId)
  return ids.every(id => id !== undefined) ? ids : undefined
}
