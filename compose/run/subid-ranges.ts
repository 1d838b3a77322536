/**
 * The ranges of subordinate ids of a user: lines of /etc/subuid and /etc/subgid, or what another source says that
 * /etc/nsswitch.conf names for `subid`, such as SSSD. newuidmap(1) asks that source alone then, so only its ranges can be mapped.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { findProgram } from './find-runtime.ts'

const SWITCH = '/etc/nsswitch.conf'
/** Of shadow 4.9 and later, which has libsubid. */
const ASKS = 'getsubids'

export interface NamedRange {
  first: number
  count: number
  /** Where it stands, for messages. */
  what: string
}

export interface RangeSource {
  /** For messages. */
  name: string
  /** The source in place of the file, such as `sss`. */
  service?: string
  /** The program that asks it, if that is missing. */
  lacks?: string
  ranges: NamedRange[]
}

/** @param names of the user, of which the first is that of the account */
export function rangesOf(
  { file, option }: { file: string; option: string[] },
  names: string[],
  host: NodeJS.ProcessEnv
): RangeSource {
  const service = subidService()
  if (service === undefined) return { name: file, ranges: rangesIn(file, names) }
  const program = findProgram(ASKS, host)
  const name = `"subid: ${service}" of ${SWITCH} (${[ASKS, ...option, names[0]].join(' ')})`
  // It may be that the source cannot be loaded; newuidmap takes the file then.
  if (program === undefined) return { name, service, lacks: ASKS, ranges: rangesIn(file, names) }
  const { stdout } = spawnSync(program, [...option, names[0]], { encoding: 'utf8', timeout: MOST_MS })
  return { name, service, ranges: answered(stdout ?? '', name) }
}

/** A directory service that does not answer must not hold up each capture. */
const MOST_MS = 10_000

/** The first source, if it is not the file. libsubid loads that one alone. */
function subidService(): string | undefined {
  const line = linesOf(SWITCH).find(each => /^subid:/i.test(each))
  const [first] = line?.slice('subid:'.length).trim().split(/\s+/) ?? []
  return first === undefined || first === '' || first === 'files' ? undefined : first
}

/** Lines `NAME:FIRST:COUNT`, or with a number in place of the name. */
const rangesIn = (file: string, names: string[]): NamedRange[] =>
  linesOf(file).flatMap((line, i) => {
    const [name, ...numbers] = line.split(':')
    return names.includes(name) ? rangeOf(numbers, `${file}, line ${i + 1}: ${line}`) : []
  })

/** Lines `0: NAME FIRST COUNT`; names of directory services may have blanks. */
const answered = (text: string, source: string): NamedRange[] =>
  text.split('\n').flatMap(line => rangeOf(line.split(' ').slice(-2), `${source}: ${line}`))

function rangeOf(numbers: string[], what: string): NamedRange[] {
  const [first, count] = numbers.map(text => (/^\d{1,10}$/.test(text) ? Number(text) : Number.NaN))
  return Number.isSafeInteger(first) && Number.isSafeInteger(count) ? [{ first, count, what }] : []
}

export function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n')
  } catch {
    return []
  }
}
