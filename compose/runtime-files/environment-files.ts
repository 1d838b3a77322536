/** Writes the composed environment in the three forms that runtimes read (spec/image-metadata.md#environment). */
import type { Change } from './environment-changes.ts'

type Changes = ReadonlyMap<string, Change>

const HEAD = '#!/bin/sh\n# Environment of the modules in this image, bottom to top.\n'

/** A POSIX sh script for Apptainer, which runs it after removing variables of the host. */
export function formatApptainerEnvironment(changes: Changes): string {
  const lines = [...changes].map(([name, change]) =>
    change.kind === 'unset' ? unsetUnderApptainer(name) : `export ${assignment(name, change)}\n`
  )
  return HEAD + lines.join('')
}

// Apptainer restores the host's value of every variable that the scripts leave unset, and unsets those that they
// leave empty (its action script, restore_env). So an empty value unsets a variable there.
const unsetUnderApptainer = (name: string): string =>
  `unset ${name}\n[ -z "\${APPTAINER_CONTAINER:-}\${SINGULARITY_CONTAINER:-}" ] || export ${name}=''\n`

/**
 * A POSIX sh script for login shells. A shell that already has this environment, for example from ch-run --set-env,
 * does not get a path twice.
 */
export function formatProfileScript(changes: Changes): string {
  const lines = [...changes].map(([name, change]) => {
    if (change.kind === 'unset') return `unset ${name}\n`
    if (change.kind === 'set') return `export ${assignment(name, change)}\n`
    return `case "\${${name}-}" in ${appliedPattern(change)}) ;; *) export ${assignment(name, change)} ;; esac\n`
  })
  return HEAD + lines.join('')
}

/**
 * A pattern for values that already begin and end as the change wants it. It is quoted, so that `*` in a value stays
 * a star.
 */
function appliedPattern({ before, after }: Extract<Change, { kind: 'extend' }>): string {
  const [first, last] = [quoteForShell(before), quoteForShell(after)]
  if (after === '') return `${first} | ${first}:*`
  if (before === '') return `${last} | *:${last}`
  return `${first}:${last} | ${first}:*:${last}`
}

function assignment(name: string, change: Exclude<Change, { kind: 'unset' }>): string {
  if (change.kind === 'set') return `${name}=${quoteForShell(change.value)}`
  const { before, after } = change
  if (before === '') return `${name}="\${${name}:+$${name}:}"${quoteForShell(after)}`
  const tail = after === '' ? '' : quoteForShell(`:${after}`)
  return `${name}=${quoteForShell(before)}"\${${name}:+:$${name}}"${tail}`
}

/** Quotes a value for a shell: between single quotes every byte except the quote stands for itself. */
const quoteForShell = (value: string): string => `'${value.replaceAll("'", "'\\''")}'`

/**
 * `/ch/environment`, for `ch-run --set-env`, with one variable per line. ch-run removes one pair of quotes around a
 * value, and replaces an element `$NAME` by the host's variable, or by nothing (env_set in ch_misc.c; ch-run(1)).
 * Such an element cannot be written literally, so a variable that has one is left out, and `charliecloudLosses` names
 * it.
 */
export function formatCharliecloudEnvironment(changes: Changes): string {
  const lines = [...changes]
    .filter(([, change]) => !isUnspeakable(change))
    .map(([name, change]) => `${name}=${keepQuotes(charliecloudValue(name, change))}\n`)
  return lines.join('')
}

function charliecloudValue(name: string, change: Change): string {
  if (change.kind === 'unset') return ''
  if (change.kind === 'set') return change.value
  return [change.before, `$${name}`, change.after].filter(part => part !== '').join(':')
}

const keepQuotes = (value: string): string => (/^'.*'$/s.test(value) ? `'${value}'` : value)

const isUnspeakable = (change: Change): boolean => literals(change).some(value => /(^|:)\$[^:]/.test(value))

const literals = (change: Change): string[] =>
  change.kind === 'set' ? [change.value] : change.kind === 'extend' ? [change.before, change.after] : []

export interface EnvironmentLoss {
  name: string
  /** The reason, as the end of a sentence: `cannot hold …`. */
  reason: string
}

/** Variables that `ch-run --set-env` cannot set as the modules want them, to be reported to the user. */
export const charliecloudLosses = (changes: Changes): EnvironmentLoss[] =>
  [...changes].flatMap(([name, change]) => {
    if (change.kind === 'unset')
      return [{ name, reason: 'is empty and not unset: ch-run reads assignments only' }]
    return isUnspeakable(change)
      ? [
          {
            name,
            reason:
              'is left out: ch-run would replace an element that begins with $ by a variable of the host'
          }
        ]
      : []
  })
