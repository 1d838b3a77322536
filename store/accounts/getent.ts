/**
 * Asks the host's own account database through `getent` and `id`. Node cannot call libc, and at sites with LDAP or SSSD
 * the file /etc/group lists nearly nobody.
 */
import { execFileSync } from 'node:child_process'
import { pathFromText, StrataError, showPath } from '../values/index.ts'

export type Database = 'passwd' | 'group'

/** Exit status of `getent` for a key that does not exist. */
const NOT_FOUND = 2
/** A directory service that takes longer counts as down. */
const TIMEOUT_MS = 60_000

/**
 * Looks up one entry.
 * @param hint what to type instead of a name
 * @returns the fields of the entry; undefined if there is none
 * @throws StrataError IO if the host cannot be asked
 */
export function getent(database: Database, key: string, hint: string): string[] | undefined {
  // Refuses keys that would be read as an option, another field or another line. Account tools admit no such names
  // either.
  if (key === '' || /^-|[:\n\0]/.test(key)) return undefined
  return askAccounts('getent', [database, key], hint)?.split('\n')[0].split(':')
}

/** Output of a program that knows accounts; undefined if `getent` finds nothing. @throws StrataError IO */
export function askAccounts(program: 'getent' | 'id', words: string[], hint: string): string | undefined {
  try {
    const options = { timeout: TIMEOUT_MS, env: { ...process.env, LC_ALL: 'C' }, stdio: 'pipe' } as const
    return execFileSync(program, words, options).toString()
  } catch (cause) {
    const { status, stderr, message } = cause as { status?: number; stderr?: Buffer; message: string }
    if (program === 'getent' && status === NOT_FOUND) return undefined
    throw cannotAsk([program, ...words].join(' '), stderr?.toString().trim() || message, hint, cause)
  }
}

export const cannotAsk = (asked: string, fault: string, hint: string, cause?: unknown): StrataError =>
  new StrataError('IO', {
    message: `the host's accounts cannot be asked: ${show(asked)}: ${show(fault)}`,
    facts: { command: show(asked) },
    hint,
    cause
  })

const show = (text: string): string => showPath(pathFromText(text.slice(0, 200)))
