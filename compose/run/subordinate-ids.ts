/** Ranges of ids that a user may map in a namespace (subuid(5)), and the set-id programs that map them. */
import { readFileSync } from 'node:fs'
import { findProgram } from './find-runtime.ts'
import { ownName } from './own-name.ts'

interface IdRange {
  /** newuidmap or newgidmap. */
  program: string
  first: number
  count: number
}

interface SubordinateIds {
  users: IdRange
  groups: IdRange
}

/** What a host lacks for it. */
export interface MissingIds {
  /** Files without a range for the user that is long enough. */
  files: string[]
  /** Lines whose range has ids of accounts. */
  overlaps: string[]
  programs: string[]
  user: string
}

const KINDS = [
  { file: '/etc/subuid', name: 'newuidmap', accounts: '/etc/passwd' },
  { file: '/etc/subgid', name: 'newgidmap', accounts: '/etc/group' }
]
/** All ids that distributions give to accounts. */
const FEWEST_IDS = 65_536

export function subordinateIds(host: NodeJS.ProcessEnv): SubordinateIds | MissingIds {
  const user = ownName()
  const found = KINDS.map(({ file, name, accounts }) => ({
    ...{ file, name },
    program: findProgram(name, host),
    ...rangeIn(file, [user, String(process.geteuid?.())], accounts)
  }))
  const files = found.filter(({ range }) => range === undefined).map(({ file }) => file)
  const overlaps = found.flatMap(({ range, overlaps }) => (range === undefined ? overlaps : []))
  const programs = found.filter(({ program }) => program === undefined).map(({ name }) => name)
  if (files.length > 0 || programs.length > 0) return { files, overlaps, programs, user }
  const [users, groups] = found.map(({ program, range }) => ({ program: program!, ...range! }))
  return { users, groups }
}

export const hasIds = (ids: SubordinateIds | MissingIds): ids is SubordinateIds => 'users' in ids

interface FoundRange {
  range?: { first: number; count: number }
  /** Lines before it that are not used, with the reason. */
  overlaps: string[]
}

/**
 * The first line `NAME:FIRST:COUNT` of the user, or with a number in place of the name, that is long enough and has no id
 * of an account: its files would be those of the account.
 */
function rangeIn(file: string, names: string[], accounts: string): FoundRange {
  const overlaps: string[] = []
  for (const [i, line] of linesOf(file).entries()) {
    const [name, ...numbers] = line.split(':')
    const [first, count] = numbers.map(Number)
    if (!names.includes(name) || !Number.isSafeInteger(first) || !(count >= FEWEST_IDS)) continue
    const account = accountIn(accounts, first, count)
    if (account === undefined) return { range: { first, count }, overlaps }
    overlaps.push(
      `${file}, line ${i + 1}: ${line} has the id ${account.id} of ${account.name} in ${accounts}`
    )
  }
  return { overlaps }
}

function accountIn(file: string, first: number, count: number): { name: string; id: number } | undefined {
  for (const line of linesOf(file)) {
    const [name, , digits] = line.split(':')
    const id = Number(digits)
    if (digits !== undefined && digits !== '' && id >= first && id < first + count) return { name, id }
  }
  return undefined
}

export function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n')
  } catch {
    return []
  }
}

/** Options of our launcher (spec/launcher.md). */
export const rangeOptions = ({ users, groups }: SubordinateIds): string[] => [
  ...['--users', users.program, String(users.first), String(users.count)],
  ...['--groups', groups.program, String(groups.first), String(groups.count)]
]
