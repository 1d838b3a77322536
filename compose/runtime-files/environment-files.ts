/** The composed environment in the three forms that runtimes read (spec/image-metadata.md#environment). */
import type { Change } from './environment-changes.ts'

type Changes = ReadonlyMap<string, Change>

const HEAD = '#!/bin/sh\n# Environment of the modules in this image, bottom to top.\n'

/** POSIX sh, for Apptainer, which sources it with variables of the host taken away. */
export function formatApptainerEnvironment(changes: Changes): string {
  const lines = [...changes].map(([name, change]) =>
    change.kind === 'unset' ? unsetUnderApptainer(name) : `export ${assignment(name, change)}\n`
  )
  return HEAD + lines.join('')
}

// Apptainer gives back the host's value of every variable that the scripts leave unset, and unsets what they leave
// empty (its action script, restore_env). So there `unset` is said by an empty value.
const unsetUnderApptainer = (name: string): string =>
  `unset ${name}\n[ -z "\${APPTAINER_CONTAINER:-}\${SINGULARITY_CONTAINER:-}" ] || export ${name}=''\n`

/**
 * POSIX sh, for login shells. A shell that was started with this environment already (by ch-run --set-env, say) does
 * not get a path twice.
 */
export function formatProfileScript(changes: Changes): string {
  const lines = [...changes].map(([name, change]) => {
    if (change.kind === 'unset') return `unset ${name}\n`
    if (change.kind === 'set') return `export ${assignment(name, change)}\n`
    return `case "\${${name}-}" in ${applied(change)}) ;; *) export ${assignment(name, change)} ;; esac\n`
  })
  return HEAD + lines.join('')
}

/** Pattern of values that begin and end as the change wants it. Quoted, so that `*` in a value is a star. */
function applied({ before, after }: Extract<Change, { kind: 'extend' }>): string {
  const [first, last] = [quoted(before), quoted(after)]
  if (after === '') return `${first} | ${first}:*`
  if (before === '') return `${last} | *:${last}`
  return `${first}:${last} | ${first}:*:${last}`
}

function assignment(name: string, change: Exclude<Change, { kind: 'unset' }>): string {
  if (change.kind === 'set') return `${name}=${quoted(change.value)}`
  const { before, after } = change
  if (before === '') return `${name}="\${${name}:+$${name}:}"${quoted(after)}`
  const tail = after === '' ? '' : quoted(`:${after}`)
  return `${name}=${quoted(before)}"\${${name}:+:$${name}}"${tail}`
}

/** Between single quotes a shell takes every byte as it is, but the quote itself. */
const quoted = (value: string): string => `'${value.replaceAll("'", "'\\''")}'`

/**
 * `/ch/environment`, for `ch-run --set-env`: a line a variable. Quotes around a whole value are taken off once; an
 * element `$NAME` of a value is the host's variable, or nothing (env_set in ch_misc.c; ch-run(1)). There is no way to
 * write such an element literally: a variable that has one is left out, and `charliecloudLosses` names it.
 */
export function formatCharliecloudEnvironment(changes: Changes): string {
  const lines = [...changes]
    .filter(([, change]) => !isUnspeakable(change))
    .map(([name, change]) => `${name}=${shielded(charliecloudValue(name, change))}\n`)
  return lines.join('')
}

function charliecloudValue(name: string, change: Change): string {
  if (change.kind === 'unset') return ''
  if (change.kind === 'set') return change.value
  return [change.before, `$${name}`, change.after].filter(part => part !== '').join(':')
}

const shielded = (value: string): string => (/^'.*'$/s.test(value) ? `'${value}'` : value)

const isUnspeakable = (change: Change): boolean => literals(change).some(value => /(^|:)\$[^:]/.test(value))

const literals = (change: Change): string[] =>
  change.kind === 'set' ? [change.value] : change.kind === 'extend' ? [change.before, change.after] : []

export interface EnvironmentLoss {
  name: string
  /** As the end of a sentence: `cannot hold …`. */
  reason: string
}

/** Variables that `ch-run --set-env` cannot set as the modules want them, for whoever builds an image to be told. */
export const charliecloudLosses = (changes: Changes): EnvironmentLoss[] =>
  [...changes].flatMap(([name, change]) => {
    if (change.kind === 'unset')
      return [{ name, reason: 'is empty and not unset: ch-run reads assignments only' }]
    return isUnspeakable(change)
      ? [
          {
            name,
            reason: 'is left out: ch-run would put a variable of the host for an element that begins with $'
          }
        ]
      : []
  })
