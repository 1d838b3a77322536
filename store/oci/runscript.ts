import { checkText } from '../module/index.ts'
import type { Json } from './json.ts'

/**
 * A shell script from Entrypoint and Cmd that does what a container runtime does: arguments replace Cmd, and the result
 * is run behind Entrypoint. Undefined if there is neither.
 * @throws StrataError USAGE if a word holds characters that are not allowed in a record, such as control characters
 */
export function readRunscript(config: Json): string | undefined {
  const words = (name: string) =>
    config
      .member(name)
      .optionalList()
      .map(word => word.text())
  return formatRunscript(words('Entrypoint'), words('Cmd'))
}

/** @throws as readRunscript */
export function formatRunscript(entrypoint: string[], cmd: string[]): string | undefined {
  if (entrypoint.length === 0 && cmd.length === 0) return undefined
  const lines = ['#!/bin/sh']
  if (cmd.length > 0) lines.push(`[ $# -gt 0 ] || set -- ${cmd.map(quote).join(' ')}`)
  lines.push(`exec ${[...entrypoint.map(quote), '"$@"'].join(' ')}`)
  return checkText(`${lines.join('\n')}\n`, 'script')
}

/** Inside single quotes a shell takes every byte literally, except the quote itself. */
const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`
