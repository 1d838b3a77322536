/** Ranges of ids that a user may map in a namespace (subuid(5)), and the set-id programs that map them. */
import { findProgram } from './find-runtime.ts'
import { ownName } from './own-name.ts'
import { linesOf, type NamedRange, rangesOf } from './subid-ranges.ts'

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
  /** Files, or other sources, without a range for the user that is long enough. */
  files: string[]
  /** The source that the host asks in place of the files, such as `sss`. */
  service?: string
  /** Lines whose range has ids of accounts. */
  overlaps: string[]
  programs: string[]
  user: string
}

const KINDS = [
  { file: '/etc/subuid', option: [], name: 'newuidmap', accounts: '/etc/passwd' },
  { file: '/etc/subgid', option: ['-g'], name: 'newgidmap', accounts: '/etc/group' }
]
/** All ids that distributions give to accounts. */
const FEWEST_IDS = 65_536

export function subordinateIds(host: NodeJS.ProcessEnv): SubordinateIds | MissingIds {
  const user = ownName()
  const names = [user, String(process.geteuid?.())]
  const found = KINDS.map(({ file, option, name, accounts }) => {
    const source = rangesOf({ file, option }, names, host)
    return { ...{ source, name }, program: findProgram(name, host), ...usableOf(source.ranges, accounts) }
  })
  const without = found.filter(({ range }) => range === undefined)
  const overlaps = without.flatMap(({ overlaps }) => overlaps)
  const programs = found.filter(({ program }) => program === undefined).map(({ name }) => name)
  if (without.length > 0 || programs.length > 0) {
    const lacking = [...new Set(without.flatMap(({ source }) => source.lacks ?? []))]
    const service = without.map(({ source }) => source.service).find(each => each !== undefined)
    return {
      ...{ overlaps, programs: [...programs, ...lacking], user },
      files: without.map(({ source }) => source.name),
      ...(service !== undefined && { service })
    }
  }
  const [users, groups] = found.map(({ program, range }) => ({ program: program!, ...range! }))
  return { users, groups }
}

export const hasIds = (ids: SubordinateIds | MissingIds): ids is SubordinateIds => 'users' in ids

interface FoundRange {
  range?: { first: number; count: number }
  /** Ranges before it that are not used, with the reason. */
  overlaps: string[]
}

/** The first one that is long enough and has no id of an account: its files would be those of the account. */
function usableOf(ranges: NamedRange[], accounts: string): FoundRange {
  const overlaps: string[] = []
  for (const { first, count, what } of ranges) {
    if (!(count >= FEWEST_IDS)) continue
    const account = accountIn(accounts, first, count)
    if (account === undefined) return { range: { first, count }, overlaps }
    overlaps.push(`${what} has the id ${account.id} of ${account.name} in ${accounts}`)
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

/** Options of our launcher (spec/launcher.md). */
export const rangeOptions = ({ users, groups }: SubordinateIds): string[] => [
  ...['--users', users.program, String(users.first), String(users.count)],
  ...['--groups', groups.program, String(groups.first), String(groups.count)]
]
