/** Reads what our launcher tells on a pipe (native/launch/report.c): four fields, each with a NUL behind it. */
import type { Readable } from 'node:stream'
import { StrataError } from '../../store/values/index.ts'

export type LauncherWord =
  | { kind: 'note'; message: string }
  /** The program could not be started; the status is that of shells. */
  | { kind: 'program'; message: string }
  | { kind: 'error'; feature: string; message: string; hint?: string }

export type LauncherFailure = Exclude<LauncherWord, { kind: 'note' }>

const FIELDS = 4

/** @param onWord called with each word as soon as it is there */
export function readReport(pipe: Readable, onWord: (word: LauncherWord) => void): void {
  let rest = ''
  pipe.setEncoding('utf8').on('data', (text: string) => {
    const fields = (rest + text).split('\0')
    for (const word of takeWords(fields)) onWord(word)
    rest = fields.join('\0')
  })
}

export const wordsOfReport = (text: string): LauncherWord[] => takeWords(text.split('\0'))

function takeWords(fields: string[]): LauncherWord[] {
  const words: LauncherWord[] = []
  while (fields.length > FIELDS) {
    const [kind, feature, message, hint] = fields.splice(0, FIELDS)
    if (kind === 'error') words.push({ kind, feature, message, ...(hint !== '' && { hint }) })
    else words.push({ kind: kind === 'program' ? 'program' : 'note', message })
  }
  return words
}

/** What users asked for wrongly, rather than what the host lacks. */
const OF_USAGE = ['bind', 'folder', 'usage']

/** True if another runtime may be able to do what our launcher is not. */
export const isOfHost = (word: LauncherFailure): boolean =>
  word.kind === 'error' && ![...OF_USAGE, 'image', 'keeper'].includes(word.feature)

export const launchError = (word: Extract<LauncherFailure, { kind: 'error' }>): StrataError =>
  new StrataError(OF_USAGE.includes(word.feature) ? 'USAGE' : 'LAUNCH_FAILED', {
    message: word.message,
    facts: { feature: word.feature },
    ...(word.hint !== undefined && { hint: word.hint })
  })
