/** Options in front of a key in a file of signers (ssh-keygen(1), ALLOWED SIGNERS). */
import { WireFault } from './wire.ts'

export interface SignerOptions {
  /** The key is that of a certificate authority, and signs nothing itself. */
  isAuthority: boolean
  /** List of patterns; absent: every namespace. */
  namespaces?: string
  /** Seconds since 1970. */
  validAfter?: number
  validBefore?: number
}

/** @throws WireFault */
export function readSignerOptions(text: string): SignerOptions {
  const options: SignerOptions = { isAuthority: false }
  let rest = text
  while (rest !== '') {
    rest = readOption(rest, options)
    if (rest === '') break
    if (!rest.startsWith(',')) throw new WireFault(`has an unknown option: ${rest.slice(0, 40)}`)
    rest = rest.slice(1)
    if (rest === '') throw new WireFault('has a comma behind the last option')
  }
  const { validAfter, validBefore } = options
  if (validAfter !== undefined && validBefore !== undefined && validBefore <= validAfter)
    throw new WireFault('has a valid-before that is not later than valid-after')
  return options
}

/** Reads the option at the start of the text, if it is a known one. @returns the text behind it */
function readOption(text: string, options: SignerOptions): string {
  const [, flag] = /^(cert-authority)/i.exec(text) ?? []
  if (flag !== undefined) {
    options.isAuthority = true
    return text.slice(flag.length)
  }
  const [start, name] = /^(namespaces|valid-after|valid-before)=/i.exec(text) ?? []
  if (start === undefined) return text
  const { value, rest } = readQuoted(text.slice(start.length), name)
  if (name.toLowerCase() === 'namespaces') {
    refuseSecond(options.namespaces, name)
    options.namespaces = value
  } else if (name.toLowerCase() === 'valid-after') {
    refuseSecond(options.validAfter, name)
    options.validAfter = readTime(value, name)
  } else {
    refuseSecond(options.validBefore, name)
    options.validBefore = readTime(value, name)
  }
  return rest
}

function refuseSecond(before: unknown, name: string): void {
  if (before !== undefined) throw new WireFault(`has ${name} twice`)
}

function readQuoted(text: string, name: string): { value: string; rest: string } {
  const [all, inner] = /^"((?:\\"|[^"])*)"/.exec(text) ?? []
  if (all === undefined) throw new WireFault(`${name} has no value in quotes`)
  return { value: inner.replaceAll('\\"', '"'), rest: text.slice(all.length) }
}

const TIME = /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(z|utc)?$/i

/** `YYYYMMDD[HHMM[SS]]`, in the time of this host or, with a Z behind it, UTC. @returns seconds since 1970 */
function readTime(text: string, name: string): number {
  const match = TIME.exec(text)
  if (match === null) throw new WireFault(`${name} is "${text.slice(0, 40)}", wanted YYYYMMDD[HHMM[SS]][Z]`)
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(digits => Number(digits ?? 0))
  const utcMs = Date.UTC(year, month - 1, day, hour, minute, second)
  const read = new Date(utcMs)
  const isDate = read.getUTCMonth() === month - 1 && read.getUTCDate() === day && read.getUTCHours() === hour
  if (!isDate || minute > 59 || second > 59 || utcMs <= 0)
    throw new WireFault(`${name} is "${text}", which is not a time after 1970`)
  return (match[7] === undefined ? utcMs + standardOffsetMs(year) : utcMs) / 1000
}

/** ssh-keygen takes local times as standard time, also in summer: C's mktime(3) is told that no summer time holds. */
function standardOffsetMs(year: number): number {
  const offsets = [0, 6].map(month => new Date(year, month, 1).getTimezoneOffset())
  return Math.max(...offsets) * 60_000
}
