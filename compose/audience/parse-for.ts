import { MAX_ID, parseId } from '../../store/accounts/index.ts'
import { pathFromText, StrataError, showPath } from '../../store/values/index.ts'
import { type Accounts, hostAccounts } from './accounts.ts'
import { type Audience, EVERYONE, type Group, groupAudience, readAudience } from './audience.ts'

/**
 * The audience that a user typed: `everyone`, `me`, `group:G` with names or ids, several with commas between,
 * `user:U`, or all of a user's ids in the form of a lock.
 * @param accounts who is asked for names, and for the groups of a user
 * @throws StrataError USAGE: not of this form; NAME_UNKNOWN: the host does not know the user or group;
 *   IO: it cannot be asked
 */
export async function parseFor(text: string, accounts: Accounts = hostAccounts): Promise<Audience> {
  if (text === 'everyone') return EVERYONE
  if (text === 'me') return accounts.me()
  const [kind, name, ...rest] = text.split(':')
  if (name === undefined || name === '') throw malformed(text)
  if (kind === 'group' && rest.length === 0) {
    const names = name.split(',')
    if (names.includes('')) throw malformed(text)
    const groups: Group[] = []
    for (const each of names) groups.push(await groupNamed(each, accounts))
    return groupAudience(groups)
  }
  if (kind !== 'user') throw malformed(text)
  if (rest.length === 0) return userNamed(name, accounts)
  const inIds = readAudience(text)
  if (inIds === undefined) throw malformed(text)
  return inIds
}

async function groupNamed(name: string, accounts: Accounts): Promise<Group> {
  if (isNumber(name)) return { gid: checkedId(name, 'group') }
  const group = await accounts.group(name)
  if (group === undefined) throw unknown('group', name, '--for group:GID takes a number as it is')
  return group
}

async function userNamed(name: string, accounts: Accounts): Promise<Audience> {
  if (isNumber(name)) checkedId(name, 'user')
  const user = await accounts.user(name)
  if (user !== undefined) return user
  const uid = isNumber(name) ? name : 'UID'
  throw unknown('user', name, `--for user:${uid}:GID:GID,… with the primary group and all groups as numbers`)
}

const isNumber = (text: string): boolean => /^[0-9]+$/.test(text)

function checkedId(text: string, kind: 'user' | 'group'): number {
  const id = parseId(text)
  if (id === undefined)
    throw new StrataError('USAGE', {
      message: `--for ${kind}:${shown(text)}: no ${kind} id, wanted 0 to ${MAX_ID}`
    })
  return id
}

const unknown = (kind: 'user' | 'group', name: string, hint: string): StrataError =>
  new StrataError('NAME_UNKNOWN', {
    message: `--for ${kind}:${shown(name)}: this host knows no ${kind} ${shown(name)}`,
    facts: { [kind]: shown(name) },
    hint
  })

const malformed = (text: string): StrataError =>
  new StrataError('USAGE', {
    message: `--for ${shown(text)}: wanted everyone, me, group:G or user:U`,
    hint: '--for group:vasp, or several as --for group:vasp,abinit'
  })

const shown = (text: string): string => showPath(pathFromText(text.slice(0, 80)))
