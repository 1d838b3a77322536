/**
 * The host's own account database, asked through `getent` and `id`: Node cannot call libc, and /etc/passwd alone
 * knows nobody of a site with LDAP or SSSD. Elsewhere names come from the command line and no host is asked
 * (store/id-names.ts); an audience is people of this host, and goes into the lock as ids.
 */
import { execFile } from 'node:child_process'
import { StrataError } from '../../store/errors.ts'
import { parseId } from '../../store/id-names.ts'
import { pathFromText, showPath } from '../../store/path-bytes.ts'
import { type Group, type UserAudience, userAudience } from './audience.ts'

export interface Accounts {
  /** Undefined for a group that the host does not know. @throws StrataError IO where it cannot be asked */
  group(name: string): Promise<Group | undefined>
  /**
   * @param user name or uid
   * @returns the user with all groups as of now; undefined for one that the host does not know
   * @throws StrataError IO where it cannot be asked
   */
  user(user: string): Promise<UserAudience | undefined>
  /** Who runs this process, with the groups that the kernel sees. */
  me(): UserAudience
}

export const hostAccounts: Accounts = {
  async group(name) {
    const [found, , gid] = await getent('group', name)
    return found === undefined ? undefined : { gid: idOf(gid, `getent group ${show(name)}`), name: found }
  },

  async user(user) {
    const [name, , uid, gid] = await getent('passwd', user)
    if (name === undefined) return undefined
    const asked = `getent passwd ${show(user)}`
    const groups = (await run('id', ['-G', name])) ?? ''
    const gids = groups.split(/\s+/).filter(text => text !== '')
    return userAudience(
      idOf(uid, asked),
      idOf(gid, asked),
      gids.map(text => idOf(text, `id -G ${show(name)}`)),
      name
    )
  },

  // The process's own, not the database's: a group left or entered since login counts for the kernel from the next
  // login on, and `newgrp` counts at once.
  me: () => userAudience(process.geteuid!(), process.getegid!(), process.getgroups!())
}

const NOT_FOUND = 2
/** A directory service that answers no sooner is down. */
const TIMEOUT_MS = 60_000

/** The fields of an entry; none when there is no such entry. */
async function getent(database: 'passwd' | 'group', key: string): Promise<(string | undefined)[]> {
  // No option, and nothing that would be another field or line; no account tool admits such names either.
  if (key === '' || /^-|[:\n\0]/.test(key)) return []
  const line = await run('getent', [database, key])
  return line === undefined ? [] : line.split('\n')[0].split(':')
}

function run(program: string, args: string[]): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const options = { timeout: TIMEOUT_MS, env: { ...process.env, LC_ALL: 'C' } }
    execFile(program, args, options, (cause, stdout, stderr) => {
      if (cause === null) resolve(stdout)
      else if (program === 'getent' && cause.code === NOT_FOUND) resolve(undefined)
      else reject(cannotAsk([program, ...args].map(show).join(' '), stderr.trim() || cause.message, cause))
    })
  })
}

function idOf(text: string | undefined, asked: string): number {
  const id = parseId(text ?? '')
  if (id === undefined) throw cannotAsk(asked, `answered "${show(text ?? '')}" where an id was wanted`)
  return id
}

const cannotAsk = (asked: string, fault: string, cause?: unknown): StrataError =>
  new StrataError('IO', {
    message: `the host's accounts cannot be asked: ${asked}: ${show(fault)}`,
    facts: { command: asked },
    hint: 'name the audience in ids: --for group:GID or --for user:UID:GID:GID,…',
    cause
  })

const show = (text: string): string => showPath(pathFromText(text.slice(0, 200)))
