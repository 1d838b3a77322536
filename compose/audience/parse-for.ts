import { MAX_ID, parseId } from '../../store/accounts/index.ts'
import { pathFromText, StrataError, showPath } from '../../store/values/index.ts'
import { type Accounts, hostAccounts } from './accounts.ts'
import { type Audience, EVERYONE, type Group, groupAudience, MOUNTED, readAudience } from './audience.ts'

/**
 * Parses an audience that a user typed: `everyone`, `mounted`, `me`, `group:G` with names or ids, separated by commas, `user:U`,
 * or all ids of a user in the form of a lock.
 * @param accounts database for names, and for the groups of a user
 * @throws StrataError USAGE for another form; NAME_UNKNOWN for a user or group that the host does not know; IO if the
 * host cannot be asked
 */
export async function parseFor(text: string, accounts: Accounts = hostAccounts): Promise<Audience> {
  if (text === 'everyone') return EVERYONE
  if (text === 'mounted') return MOUNTED
  if (text === 'me') return accounts.me()
  const [kind, name, ...rest] = text.split(':')
  if (name === undefined || name === '') throw malformedError(text)
  if (kind === 'group' && rest.length === 0) {
    const names = name.split(',')
    if (names.includes('')) throw malformedError(text)
    const groups: Group[] = []
    for (const each of names) groups.push(await groupNamed(each, accounts))
    return groupAudience(groups)
  }
  if (kind !== 'user') throw malformedError(text)
  if (rest.length === 0) return userNamed(name, accounts)
  const inIds = readAudience(text)
  if (inIds === undefined) throw malformedIds(text, name)
  return inIds
}

async function groupNamed(name: string, accounts: Accounts): Promise<Group> {
  if (isNumber(name)) return { gid: checkedId(name, 'group') }
  const group = await accounts.group(name)
  if (group === undefined) throw unknown('group', name, 'to use a number without a look-up: --for group:GID')
  return group
}

async function userNamed(name: string, accounts: Accounts): Promise<Audience> {
  if (isNumber(name)) checkedId(name, 'user')
  const user = await accounts.user(name)
  if (user !== undefined) return user
  const uid = isNumber(name) ? name : 'UID'
  throw unknown(
    'user',
    name,
    `to give all ids yourself: --for user:${uid}:GID:GID,… (primary group, then all groups)`
  )
}

const isNumber = (text: string): boolean => /^[0-9]+$/.test(text)

function checkedId(text: string, kind: 'user' | 'group'): number {
  const id = parseId(text)
  if (id === undefined)
    throw new StrataError('USAGE', {
      message: `--for ${kind}:${showTyped(text)}: not a ${kind} id, wanted 0 to ${MAX_ID}`
    })
  return id
}

const unknown = (kind: 'user' | 'group', name: string, hint: string): StrataError =>
  new StrataError('NAME_UNKNOWN', {
    message: `--for ${kind}:${showTyped(name)}: this host has no ${kind} ${showTyped(name)}`,
    facts: { [kind]: showTyped(name) },
    hint
  })

const malformedError = (text: string): StrataError =>
  new StrataError('USAGE', {
    message: `--for ${showTyped(text)}: wanted everyone, me, mounted, group:G or user:U`,
    hint: '--for group:vasp, or several as --for group:vasp,abinit'
  })

const malformedIds = (text: string, name: string): StrataError =>
  new StrataError('USAGE', {
    message: `--for ${showTyped(text)}: behind user:U: stand numbers alone, wanted user:UID:GID:GID,… (primary group, then all groups)`,
    hint: `--for user:${showTyped(name)} takes the groups of ${showTyped(name)} from this host; id ${showTyped(name)} prints the numbers`
  })

const showTyped = (text: string): string => showPath(pathFromText(text.slice(0, 80)))
