/** Groups of this host, needed when a file is given to a group. Manifests keep names and ids as they were given. */
import { pathFromText, StrataError, showPath } from '../values/index.ts'
import { cannotAsk, type Database, getent } from './getent.ts'
import { parseId } from './id.ts'

export interface HostGroup {
  gid: number
  name: string
}

/**
 * @param group name or id
 * @returns undefined for a group that the host does not know
 * @throws StrataError IO if the host cannot be asked
 */
export const hostGroup = (group: string): HostGroup | undefined => entryOf('group', group)

/**
 * A group that a user names. An id is accepted even if the host does not know it.
 * @param what the flag, for the message
 * @throws StrataError NAME_UNKNOWN; USAGE for a number that is not an id; IO
 */
export function knownGroup(group: string, what: string): { gid: number; name?: string } {
  if (/^[0-9]+$/.test(group)) {
    const gid = parseId(group)
    if (gid !== undefined) return { gid }
    throw new StrataError('USAGE', { message: `${what} ${group.slice(0, 40)} is not a group id` })
  }
  const found = hostGroup(group)
  if (found !== undefined) return found
  throw new StrataError('NAME_UNKNOWN', {
    message: `${what} ${showPath(pathFromText(group.slice(0, 80)))}: this host has no such group`,
    hint: `${what} GID`
  })
}

/** Name of a group, for messages; undefined if the host has none or cannot be asked. */
export const groupName = (gid: number): string | undefined => nameFor('group', gid)

/** Name of a user, for messages; undefined if the host has none or cannot be asked. */
export const userName = (uid: number): string | undefined => nameFor('passwd', uid)

const HINT = 'give the id of the group instead of its name'

const known = new Map<string, string | undefined>()

function nameFor(database: Database, id: number): string | undefined {
  const key = `${database} ${id}`
  if (!known.has(key)) {
    let name: string | undefined
    try {
      name = entryOf(database, String(id))?.name
    } catch {
      name = undefined
    }
    known.set(key, name)
  }
  return known.get(key)
}

function entryOf(database: Database, key: string): HostGroup | undefined {
  const [name, , id] = getent(database, key, HINT) ?? []
  if (name === undefined) return undefined
  const gid = parseId(id ?? '')
  if (gid === undefined) throw cannotAsk(`getent ${database} ${key}`, `answered "${id}" for an id`, HINT)
  return { gid, name }
}
