/**
 * The host's own account database, used only for audiences, because an audience is people of this host. It goes into
 * the lock as ids. All other names come from the command line, and no host is asked (store/accounts/id-names.ts).
 */
import { askAccounts, cannotAsk, getent, parseId } from '../../store/accounts/index.ts'
import { type Group, type UserAudience, userAudience } from './audience.ts'

export interface Accounts {
  /**
   * Returns undefined for a group that the host does not know. @throws StrataError IO if the database cannot be asked
   */
  group(name: string): Promise<Group | undefined>
  /**
   * @param user name or uid
   * @returns the user with all present groups; undefined for a user that the host does not know
   * @throws StrataError IO if the database cannot be asked
   */
  user(user: string): Promise<UserAudience | undefined>
  /** The user who runs this process, with the groups that the kernel sees. */
  me(): UserAudience
}

const HINT = 'name the audience in ids: --for group:GID or --for user:UID:GID:GID,…'

export const hostAccounts: Accounts = {
  async group(name) {
    const [found, , gid] = getent('group', name, HINT) ?? []
    return found === undefined ? undefined : { gid: idOf(gid, `getent group ${name}`), name: found }
  },

  async user(user) {
    const [name, , uid, gid] = getent('passwd', user, HINT) ?? []
    if (name === undefined) return undefined
    const asked = `getent passwd ${user}`
    const groups = askAccounts('id', ['-G', name], HINT) ?? ''
    const gids = groups.split(/\s+/).filter(text => text !== '')
    return userAudience(
      idOf(uid, asked),
      idOf(gid, asked),
      gids.map(text => idOf(text, `id -G ${name}`)),
      name
    )
  },

  // Taken from the process and not from the database: a changed group counts for the kernel only from the next login,
  // and `newgrp` counts at once.
  me: () => userAudience(process.geteuid!(), process.getegid!(), process.getgroups!())
}

function idOf(text: string | undefined, asked: string): number {
  const id = parseId(text ?? '')
  if (id === undefined) throw cannotAsk(asked, `answered "${text ?? ''}" where an id was wanted`, HINT)
  return id
}
